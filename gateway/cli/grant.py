"""`archimed grant`: who may see which study."""

import click

from catalog import administration
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import as_option, json_option
from gateway.cli.output import print_records
from gateway.records import people


@click.group()
def grant() -> None:
    """Say who may see which study; individually, never by group.

    \b
    Example:
      archimed grant add ada 2008-0003
    """


@grant.command()
@click.argument("login")
@click.argument("study")
@as_option
def add(login: str, study: str, acting_as: str) -> None:
    """Let a user see a study.

    \b
    Example:
      archimed grant add ada 2008-0003
    """
    with catalogue() as database:
        administration.add_grant(database, actor(acting_as), login, study)
    click.echo(f"{login} may see {study}")


@grant.command()
@click.argument("login")
@click.argument("study")
@as_option
def remove(login: str, study: str, acting_as: str) -> None:
    """Let a user see a study no longer.

    \b
    Example:
      archimed grant remove ada 2008-0003
    """
    with catalogue() as database:
        administration.remove_grant(database, actor(acting_as), login, study)
    click.echo(f"{login} may not see {study} any more")


@grant.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all grants.

    \b
    Example:
      archimed grant list --json
    """
    with catalogue() as database:
        found = [people.grant(each) for each in administration.list_grants(database)]
    print_records(found, ("login", "study", "granted"), as_json=as_json)
