"""`archimed send`: archived DICOM files to a node."""

import time

import click

from catalog.administration import list_nodes
from catalog.pure.errors import NotFound, Refused
from catalog.pure.names import folded
from gateway.cli.common import configuration, json_option
from gateway.cli.output import print_record
from gateway.cli.progress import bar
from gateway.cli.tree import view_as


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--to", "name", required=True, metavar="NODE", help="The node, as `archimed node list` names it.")
@click.option("--as", "login", metavar="LOGIN", help="Whose files; your own Unix login without.")
@json_option
def send(paths: tuple[str, ...], name: str, login: str | None, as_json: bool) -> None:
    """Send DICOM files of the archive to a node, by C-STORE on one association.

    A PATH is a study, exam, series or file; what lies below is sent too. A node that is away is tried again for some time. Each
    file that it does not have in the end is named with the reason, and the exit status is 1 then.

    \b
    Examples:
      archimed send 2008-0003/E001 --to WS1 --as ada
      archimed send 2008-0003/E001/003_DCM_MR_t1_mprage --to PACS --as ada --json
    """
    from gateway.dicom.sending import files_below  # late: DICOM libraries
    from gateway.dicom.sending import send as send_files

    with view_as(login) as (view, database):
        target = next((node for node in list_nodes(database) if folded(node.name) == folded(name)), None)
        if target is None:
            raise NotFound(f"there is no node {name}; see `archimed node list`")
        files = [found for path in paths for found in files_below(view, path)]
        with bar(f"Sending to {target.name}", len(files)) as show:
            receipt = send_files(view, files, target, configuration().dicom.ae_title, time.sleep, show)
    if as_json:
        print_record({"node": target.name, "sent": receipt.sent, "failed": receipt.failed}, as_json=True)
    else:
        click.echo(f"{receipt.sent} of {len(files)} files sent to {target.name}")
        for path, why in receipt.failed.items():
            click.echo(f"{path}: {why}", err=True)
    if receipt.failed:
        raise Refused(f"{len(receipt.failed)} files were not sent")
