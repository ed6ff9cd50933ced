"""A SQLite catalogue on its way: made beside its place and put there when it is whole, so that it is never there by halves."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from catalog import durable
from catalog.database import Database


@contextmanager
def made_beside(target: Path, before: Callable[[], None] = lambda: None) -> Iterator[Database]:
    """Give a catalogue to be made; broken off, nothing is at its place, and the next attempt begins anew.

    Args:
        target: its place.
        before: called a moment before it is put there.

    Raises:
        OutOfSpace, Unavailable: the disk refused.
    """
    temporary = target.with_name(f".{target.name}.new")
    with durable.translated("the catalogue cannot be written"):
        durable.make_folder(target.parent)
        for ending in ("", "-wal", "-shm"):
            temporary.with_name(temporary.name + ending).unlink(missing_ok=True)
    with closing(Database(sa.URL.create("sqlite", database=str(temporary)).render_as_string())) as database:
        yield database
    with durable.translated("the catalogue cannot be written"):
        before()
        temporary.replace(target)
        durable.sync_folder(target.parent)
