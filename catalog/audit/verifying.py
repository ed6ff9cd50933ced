"""Checking the audit for tampering. Changes nothing; what a broken link means is decided in `catalog.pure.chain`."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from catalog.audit.closing import closed_links
from catalog.audit.read_log import CLOSING, closed_sum
from catalog.database import Database
from catalog.database.tables import audit, reads
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


def verify(database: Database, expect: bytes | None = None, closed: Path | None = None) -> Verdict:
    """Check every entry of the audit, and the closed reads of every day.

    Args:
        database: the catalogue.
        expect: the hash of an entry that was noted elsewhere, usually of a former head.
        closed: the folder of closed years.
    """
    seen, of_files = _Seen(expect), list[Fault]()
    links = itertools.chain(closed_links(database, closed, of_files), _links(database))
    # The list is filled while the chain is followed, and read behind it.
    everything = itertools.chain(faults(seen.through(links)), of_files, _faults_of_reads(database))
    found = tuple(itertools.islice(everything, MOST_FAULTS))
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


def _faults_of_reads(database: Database) -> Iterator[Fault]:
    closing = sa.select(audit.c.id, audit.c.subject, audit.c.detail).where(audit.c.action == CLOSING).order_by(audit.c.id)
    for row in database.rows(closing):
        if _as_text(closed_sum(database, row.id)) != row.detail:
            yield Fault(row.id, f"closed the reads of {row.subject}, and they are not what they were: changed or removed")
    strays = sa.select(reads.c.entry).where(
        reads.c.entry.is_not(None), reads.c.entry.not_in(sa.select(audit.c.id).where(audit.c.action == CLOSING))
    )
    for row in database.rows(strays.distinct().order_by(reads.c.entry)):
        yield Fault(row.entry, "closed no reads, though reads say so")


def _as_text(detail: dict[str, int | str]) -> str:
    return json.dumps(detail, sort_keys=True, separators=(",", ":"))
