"""`archimed token`: secrets that stand for a user over HTTP."""

import click

from catalog import administration
from catalog.administration import Scope
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import as_option, json_option
from gateway.cli.output import print_records
from gateway.cli.times import Duration
from gateway.records import people


@click.group()
def token() -> None:
    """Make and revoke tokens: what a user types as the password of WebDAV.

    \b
    Example:
      archimed token create ada --expires 30d
    """


@token.command()
@click.argument("login")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice([scope.value for scope in Scope]), default=[Scope.READ.value],
    show_default=True, help="What it may be used for; repeat for several.",
)  # fmt: skip
@click.option("--expires", type=Duration(), metavar="DURATION", help="How long it holds, e.g. 12h or 30d; for good without.")
@as_option
def create(login: str, scopes: tuple[str, ...], expires: int | None, acting_as: str) -> None:
    """Make a token and print it, this once: only its digest is kept.

    \b
    Example:
      archimed token create ada --scope read --scope staging --expires 30d
    """
    with catalogue() as database:
        secret = administration.create_token(database, actor(acting_as), login, [Scope(scope) for scope in scopes], expires)
    click.echo(secret)


@token.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all tokens, expired ones too; never their secrets.

    \b
    Example:
      archimed token list
    """
    with catalogue() as database:
        found = [people.token(each) for each in administration.list_tokens(database)]
    print_records(found, ("id", "login", "scopes", "created", "expires"), as_json=as_json)


@token.command()
@click.argument("token_id", metavar="ID", type=int)
@as_option
def revoke(token_id: int, acting_as: str) -> None:
    """Make a token useless.

    \b
    Example:
      archimed token revoke 3
    """
    with catalogue() as database:
        login = administration.revoke_token(database, actor(acting_as), token_id)
    click.echo(f"token {token_id} of {login} revoked")
