"""`archimed grant`: who may see which study, or centres of it, and until when."""

from collections.abc import Sequence

import click

from catalog import administration
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import as_option, json_option
from gateway.cli.output import print_records
from gateway.cli.times import Until
from gateway.records import people
from gateway.records.moments import moment


@click.group()
def grant() -> None:
    """Say who may see which study, or centres of it, and until when; individually, never by group.

    \b
    Example:
      archimed grant add ada 2008-0003
      archimed grant add bob 2008-0003 --centre LYON --until 2027-06-30
    """


_centres = click.option(
    "--centre", "centres", multiple=True, metavar="CENTRE",
    help="A centre of the study, instead of all of it; repeat for several.",
)  # fmt: skip


@grant.command()
@click.argument("login")
@click.argument("study")
@_centres
@click.option("--until", type=Until(), help="Last day on which it counts, in UTC; or a moment, 2027-06-30T12:00.")
@as_option
def add(login: str, study: str, centres: tuple[str, ...], until: int | None, acting_as: str) -> None:
    """Let a user see a study, or centres of it.

    Given again, it adds centres, sets another end, or (without --centre) lets the user see the whole study.

    \b
    Example:
      archimed grant add ada 2008-0003
      archimed grant add bob 2008-0003 --centre LYON --centre PARIS --until 2027-06-30
    """
    with catalogue() as database:
        administration.add_grant(database, actor(acting_as), login, study, centres=centres, until=until)
    end = f" until {moment(until)}" if until is not None else ""
    click.echo(f"{login} may see {_what(study, centres)}{end}")


@grant.command()
@click.argument("login")
@click.argument("study")
@_centres
@as_option
def remove(login: str, study: str, centres: tuple[str, ...], acting_as: str) -> None:
    """Let a user see a study, or centres of it, no longer.

    \b
    Example:
      archimed grant remove ada 2008-0003
      archimed grant remove bob 2008-0003 --centre PARIS
    """
    with catalogue() as database:
        administration.remove_grant(database, actor(acting_as), login, study, centres=centres)
    click.echo(f"{login} may not see {_what(study, centres)} any more")


@grant.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all grants: `centres` empty is the whole study, and one whose `until` is over does not count any more.

    \b
    Example:
      archimed grant list --json
    """
    with catalogue() as database:
        found = [people.grant(each) for each in administration.list_grants(database)]
    print_records(found, ("login", "study", "centres", "granted", "until"), as_json=as_json)


def _what(study: str, centres: Sequence[str]) -> str:
    return f"{' and '.join(centres)} of {study}" if centres else study
