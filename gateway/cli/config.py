"""`archimed config`: whether the configuration can be used."""

import click

from catalog.pure.errors import ConfigError
from gateway.cli.common import configuration
from gateway.cli.frame import FAILED
from gateway.config import Config, read_secret


@click.group()
def config() -> None:
    """Check the configuration.

    \b
    Example:
      archimed config check
    """


@config.command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """Report everything that is wrong with the configuration, at once.

    \b
    Example:
      archimed --config ./archimed.toml config check
    """
    try:
        found = configuration()
        _check_secrets(found)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"archimed: {problem}", err=True)
        ctx.exit(FAILED)
    click.echo(f"{found.file} is in order")


def _check_secrets(found: Config) -> None:
    if found.catalog.password_file is not None:
        read_secret(found.catalog.password_file, "the catalogue's password")
    if "ldap" in found.auth.backends and found.ldap.bind_password_file is not None:
        read_secret(found.ldap.bind_password_file, "the directory's password")
