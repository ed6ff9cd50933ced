"""`archimed send`: archived DICOM files to a node."""

import click

from catalog.administration import DicomNode, list_nodes
from catalog.database import Database
from catalog.exchange import Delivery, find_delivery, queue_files, receipt
from catalog.jobs import JobInfo, show_job
from catalog.pure.errors import NotFound, Refused
from catalog.pure.jobs import UNFINISHED, JobState
from catalog.pure.names import folded
from catalog.pure.nodes import STUDIES
from gateway.cli.administering import actor
from gateway.cli.common import configuration, json_option
from gateway.cli.output import print_record
from gateway.cli.progress import bar
from gateway.cli.tree import view_as
from gateway.cli.waiting import wait


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--to", "name", required=True, metavar="NODE", help="The node, as `archimed node list` names it.")
@click.option("--as", "login", metavar="LOGIN", help="Whose files; your own Unix login without.")
@click.option("--no-wait", "no_wait", is_flag=True, help="Only queue it; `archimed job show` shows what became of it.")
@json_option
def send(paths: tuple[str, ...], name: str, login: str | None, no_wait: bool, as_json: bool) -> None:
    """Send DICOM files of the archive to a node, by C-STORE.

    A PATH is a study, exam, series or file; what lies below is sent too. It is queued, and this command waits for it. A node
    that is away is tried again for a week, whether somebody waits or not. Each file that it does not have in the end is named
    with the reason, and the exit status is 1 then, as it is while the node is away.

    \b
    Examples:
      archimed send 2008-0003/E001 --to WS1 --as ada
      archimed send 2008-0003/E001/003_DCM_MR_t1_mprage --to PACS --as ada --json
      archimed send 2008-0003 --to PACS --as ada --no-wait
    """
    from gateway.dicom.sending import files_below  # late: DICOM libraries
    from gateway.wiring import open_caller, open_deliverer

    with view_as(login) as (view, user, database, archive):
        target = _node(database, name)
        files = [(node.id.row, path) for start in paths for path, node in files_below(view, start) if node.id.tree == STUDIES]
        if not files:
            raise NotFound("there are no files at or below these places")
        with database.write() as connection:
            asked_by = actor(login or "").name
            number, job = queue_files(connection, target.id, target.name, user.user_id, asked_by, files)
        if no_wait:
            _show(find_delivery(database, number), show_job(database, job), {}, as_json=as_json)
            return
        deliverer = open_deliverer(configuration(), database, archive, open_caller(configuration()))
        with bar(f"Sending to {target.name}", len(files)) as show:

            def look() -> tuple[Delivery, JobInfo]:
                found = find_delivery(database, number)
                show(found.sent + found.failed)
                return found, show_job(database, job)

            found, info = wait(deliverer, look, _is_under_way, delivery_id=number)
        missing = dict(receipt(database, number))
    _show(found, info, missing, as_json=as_json)
    if info.state is not JobState.DONE:
        raise Refused(_why(found, info, missing))


def _node(database: Database, name: str) -> DicomNode:
    target = next((node for node in list_nodes(database) if folded(node.name) == folded(name)), None)
    if target is None:
        raise NotFound(f"there is no node {name}; see `archimed node list`")
    return target


def _is_under_way(seen: tuple[Delivery, JobInfo]) -> bool:
    """Whether it runs or begins soon; one that its node did not take waits for longer than anybody in front of a terminal."""
    found, info = seen
    return info.state is JobState.RUNNING or (info.state is JobState.QUEUED and not found.tries)


def _why(found: Delivery, info: JobInfo, missing: dict[str, str]) -> str:
    if info.state in UNFINISHED:
        return f"{info.error}; job {info.id} goes on trying: `archimed job show {info.id}`, or `job cancel`"
    return f"{len(missing)} files were not sent" if missing else info.error


def _show(found: Delivery, info: JobInfo, missing: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        record = {"node": found.peer, "job": info.id, "state": str(info.state), "sent": found.sent, "failed": missing}
        print_record(record, as_json=True)
        return
    if info.state in UNFINISHED and not found.tries:
        click.echo(f"job {info.id}: {found.total} files wait to be sent to {found.peer}")
    else:
        click.echo(f"{found.sent} of {found.total} files sent to {found.peer}")
    for path, why in missing.items():
        click.echo(f"{path}: {why}", err=True)
