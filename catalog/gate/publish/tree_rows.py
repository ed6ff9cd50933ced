"""Rows of the tree: what an exam holds, and putting a plan's series and files into it. Used by the publish job alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from catalog import clock
from catalog.database import Row
from catalog.database.tables import exams, files, series
from catalog.metadata.keeping import keep
from catalog.pure.filing import KnownSeries, Plan, PlannedFile, PlannedSeries
from catalog.pure.names import FEWEST_DIGITS, folded

_ROWS_AT_ONCE = 1000

HeadersOf = Callable[[Sequence[int]], Iterator[Mapping[str, object]]]
"""What staged files tell, in the order in which they are asked for."""


def exam(connection: sa.Connection, study_id: int, code: str) -> int | None:
    """Return the row of an exam, None if it is not there yet."""
    found = sa.select(exams.c.id).where(exams.c.study_id == study_id, exams.c.code_key == folded(code))
    row: int | None = connection.execute(found).scalar()
    return row


def known_series(connection: sa.Connection, exam_id: int | None) -> list[KnownSeries]:
    """Return the series of an exam with their files."""
    if exam_id is None:
        return []
    rows = connection.execute(sa.select(series.c.id, series.c.name, series.c.identity).where(series.c.exam_id == exam_id))
    return [_known(connection, row) for row in rows.all()]


def _known(connection: sa.Connection, row: Row) -> KnownSeries:
    found: dict[bytes, tuple[bytes, int]] = {}
    digits = FEWEST_DIGITS
    for file in connection.execute(
        sa.select(files.c.identity, files.c.sha256, files.c.name_key).where(files.c.series_id == row.id)
    ):
        stem = file.name_key.partition(".")[0]
        is_number = stem.isdecimal()
        found[file.identity] = (file.sha256, int(stem) if is_number else 0)
        digits = max(digits, len(stem) if is_number else 0)
    return KnownSeries(row.id, row.name, row.identity, found, digits)


def put(
    connection: sa.Connection,
    study_id: int,
    exam_id: int | None,
    code: str,
    batch_id: int,
    placed: Plan,
    headers_of: HeadersOf,
) -> int:
    """Make the exam if it is not there, and the plan's series and files with what they tell.

    Returns:
        The exam's row.
    """
    now = clock.now()
    acquired = min((one.acquired for one in placed.series if one.acquired is not None), default=None)
    if exam_id is None:
        values = {"study_id": study_id, "code": code, "code_key": folded(code), "acquired": acquired, "added": now}
        exam_id = connection.execute(exams.insert().values(values).returning(exams.c.id)).scalar_one()
    for one in placed.series:
        row = one.row if one.row is not None else _make_series(connection, study_id, exam_id, one, now)
        for at in range(0, len(one.files), _ROWS_AT_ONCE):
            connection.execute(files.insert(), _rows(one.files[at : at + _ROWS_AT_ONCE], row, batch_id, now))
        _keep_metadata(connection, row, one, headers_of)
    return exam_id


def _keep_metadata(connection: sa.Connection, series_id: int, one: PlannedSeries, headers_of: HeadersOf) -> None:
    found = connection.execute(sa.select(files.c.name_key, files.c.id).where(files.c.series_id == series_id))
    rows = {row.name_key: row.id for row in found}
    placed = sorted((rows[folded(file.name)], file.stored.staged) for file in one.files)
    headers = headers_of([staged for _, staged in placed])
    keep(connection, series_id, zip((row for row, _ in placed), headers, strict=True))


def _make_series(connection: sa.Connection, study_id: int, exam_id: int, one: PlannedSeries, now: int) -> int:
    values = {
        "exam_id": exam_id, "study_id": study_id, "number": one.first.series_number, "file_type": one.first.file_type,
        "description": one.first.series_description, "identity": one.first.series, "name": one.name,
        "name_key": folded(one.name), "acquired": one.acquired, "added": now,
    }  # fmt: skip
    return int(connection.execute(series.insert().values(values).returning(series.c.id)).scalar_one())


def _rows(members: Sequence[PlannedFile], series_id: int, batch_id: int, now: int) -> list[dict[str, Any]]:
    return [
        {
            "series_id": series_id, "name_key": folded(file.name),
            "name": None if folded(file.name) == file.name else file.name,
            "size": file.stored.size, "sha256": file.stored.digest, "identity": file.stored.description.identity,
            "acquired": file.stored.description.acquired, "added": now, "batch_id": batch_id,
        }
        for file in members
    ]  # fmt: skip
