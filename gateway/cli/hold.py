"""`archimed hold`: legal holds, above expiry and purge, set and lifted by two people each."""

import click

from catalog.lifecycle import retention
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import as_option, json_option
from gateway.cli.output import print_records
from gateway.records import work

_COLUMNS = ("study", "reason", "set_by", "set_at", "confirmed_by", "lift_by", "lift_reason")
_reason = click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit. Write no identity here.")


@click.group()
def hold() -> None:
    """Keep all of a study, whatever its retention says: nothing of it is purged while a hold stands.

    It holds from the moment in which one administrator sets it; a second one confirms it. To lift it takes two as well.

    \b
    Example:
      archimed hold set 2008-0003 --reason "inspection" --as root
    """


@hold.command("set")
@click.argument("study", metavar="STUDY")
@_reason
@as_option
def set_(study: str, reason: str, acting_as: str) -> None:
    """Set a hold, or confirm the one that another administrator set.

    \b
    Example:
      archimed hold set 2008-0003 --reason "inspection" --as ada
    """
    with catalogue() as database:
        found = retention.set_hold(database, actor(acting_as), study, reason)
    by = f"confirmed by {found.confirmed_by}" if found.confirmed_by else "another administrator has to confirm it"
    click.echo(f"nothing of {found.study} is purged from now on; set by {found.set_by}, {by}")


@hold.command()
@click.argument("study", metavar="STUDY")
@_reason
@as_option
def lift(study: str, reason: str, acting_as: str) -> None:
    """Ask to lift a hold, or lift the one that another administrator asked to lift.

    \b
    Example:
      archimed hold lift 2008-0003 --reason "inspection is over" --as ada
    """
    with catalogue() as database:
        left = retention.lift_hold(database, actor(acting_as), study, reason)
    click.echo(
        f"the hold on {study} is lifted" if left is None else f"noted; another administrator has to lift it too: {study}"
    )


@hold.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all holds.

    \b
    Example:
      archimed hold list
    """
    with catalogue() as database:
        print_records([work.hold(found) for found in retention.list_holds(database)], _COLUMNS, as_json=as_json)
