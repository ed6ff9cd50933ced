"""`archimed source`: the scanners and centres that may send."""

import click

from catalog import administration
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import as_option, json_option
from gateway.cli.output import print_records
from gateway.records import people

_reviewers = click.option(
    "--reviewer", "reviewers", multiple=True, required=True, metavar="LOGIN",
    help="Who sees and decides what it sends; repeat for several.",
)  # fmt: skip


@click.group()
def source() -> None:
    """Name the scanners and centres that may send, and who reviews what they send.

    \b
    Example:
      archimed source add MR1 --ae SIEMENS_MR --host 192.0.2.7 --reviewer ada
    """


@source.command()
@click.argument("name")
@click.option("--ae", "ae_title", required=True, metavar="AETITLE", help="The AE title it calls itself.")
@click.option("--host", default="", metavar="ADDRESS", help="IP address it must call from; any without.")
@click.option(
    "--port", default=0, metavar="N", help="TCP port it is called at, with reports on storage commitment; never without."
)
@click.option("--tls", is_flag=True, help="It must use TLS, with a certificate of the site's CA.")
@click.option("--certificate", default="", metavar="SHA256", help="Fingerprint of the certificate it must show; any without.")
@_reviewers
@click.option("--study", metavar="CODE", help="Study its data belong to; decided at the gate without.")
@click.option("--centre", metavar="CENTRE", help="Centre of that study it stands in.")
@as_option
def add(
    name: str,
    ae_title: str,
    host: str,
    port: int,
    tls: bool,
    certificate: str,
    reviewers: tuple[str, ...],
    study: str | None,
    centre: str | None,
    acting_as: str,
) -> None:
    """Let a scanner or centre send.

    \b
    Examples:
      archimed source add MR1 --ae SIEMENS_MR --host 192.0.2.7 --reviewer ada --reviewer bob
      archimed source add CT1 --ae CT1 --host 192.0.2.8 --port 104 --reviewer ada
    """
    with catalogue() as database:
        administration.add_source(
            database, actor(acting_as), name, ae_title=ae_title, host=host, reviewers=reviewers, study=study, port=port,
            tls=tls, certificate=certificate, centre=centre,
        )  # fmt: skip
    click.echo(f"source {name} added")


@source.command("set-reviewers")
@click.argument("name")
@_reviewers
@as_option
def set_reviewers(name: str, reviewers: tuple[str, ...], acting_as: str) -> None:
    """Replace the people who see and decide what a source sends.

    \b
    Example:
      archimed source set-reviewers MR1 --reviewer ada --reviewer bob
    """
    with catalogue() as database:
        administration.set_reviewers(database, actor(acting_as), name, reviewers)
    click.echo(f"source {name} is reviewed by {', '.join(reviewers)}")


@source.command("set")
@click.argument("name")
@click.option("--host", metavar="ADDRESS", help="IP address it must call from; '' for any.")
@click.option("--port", type=int, metavar="N", help="TCP port it is called at, with reports on storage commitment; 0 for none.")
@click.option("--tls/--no-tls", default=None, help="Whether it must use TLS, with a certificate of the site's CA.")
@click.option("--certificate", metavar="SHA256", help="Fingerprint of the certificate it must show; '' for any of the site's.")
@as_option
def set_(
    name: str, host: str | None, port: int | None, tls: bool | None, certificate: str | None, acting_as: str
) -> None:  # fmt: skip
    """Change where a source is and how it connects; what is not said stays.

    \b
    Example:
      archimed source set MR1 --host 192.0.2.7 --port 104
    """
    with catalogue() as database:
        administration.set_source(
            database, actor(acting_as), name, host=host, port=port, tls=tls, certificate=certificate
        )  # fmt: skip
    click.echo(f"source {name} changed")


@source.command()
@click.argument("name")
@as_option
def remove(name: str, acting_as: str) -> None:
    """Let a source send no longer.

    \b
    Example:
      archimed source remove MR1
    """
    with catalogue() as database:
        administration.remove_source(database, actor(acting_as), name)
    click.echo(f"source {name} removed")


@source.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all sources.

    \b
    Example:
      archimed source list
    """
    with catalogue() as database:
        found = [people.source(each) for each in administration.list_sources(database)]
    print_records(found, ("name", "ae_title", "host", "port", "tls", "study", "centre", "reviewers"), as_json=as_json)
