"""Bringing a catalogue to the newest shape: alembic, called as a library.

No table is described here; whether it is needed is asked in `catalog.database.shape`, without alembic.
"""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from catalog.database.engine import Database, prepare_sqlite_file


def upgrade(database: Database, revision: str = "head") -> None:
    """Create the catalogue or bring it to `revision`; a catalogue that is there already loses nothing."""
    if database.is_sqlite:
        prepare_sqlite_file(database.url)
    _run(database, lambda config: command.upgrade(config, revision))


def downgrade(database: Database, revision: str) -> None:
    """Take the catalogue back to `revision` (`base`: no tables at all)."""
    _run(database, lambda config: command.downgrade(config, revision))


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _run(database: Database, work: Callable[[Config], None]) -> None:
    # One transaction for all steps, also on SQLite: a migration that dies leaves the shape it found.
    with database.write() as connection:
        work(_config(connection))
