"""What commands share: the configuration, who is calling, the options that many have."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway.config import Config, load

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
as_option = click.option("--as", "acting_as", metavar="LOGIN", default="", help="Act with this user's role and grants.")


def configuration() -> Config:
    """Return the configuration that the running command was called with.

    Raises:
        ConfigError: it cannot be used.
    """
    file = click.get_current_context().find_root().obj
    return load(file if isinstance(file, Path) else None)


def unix_login() -> str:
    """Return the login of the Unix user who runs the command."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
