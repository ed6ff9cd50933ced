"""`archimed node`: DICOM peers that may ask for archived images, or be sent to."""

import click

from catalog import administration
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import json_option
from gateway.cli.output import print_records
from gateway.records import people


@click.group()
def node() -> None:
    """Name the DICOM nodes that may query and retrieve, or be sent to.

    \b
    Example:
      archimed node add WS1 --ae WORKSTATION1 --host 192.0.2.9 --port 104 --study 2008-0003
    """


@node.command()
@click.argument("name")
@click.option("--ae", "ae_title", required=True, metavar="AETITLE", help="The AE title it calls itself.")
@click.option("--host", required=True, metavar="ADDRESS", help="IP address it calls from and is called at.")
@click.option("--port", required=True, type=int, metavar="N", help="TCP port it is called at.")
@click.option("--study", "codes", multiple=True, metavar="CODE", help="A study that it may see; repeat for several.")
@click.option(
    "--as", "login", default="", metavar="LOGIN",
    help="The user as whom it asks, and whose grants count; without, a user of its own, with a grant on each --study.",
)  # fmt: skip
@click.option("--tls", is_flag=True, help="It must use TLS, with a certificate of the site's CA, and is called by TLS.")
@click.option("--certificate", default="", metavar="SHA256", help="Fingerprint of the certificate it must show; any without.")
def add(
    name: str, ae_title: str, host: str, port: int, codes: tuple[str, ...], login: str, tls: bool, certificate: str
) -> None:  # fmt: skip
    """Let a DICOM node query, retrieve and be sent to.

    With --as it sees what that user is granted, and of this only each --study if any is named. Without --as it gets a user of
    its own, `node-NAME`, and `archimed grant` says later what that user may see.

    \b
    Examples:
      archimed node add WS1 --ae WORKSTATION1 --host 192.0.2.9 --port 104 --as ada
      archimed node add PACS --ae HOSPITAL --host 192.0.2.10 --port 11112 --study 2008-0003 --study 2010-0007
    """
    with catalogue() as database:
        administration.add_node(
            database, actor(""), name, ae_title=ae_title, host=host, port=port, codes=codes, login=login, tls=tls,
            certificate=certificate,
        )  # fmt: skip
    click.echo(f"node {name} added, asking as {login or administration.own_login(name)}")


@node.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all DICOM nodes.

    \b
    Example:
      archimed node list
    """
    with catalogue() as database:
        found = [people.dicom_node(each) for each in administration.list_nodes(database)]
    print_records(found, ("name", "ae_title", "host", "port", "tls", "login", "studies"), as_json=as_json)


@node.command()
@click.argument("name")
def remove(name: str) -> None:
    """Let a DICOM node neither ask nor be sent to.

    \b
    Example:
      archimed node remove WS1
    """
    with catalogue() as database:
        administration.remove_node(database, actor(""), name)
    click.echo(f"node {name} removed")
