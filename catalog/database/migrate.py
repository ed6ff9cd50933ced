"""Bringing a catalogue to the newest shape: alembic, called as a library. No table is described here."""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from catalog.database.engine import Database, prepare_sqlite_file
from catalog.pure.errors import Refused


def upgrade(database: Database, revision: str = "head") -> None:
    """Create the catalogue or bring it to `revision`; a catalogue that is there already loses nothing."""
    if database.is_sqlite:
        prepare_sqlite_file(database.url)
    _run(database, lambda config: command.upgrade(config, revision))


def downgrade(database: Database, revision: str) -> None:
    """Take the catalogue back to `revision` (`base`: no tables at all)."""
    _run(database, lambda config: command.downgrade(config, revision))


def current(database: Database) -> str | None:
    """Return the revision the catalogue is at; None before `upgrade`."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    """Return the revision this program was made for."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:  # pragma: no cover - the package ships migrations
        raise AssertionError
    return head


def require_newest(database: Database) -> None:
    """Check that the catalogue has the shape this program was made for.

    Raises:
        Refused: it does not exist, or is older or newer.
    """
    if database.is_sqlite and database.url.database and not Path(database.url.database).exists():
        raise Refused("there is no catalogue yet; run `archimed init`")
    found = current(database)
    if found is None:
        raise Refused("there is no catalogue yet; run `archimed init`")
    if found != newest():
        raise Refused(f"the catalogue is at revision {found}, this program needs {newest()}; run `archimed init`")


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
