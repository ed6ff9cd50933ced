"""Whether a catalogue has the shape this program was made for. Reads two numbers; alembic, which changes shapes, stays out.

Revisions are numbered: the first four characters of a migration's file name, growing.
"""

from pathlib import Path

import sqlalchemy as sa

from catalog.database.engine import Database
from catalog.pure.errors import Refused, Unavailable

_MIGRATIONS = Path(__file__).parent / "migrations" / "versions"
_DIGITS = 4
_IN_SQLITE = sa.text("select 1 from sqlite_master where type = 'table' and name = 'alembic_version'")
_IN_POSTGRESQL = sa.text("select 1 where to_regclass('alembic_version') is not null")


def newest() -> str:
    """Return the revision this program was made for."""
    return max(path.name[:_DIGITS] for path in _MIGRATIONS.glob(f"{'[0-9]' * _DIGITS}_*.py"))


def current(database: Database) -> str | None:
    """Return the revision the catalogue is at; None before the first `archimed init`.

    Raises:
        Unavailable: it does not answer, or is no catalogue.
    """
    if database.is_sqlite and not Path(database.url.database or "").exists():
        return None  # opening it would make it
    try:
        if database.row(_IN_SQLITE if database.is_sqlite else _IN_POSTGRESQL) is None:
            return None
        row = database.row(sa.text("select version_num from alembic_version"))
    except sa.exc.DatabaseError as error:
        kind = type(error.orig).__name__
        raise Unavailable(
            f"the catalogue cannot be read ({kind}): it is no database, is damaged, or its user may not read it"
        ) from error
    return row[0] if row else None


def require_not_newer(database: Database) -> None:
    """Check that this program is not too old for the catalogue.

    Raises:
        Refused: it is.
    """
    found = current(database)
    if found is not None and found > newest():
        raise Refused(f"the catalogue is at revision {found}, made by a newer version of this program; install that one")


def require_newest(database: Database) -> None:
    """Check that the catalogue has the shape this program was made for.

    Raises:
        Refused: it does not exist, or is older or newer.
    """
    require_not_newer(database)
    found = current(database)
    if found is None:
        raise Refused("there is no catalogue yet; run `archimed init`")
    if found != newest():
        raise Refused(f"the catalogue is at revision {found}, this program needs {newest()}; run `archimed init`")
