"""The table of reads: tallies become rows that grow for a day, and are then closed by an entry of the audit with their hash.

What tampering with which part shows is said in `docs/audit.md`.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from catalog.audit.journal import Wanted, record
from catalog.audit.reads import DAY, Reader, Tally
from catalog.database import Database, Row
from catalog.database.tables import exams, reads, series, studies
from catalog.pure.chain import START, link
from catalog.visible import visible_exams

CLOSING = "reads.close"

_PLACES = (
    sa.select(series.c.id, series.c.name, exams.c.id.label("exam_id"), exams.c.code.label("exam"), studies.c.code)
    .join(exams, exams.c.id == series.c.exam_id)
    .join(studies, studies.c.id == series.c.study_id)
    .where(series.c.id.in_(sa.bindparam("rows", expanding=True)))
)
_KEY = [reads.c[name] for name in ("series_id", "login", "actor", "face", "program", "study", "exam", "series")]
_CONTENT = [reads.c.id, *_KEY, reads.c.first, reads.c.last, reads.c.files, reads.c.bytes]
_OPEN = reads.c.entry.is_(None)
_LAST_READ = (
    sa.update(exams)
    .where(exams.c.id == sa.bindparam("exam"), sa.func.coalesce(exams.c.last_read, 0) < sa.bindparam("moment"))
    .values(last_read=sa.bindparam("moment"))
)


@dataclass(frozen=True, slots=True)
class Read:
    """A row of the table, as `catalog.database.tables.reads` describes its columns; `closed` is whether its day is over."""

    first: int
    last: int
    login: str
    actor: str
    face: str
    program: str
    study: str
    exam: str
    series: str
    files: int
    bytes: int
    closed: bool


@dataclass(frozen=True, slots=True)
class ExamRead:
    """When an exam was read last; None: never since it is audited."""

    study: str
    exam: str
    last_read: int | None


def write_reads(database: Database, tallies: Mapping[Reader, Tally]) -> None:
    """Add tallies to their open rows, which are made where there are none."""
    with database.write() as connection:
        found = connection.execute(_PLACES, {"rows": sorted({reader.series for reader in tallies})}).all()
        places = {row.id: row for row in found}
        rows = [_row(reader, tally, places.get(reader.series)) for reader, tally in sorted(tallies.items())]
        insert = database.insert_new(reads)
        grow = insert.on_conflict_do_update(
            index_elements=_KEY,
            index_where=_OPEN,
            set_={
                "files": reads.c.files + insert.excluded.files,
                "bytes": reads.c.bytes + insert.excluded.bytes,
                "first": _less(reads.c.first, insert.excluded.first),
                "last": _more(reads.c.last, insert.excluded.last),
            },
        )
        connection.execute(grow, rows)
        moments: dict[int, int] = {}
        for reader, tally in tallies.items():
            if reader.series in places:
                exam = places[reader.series].exam_id
                moments[exam] = max(tally.last, moments.get(exam, 0))
        if moments:
            # In order, so that two processes that do this wait for each other on one side only.
            connection.execute(_LAST_READ, [{"exam": exam, "moment": moment} for exam, moment in sorted(moments.items())])


def close_reads(database: Database, until: int) -> None:
    """Close the rows that were begun before that moment: none of them changes any more, and an entry holds their hash."""
    begun = sa.and_(_OPEN, reads.c.first < until)
    if database.row(sa.select(reads.c.id).where(begun).limit(1)) is None:
        return
    with database.write() as connection:
        if not database.is_sqlite:
            # What is counted in meanwhile would be counted into a row that is hashed already.
            connection.execute(sa.text("lock table reads in share row exclusive mode"))
        rows = connection.execute(sa.select(*_CONTENT).where(begun).order_by(reads.c.id)).all()
        if not rows:
            return
        day = dt.datetime.fromtimestamp(until - DAY, dt.UTC).date().isoformat()
        entry = record(connection, actor="archive", action=CLOSING, subject=day, detail=_sum(rows))
        connection.execute(sa.update(reads).where(begun).values(entry=entry))


def closed_sum(database: Database, entry: int) -> dict[str, int | str]:
    """Return what the entry that closed rows should say of them, as they are now."""
    return _sum(database.rows(sa.select(*_CONTENT).where(reads.c.entry == entry).order_by(reads.c.id)))


def list_reads(database: Database, wanted: Wanted) -> list[Read]:
    """Return the newest reads that are wanted, oldest first."""
    newest = sa.select(reads).order_by(reads.c.id.desc()).limit(wanted.limit)
    if wanted.user:
        newest = newest.where(sa.or_(reads.c.login == wanted.user, reads.c.actor == wanted.user))
    if wanted.study:
        newest = newest.where(reads.c.study == wanted.study)
    if wanted.since is not None:
        newest = newest.where(reads.c.last >= wanted.since)
    return [
        Read(
            row.first, row.last, row.login, row.actor, row.face, row.program, row.study, row.exam, row.series, row.files,
            row.bytes, row.entry is not None,
        )
        for row in reversed(database.rows(newest))
    ]  # fmt: skip


def list_exams_read(database: Database, study: str = "") -> list[ExamRead]:
    """Return when each exam was read last, those first that nobody has read for longest."""
    statement = visible_exams(None, studies.c.code, exams.c.code, exams.c.last_read).join(
        studies, studies.c.id == exams.c.study_id
    )
    if study:
        statement = statement.where(studies.c.code == study)
    ordered = statement.order_by(sa.func.coalesce(exams.c.last_read, 0), studies.c.code_key, exams.c.code_key)
    return [ExamRead(*row) for row in database.rows(ordered)]


def _row(reader: Reader, tally: Tally, place: Row | None) -> dict[str, object]:
    return {
        **reader._asdict(), "series_id": reader.series, "face": reader.face.value,
        "study": place.code if place else "", "exam": place.exam if place else "", "series": place.name if place else "",
        "first": tally.first, "last": tally.last, "files": tally.files, "bytes": tally.bytes,
    }  # fmt: skip


def _sum(rows: Sequence[Row]) -> dict[str, int | str]:
    chained = START
    for row in rows:
        chained = link(chained, *row)
    return {
        "rows": len(rows),
        "files": sum(row.files for row in rows),
        "bytes": sum(row.bytes for row in rows),
        "sha256": chained.hex(),
    }


def _less(one: sa.ColumnElement[int], other: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.case((other < one, other), else_=one)


def _more(one: sa.ColumnElement[int], other: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.case((other > one, other), else_=one)
