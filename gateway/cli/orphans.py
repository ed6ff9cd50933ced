"""`archimed staging orphans|adopt|erase`: what staging held and the catalogue does not know, and what becomes of it."""

import click

from catalog import administration
from catalog.audit import record
from catalog.gate.drops.local_files import LocalFiles
from catalog.gate.staged.orphans import Orphans, record_of
from catalog.pure.access import Action
from catalog.pure.errors import Refused
from gateway.cli.administering import actor, catalogue
from gateway.cli.bring import bring_as
from gateway.cli.common import as_option, configuration, json_option
from gateway.cli.output import print_records
from gateway.records.moments import moment
from gateway.wiring import open_staging

_COLUMNS = ("id", "kind", "found", "study", "exam", "files", "bytes", "reason")


@click.command()
@json_option
def orphans(as_json: bool) -> None:
    """List files of staging that no batch has, which were set aside.

    They may never have been acknowledged, or the catalogue is older than they are. `adopt` makes a batch of them, `erase` ends
    them; by themselves they go after `keep_orphans_days` under [staging].

    \b
    Example:
      archimed staging orphans
    """
    found = [{**record_of(orphan), "found": moment(orphan.found)} for orphan in _orphans().all()]
    print_records(found, _COLUMNS, as_json=as_json)


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--study", required=True, metavar="CODE", help="The study they are for.")
@click.option("--exam", required=True, metavar="CODE", help="The exam they are for.")
@as_option
def adopt(ids: tuple[str, ...], study: str, exam: str, acting_as: str) -> None:
    """Make files that were set aside part of a batch, which waits at the gate as any other.

    What was cut short goes on when this is run again.

    \b
    Example:
      archimed staging adopt 1f3a9c07 --study 2008-0003 --exam E020 --as ada
    """
    if not acting_as:
        raise Refused("name whose batch they become: --as LOGIN")
    found = _orphans()
    with catalogue() as database:
        user = administration.principal(database, acting_as)
        for name in ids:
            with LocalFiles([found.files(name)]) as local:
                folder = (study, exam, f"orphan-{name}")
                batch = bring_as(database, user, acting_as, folder, local) if local.files else None
                count = len(local.files)
            found.erase(name)
            click.echo(f"{name}: {count} files are in batch {batch}" if batch else f"{name}: there was no file in it")


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for the audit.")
@as_option
def erase(ids: tuple[str, ...], reason: str, acting_as: str) -> None:
    """Erase files that were set aside, for good.

    \b
    Example:
      archimed staging erase 1f3a9c07 --reason "a broken transfer, sent again since"
    """
    found = _orphans()
    with catalogue() as database:
        by = actor(acting_as)
        if acting_as and not administration.principal(database, acting_as).may(Action.ADMINISTER):
            raise Refused(f"{acting_as} may not erase what was set aside: that takes an administrator")
        for name in ids:
            orphan = found.find(name)
            with database.write() as connection:
                detail = {"files": orphan.files, "bytes": orphan.bytes, "reason": reason}
                record(
                    connection, actor=by.name, acting_as=by.acting_as, action="orphan.erase", study=orphan.study,
                    subject=f"orphan {name}", detail=detail,
                )  # fmt: skip
            found.erase(name)
            click.echo(f"{name}: {orphan.files} files erased")


def _orphans() -> Orphans:
    return open_staging(configuration()).orphans
