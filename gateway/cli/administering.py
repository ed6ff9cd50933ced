"""What the commands that administer share: an open catalogue, and who does it."""

from collections.abc import Iterator
from contextlib import contextmanager

from catalog.audit import Actor
from catalog.database import Database
from gateway.cli.common import configuration, unix_login
from gateway.wiring import open_database


@contextmanager
def catalogue() -> Iterator[Database]:
    """Give the catalogue, and close it behind the command."""
    database = open_database(configuration())
    try:
        yield database
    finally:
        database.close()


def actor(login: str) -> Actor:
    """Return who runs the command, acting as an archive login if one is given."""
    return Actor(unix_login(), login)
