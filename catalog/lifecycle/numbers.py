"""Numbers of batches, corrections and entries of the bin are never given twice, whatever catalogue they came from.

May live here: how far numbers have come, and lifting them. Not: what they name.
"""

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import batches, bin_entries, corrections
from catalog.store import RecordStore, steps
from catalog.store.records import imports


def lift(database: Database, store: RecordStore, staged: int) -> None:
    """Let new batches, corrections and entries of the bin get numbers above all that staging and store have seen.

    Args:
        database: the catalogue.
        store: the store.
        staged: the highest number of a batch in staging.
    """
    codes = store.studies()
    batch = max((about.number for code in codes for about, _ in imports(store, code)), default=0)
    changes = [one for code in codes for one in steps.read_all(store, code)]
    with database.write() as connection:
        _lift(connection, batches, max(batch, staged))
        _lift(connection, corrections, max((one.follows for one in changes), default=0))
        _lift(connection, bin_entries, max((one.entry for one in changes), default=0))


def _lift(connection: sa.Connection, table: sa.Table, least: int) -> None:
    highest = max(least, connection.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0)
    if connection.dialect.name == "postgresql":
        sequence = sa.func.pg_get_serial_sequence(table.name, "id")
        connection.execute(sa.select(sa.func.setval(sequence, sa.func.greatest(highest, sa.func.nextval(sequence)))))
        return
    known = connection.execute(sa.text("select seq from sqlite_sequence where name = :name"), {"name": table.name}).scalar()
    if known is None:
        connection.execute(
            sa.text("insert into sqlite_sequence (name, seq) values (:name, :seq)"), {"name": table.name, "seq": highest}
        )
    elif known < highest:
        connection.execute(
            sa.text("update sqlite_sequence set seq = :seq where name = :name"), {"name": table.name, "seq": highest}
        )
