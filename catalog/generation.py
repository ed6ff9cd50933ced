"""The marks of catalogue, staging and store: read, compared, and moved on while the archive works (docs/laws.md, law 12).

The catalogue commits a mark first, then staging and store get it. May live here: the order in which that happens. Not: what
follows from a comparison (`catalog/pure/generation.py`), nor what a place is made of.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from catalog import marks
from catalog.database import Database
from catalog.database.tables import audit, generation
from catalog.pure.errors import Refused, Unavailable
from catalog.pure.generation import Age, Mark, age_of, problem

_LAST_ENTRY = sa.select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)
_CHECK_SECONDS = 5.0


class Place(Protocol):
    """A place that keeps a mark: the staging folder, the store."""

    def read_mark(self) -> Mark | None:
        """Return its mark; None if it has none, or this process may not look."""

    def write_mark(self, mark: Mark) -> None:
        """Replace its mark, durably."""

    def has_content(self) -> bool:
        """Whether it holds anything that an archive made."""


class MarkedFolder:
    """A place in a local folder.

    Args:
        path: the folder.
        content: patterns as of `pathlib.Path.glob`, below the folder; what fits one of them was made by an archive at work.
    """

    def __init__(self, path: Path, content: Sequence[str]) -> None:
        self._path = path
        self._content = content

    def read_mark(self) -> Mark | None:
        """Return its mark; None if it has none, or this process may not look."""
        return marks.read(self._path)

    def write_mark(self, mark: Mark) -> None:
        """Replace its mark, durably."""
        marks.write(self._path, mark)

    def has_content(self) -> bool:
        """Whether it holds anything that an archive made."""
        return any(found for pattern in self._content for found in self._path.glob(pattern))


class Generations:
    """The three places of one archive. Safe to share between threads.

    Args:
        database: the catalogue.
        places: the others, by what people call them, e.g. "the store".
    """

    def __init__(self, database: Database, places: Mapping[str, Place]) -> None:
        self._database = database
        self._places = dict(places)
        self._checked = -_CHECK_SECONDS
        self._problems: list[str] = []

    def mark(self) -> Mark:
        """Return the catalogue's own mark.

        Raises:
            Unavailable: the catalogue does not answer, or has none.
        """
        row = self._database.row(sa.select(generation))
        if row is None:
            raise Unavailable("the catalogue has no mark; run `archimed init`")
        last = self._database.row(_LAST_ENTRY)
        return Mark(row.archive, row.number, last.id if last else 0, last.hash.hex() if last else "")

    def problems(self) -> list[str]:
        """Return what is wrong between the places, a sentence each; empty if they are of one age.

        Raises:
            Unavailable: the catalogue or a place does not answer.
        """
        catalogue = self.mark()
        found = []
        for what, place in self._places.items():
            age = self._age(place, catalogue)
            # Only an unmarked place is looked into: this is asked every few seconds, and a folder may hold many files.
            found.append(problem(what, age, has_content=age is Age.UNMARKED and place.has_content()))
        return [text for text in found if text]

    def require_one_age(self) -> None:
        """Check that new batches may be begun; asked before each, so the answer is kept for some seconds.

        Raises:
            Unavailable: the places are not of one age; nothing is to be written until somebody has looked.
        """
        if time.monotonic() - self._checked >= _CHECK_SECONDS:
            self._problems = self.problems()
            self._checked = time.monotonic()
        if self._problems:
            raise Unavailable(self._problems[0])

    def advance(self) -> None:
        """Let a new generation begin, in all places; they must be of one age.

        Raises:
            Unavailable: a place does not answer; what was reached stays, and it can be called again.
        """
        now = self.mark()
        self._write(now)  # one that a crash left behind catches up first
        self._write(self._next(now.generation))

    def note(self) -> None:
        """Let the places know the newest entry of the audit, within the same generation."""
        self._write(self.mark())

    def adopt(self) -> None:
        """Declare the three places one archive, as they are: the catalogue's, in a generation above all that were seen."""
        seen = [self.mark()]
        for place in self._places.values():
            with suppress(Unavailable):  # a damaged mark is replaced; a disk that is away refuses that, too
                seen += filter(None, [place.read_mark()])
        mark = self._next(max(mark.generation for mark in seen))
        for place in self._places.values():
            place.write_mark(mark)

    def mark_new(self) -> None:
        """Mark the places that have no mark yet.

        Raises:
            Refused: the places are not one archive.
        """
        if found := self.problems():
            raise Refused(found[0])
        if any(place.read_mark() is None for place in self._places.values()):
            self.adopt()

    def require_empty(self) -> None:
        """Check, before a catalogue is made, that there is nothing of an archive that has lost its own.

        Raises:
            Refused: there is.
        """
        full = [what for what, place in self._places.items() if place.has_content()]
        if full:
            which = f"{' and '.join(full)} {'hold' if len(full) > 1 else 'holds'}"
            raise Refused(
                f"there is no catalogue, but {which} files of an archive. Bring the catalogue back with `archimed restore`, or"
                " make it anew from the store with `archimed rebuild`; only to begin an empty catalogue over them:"
                " `archimed init --adopt`"
            )

    def _age(self, place: Place, catalogue: Mark) -> Age:
        mark = place.read_mark()
        return age_of(mark, catalogue, shares_history=mark is None or self._has_entry(mark))

    def _has_entry(self, mark: Mark) -> bool:
        if not mark.entry:
            return True
        row = self._database.row(sa.select(audit.c.hash).where(audit.c.id == mark.entry))
        # Entries are closed by year into files: a place that saw only those is not newer.
        return row.hash.hex() == mark.chained if row is not None else self._is_closed(mark.entry)

    def _is_closed(self, entry: int) -> bool:
        oldest = self._database.row(sa.select(sa.func.min(audit.c.id)))
        return oldest is not None and oldest[0] is not None and entry < oldest[0]

    def _next(self, least: int) -> Mark:
        """Move the catalogue's own mark on, durably, beyond `least`."""
        with self._database.write() as connection:
            number = sa.case((generation.c.number > least, generation.c.number), else_=least) + 1
            connection.execute(generation.update().values(number=number))
        return self.mark()

    def _write(self, mark: Mark) -> None:
        for place in self._places.values():
            if place.read_mark() != mark:
                place.write_mark(mark)
