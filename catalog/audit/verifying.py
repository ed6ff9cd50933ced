"""Checking the audit for tampering. Reads only; what a broken link tells is decided in `catalog.pure.chain`."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import audit
from catalog.pure.chain import START, Fault, Link, faults

_PAGE = 5_000
# What is wrong in more places than these needs no longer list.
MOST_FAULTS = 1_000
_CONTENT = [audit.c[name] for name in ("id", "at", "actor", "acting_as", "action", "study", "subject", "detail")]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: the number of entries, the newest one's number and hash (the head), and what is wrong.

    `expected` is the number of the entry whose hash was to be found; None if it was not found, or none was asked for.
    """

    entries: int
    head: int
    hash: bytes
    faults: tuple[Fault, ...]
    expected: int | None = None


def verify(database: Database, expect: bytes | None = None) -> Verdict:
    """Check every entry of the audit.

    Args:
        database: the catalogue.
        expect: the hash of an entry that was noted elsewhere, usually of a former head.
    """
    seen = _Seen(expect)
    found = tuple(itertools.islice(faults(seen.through(_links(database))), MOST_FAULTS))
    if len(found) < MOST_FAULTS:
        return Verdict(seen.count, seen.last.number, seen.last.hash, found, seen.expected)
    return Verdict(seen.count, seen.last.number, seen.last.hash, (*found, Fault(seen.last.number, "is where this list ends")))


class _Seen:
    def __init__(self, expect: bytes | None) -> None:
        self._expect = expect
        self.expected: int | None = None
        self.count = 0
        self.last = Link(0, (), START)

    def through(self, links: Iterator[Link]) -> Iterator[Link]:
        for each in links:
            self.count += 1
            self.last = each
            if each.hash == self._expect:
                self.expected = each.number
            yield each


def _links(database: Database) -> Iterator[Link]:
    after = 0
    page = sa.select(*_CONTENT, audit.c.hash).where(audit.c.id > sa.bindparam("after")).order_by(audit.c.id).limit(_PAGE)
    while rows := database.rows(page, {"after": after}):
        for row in rows:
            yield Link(row.id, tuple(row[:-1]), row.hash)
        after = rows[-1].id
