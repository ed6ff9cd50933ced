"""The objects that a catalogue names, in the order of its files' rows: in the archive, and in the bin.

May live here: reading them, page by page. Not: what is done with them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import bin_entries, bin_files, files, series, studies
from catalog.gate.publish.stored import unfiled_objects
from catalog.lifecycle.listed import objects
from catalog.store import StoredObject

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Named:
    """An object that a catalogue names: `row` is that of the file, 0 for one that is about to become a file of `batch`."""

    row: int
    study: str
    stored: StoredObject
    batch: int = 0


def watermark(database: Database) -> int:
    """Return a row number with which all files at or below it are committed, and all later ones get higher numbers."""
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            # Numbers are given before their rows are committed: whoever is just writing files is waited for.
            connection.execute(sa.text("lock table files in share mode"))
        highest = [sa.func.max(files.c.id), sa.func.max(bin_files.c.row_id)]
        return max((connection.execute(sa.select(each)).scalar() or 0) for each in highest)


def named(database: Database, after: int = 0, until: int | None = None) -> Iterator[Named]:
    """Yield the objects of files whose row is behind `after`, and not behind `until`.

    A file that goes into the bin or comes back meanwhile is passed once or twice, never left out.
    """
    while True:
        # One statement sees each file in one of the two places.
        rows = database.rows(_page(after, until))
        for row in rows:
            yield Named(row.row, row.code, StoredObject(bytes(row.sha256), row.size))
        if len(rows) < _PAGE:
            return
        after = rows[-1].row


def coming(database: Database) -> Iterator[Named]:
    """Yield the objects that a publish has put into the store and not yet made into files: it goes on from them."""
    for found in unfiled_objects(database):
        yield Named(0, found.study, found.object, found.batch)


def is_named(database: Database, study: str, digest: bytes) -> bool:
    """Whether a file of a study, in the archive or the bin, has this object."""
    row = sa.select(studies.c.id).where(studies.c.code == study).scalar_subquery()
    return database.row(objects(row, [digest])) is not None


def size(database: Database, after: int = 0, until: int | None = None) -> int:
    """Return how many bytes the objects have that `named` yields, for who shows how far it is."""
    total = 0
    for table, row in ((files, files.c.id), (bin_files, bin_files.c.row_id)):
        statement = sa.select(sa.func.sum(table.c.size)).where(row > after)
        found = database.row(statement if until is None else statement.where(row <= until))
        total += int(found[0] or 0) if found is not None else 0
    return total


def _page(after: int, until: int | None) -> sa.Select[tuple[int, bytes, int, str]]:
    archived = (
        sa.select(files.c.id.label("row"), files.c.sha256, files.c.size, studies.c.code)
        .join(series, series.c.id == files.c.series_id)
        .join(studies, studies.c.id == series.c.study_id)
    )
    binned = (
        sa.select(bin_files.c.row_id.label("row"), bin_files.c.sha256, bin_files.c.size, studies.c.code)
        .join(bin_entries, bin_entries.c.id == bin_files.c.bin_id)
        .join(studies, studies.c.id == bin_entries.c.study_id)
    )
    # Each part is cut by itself: its index gives the order, and nothing is sorted.
    cut = [
        sa.select(
            statement.where(row > after, *([] if until is None else [row <= until])).order_by(row).limit(_PAGE).subquery()
        )
        for statement, row in ((archived, files.c.id), (binned, bin_files.c.row_id))
    ]
    both = sa.union_all(*cut).subquery()
    return sa.select(both.c.row, both.c.sha256, both.c.size, both.c.code).order_by(both.c.row).limit(_PAGE)
