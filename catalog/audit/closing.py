"""Years of the audit closed into files: what is over leaves the catalogue, and stays part of the chain.

    <year>.jsonl         one entry a line: the JSON array that its hash covers, and its hash in hexadecimal digits
    <year>-reads.jsonl   one closed row of reads a line, as a JSON array: its columns, and the entry that closed it

The journal holds the digests of both files, so that they are as hard to change as an entry. May live here: these files, written
and read. Not: whether the chain holds (`verifying`).
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from catalog import clock, durable
from catalog.audit.journal import Actor, record
from catalog.database import Database
from catalog.database.tables import audit, audit_closed, reads
from catalog.pure.chain import Fault, Link
from catalog.pure.errors import Refused

_PAGE = 5_000
_CONTENT = [audit.c[name] for name in ("id", "at", "actor", "acting_as", "action", "study", "subject", "detail")]


@dataclass(frozen=True, slots=True)
class Closed:
    """What was closed: `entries` of the journal with the numbers `first` to `last`, and `reads`, rows of who read what."""

    year: int
    first: int
    last: int
    entries: int
    reads: int


@dataclass(slots=True)
class _Told:
    """Lines on their way into a file."""

    count: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def through(self, rows: Iterable[list[int | str | None]]) -> Iterator[bytes]:
        for row in rows:
            line = json.dumps(row, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
            self.count += 1
            self.digest.update(line)
            yield line


def close_year(database: Database, folder: Path, actor: Actor, year: int) -> Closed:
    """Move the entries of a year that is over, and of all before it, from the catalogue into files. Killed, it is done again.

    Args:
        database: the catalogue.
        folder: of closed years; made if it is not there.
        actor: who does it.
        year: as of UTC.

    Raises:
        Refused: the year is not over, or nothing is left of it.
        OutOfSpace, Unavailable: the disk or the catalogue refused.
    """
    end = int(dt.datetime(year + 1, 1, 1, tzinfo=dt.UTC).timestamp())
    if end > clock.now():
        raise Refused(f"{year} is not over yet")
    first, last = _range(database, end)
    if last < first:
        raise Refused(f"nothing of {year} or before is in the catalogue any more")
    journal, rows = _Told(), _Told()
    with durable.translated("the folder of closed years cannot be written"):
        durable.make_folder(folder)
        durable.write_file(folder / f"{year}.jsonl", journal.through(_entries(database, last)))
        durable.write_file(folder / f"{year}-reads.jsonl", rows.through(_reads(database, last)))
    digests = {"sha256": journal.digest.hexdigest(), "reads_sha256": rows.digest.hexdigest()}
    with database.write() as connection:
        newest = connection.execute(sa.select(audit.c.hash).where(audit.c.id == last)).scalar_one()
        detail = {"first": first, "last": last, "reads": rows.count, **digests}
        record(connection, actor=actor.name, acting_as=actor.acting_as, action="audit.close", subject=str(year), detail=detail)
        values = {"year": year, "first": first, "last": last, "hash": newest, "closed": clock.now(), **digests}
        connection.execute(audit_closed.insert().values(values))
        connection.execute(reads.delete().where(reads.c.entry <= last))
        connection.execute(audit.delete().where(audit.c.id <= last))
    return Closed(year, first, last, journal.count, rows.count)


def closed_links(database: Database, folder: Path | None, found: list[Fault]) -> Iterator[Link]:
    """Yield the entries of closed years in order, and note what is wrong with their files."""
    for row in database.rows(sa.select(audit_closed).order_by(audit_closed.c.year)):
        for name, digest in ((f"{row.year}.jsonl", row.sha256), (f"{row.year}-reads.jsonl", row.reads_sha256)):
            path = folder / name if folder is not None else None
            if path is None or not path.is_file():
                found.append(Fault(row.last, f"is in the closed year {row.year}, whose file {name} is missing"))
                continue
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    found.append(Fault(row.last, f"is in the closed year {row.year}, whose file {name} was changed"))
            if name == f"{row.year}.jsonl":
                yield from _links_of(path)


def _links_of(path: Path) -> Iterator[Link]:
    with path.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            try:
                *content, chained = json.loads(line)
                yield Link(content[0], tuple(content), bytes.fromhex(chained))
            except (ValueError, TypeError, IndexError):
                continue  # its digest says that the file was changed, and the chain which entry is missing


def _range(database: Database, end: int) -> tuple[int, int]:
    """Return the first number that is there, and the last before the first entry at or behind a moment."""
    row = database.row(sa.select(sa.func.min(audit.c.id), sa.func.max(audit.c.id)))
    later = database.row(sa.select(sa.func.min(audit.c.id)).where(audit.c.at >= end))
    first, last = (row[0] or 1, row[1] or 0) if row is not None else (1, 0)
    return first, last if later is None or later[0] is None else later[0] - 1


def _entries(database: Database, last: int) -> Iterator[list[int | str | None]]:
    after = 0
    page = sa.select(*_CONTENT, audit.c.hash).order_by(audit.c.id).limit(_PAGE)
    while rows := database.rows(page.where(audit.c.id > after, audit.c.id <= last)):
        for row in rows:
            yield [*row[:-1], bytes(row.hash).hex()]
        after = rows[-1].id


def _reads(database: Database, last: int) -> Iterator[list[int | str | None]]:
    after = 0
    page = sa.select(reads).order_by(reads.c.id).limit(_PAGE)
    while rows := database.rows(page.where(reads.c.id > after, reads.c.entry <= last)):
        yield from (list(row) for row in rows)
        after = rows[-1].id
