"""The drill: a backup's catalogue is made anew in a temporary place, and everything that it names is looked for in the backup.

May live here: what is compared. Not: how a catalogue is made from a snapshot (`snapshot`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from catalog.database import Database, migrate, shape
from catalog.database.tables import files, studies
from catalog.lifecycle.backup import snapshot
from catalog.lifecycle.backup.folder import About, BackupFolder
from catalog.lifecycle.backup.listed import Named, named, size
from catalog.lifecycle.copying import is_good
from catalog.store import Store


@dataclass(frozen=True, slots=True)
class Lacking:
    """An object that the backup's catalogue names and that the backup does not have: `fault` is missing or damaged."""

    study: str
    digest: bytes
    fault: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What a backup holds: studies and files as its catalogue says, and what it lacks."""

    about: About
    studies: int
    files: int
    lacking: list[Lacking]


Bar = Callable[[int], Callable[[int], None]]
"""Called with the number of bytes to come; returns what is called with the number of bytes of each object."""


def check(folder: BackupFolder, store: Store, like: Database, *, deep: bool, bar: Bar) -> Checked:
    """Verify a backup.

    Args:
        folder: the backup.
        store: the store in it.
        like: the archive's catalogue: a PostgreSQL snapshot is put into a temporary database of its server.
        deep: read every object and compare its digest, not its size alone.
        bar: shows how far it is.

    Raises:
        Damaged: the backup cannot be read.
        Refused: there is none, or it is newer than this program.
        Unavailable: a disk or the database does not answer.
    """
    about = folder.require()
    with snapshot.opened(folder.catalogues / about.catalogue, like) as database:
        shape.require_not_newer(database)
        migrate.upgrade(database)
        advance = bar(size(database))
        lacking = []
        for one in _distinct(named(database)):
            fault = _fault(store, one, deep=deep)
            if fault:
                lacking.append(Lacking(one.study, one.stored.digest, fault))
            advance(one.stored.size)
        return Checked(about, _count(database, studies), _count(database, files), lacking)


def _fault(store: Store, one: Named, *, deep: bool) -> str:
    there = store.stat(one.study, one.stored.digest)
    if there is None:
        return "missing"
    if there.size != one.stored.size or (deep and not is_good(store, one.study, one.stored)):
        return "damaged"
    return ""


def _distinct(wanted: Iterator[Named]) -> Iterator[Named]:
    """Yield each object once, as far as its files lie behind one another, which is the common case."""
    last = None
    for one in wanted:
        if (one.study, one.stored) != last:
            yield one
        last = one.study, one.stored


def _count(database: Database, table: sa.Table) -> int:
    row = database.row(sa.select(sa.func.count()).select_from(table))
    return int(row[0]) if row is not None else 0
