"""`archimed user`: add, change and remove users."""

import click

from catalog import administration
from catalog.pure.access import Role
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import as_option, json_option
from gateway.cli.output import print_records
from gateway.records import people

_ROLES = click.Choice([role.value for role in Role])


@click.group()
def user() -> None:
    """Add, change and remove users.

    \b
    Example:
      archimed user add ada --role standard
    """


@user.command()
@click.argument("login")
@click.option("--role", type=_ROLES, required=True, help="What the user may do in the studies that are granted.")
@as_option
def add(login: str, role: str, acting_as: str) -> None:
    """Add a user, who sees nothing until a study is granted.

    \b
    Example:
      archimed user add ada --role standard
    """
    with catalogue() as database:
        administration.add_user(database, actor(acting_as), login, Role(role))
    click.echo(f"user {login} added as {role}")


@user.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all users.

    \b
    Example:
      archimed user list
    """
    with catalogue() as database:
        found = [people.user(each) for each in administration.list_users(database)]
    print_records(found, ("login", "role", "created"), as_json=as_json)


@user.command("set-role")
@click.argument("login")
@click.argument("role", type=_ROLES)
@as_option
def set_role(login: str, role: str, acting_as: str) -> None:
    """Give a user another role; it holds from the next request.

    \b
    Example:
      archimed user set-role ada power
    """
    with catalogue() as database:
        administration.set_role(database, actor(acting_as), login, Role(role))
    click.echo(f"user {login} is {role}")


@user.command()
@click.argument("login")
@as_option
def remove(login: str, acting_as: str) -> None:
    """Remove a user with all grants and tokens; what they imported stays.

    \b
    Example:
      archimed user remove ada
    """
    with catalogue() as database:
        left = administration.remove_user(database, actor(acting_as), login)
    click.echo(f"user {login} removed")
    if left:
        click.echo(f"nobody reviews {', '.join(left)} any more: name somebody with `archimed source set-reviewers`", err=True)
