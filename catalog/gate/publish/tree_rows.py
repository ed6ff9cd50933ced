"""Rows of the tree: what an exam holds, and putting a plan's series and files into it. Used by the publish job alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import exams, files, series
from catalog.metadata.keeping import Prepared, keep
from catalog.pure.errors import Invalid
from catalog.pure.filing import KnownSeries, Plan, PlannedFile, PlannedSeries
from catalog.pure.names import FEWEST_DIGITS, folded
from catalog.pure.nodes import Kind, NodeId

_ROWS_AT_ONCE = 1000
_AT_ONCE = 500


def exam(database: Database, study_id: int, code: str, centre_id: int | None) -> int | None:
    """Return the row of an exam, None if it is not there yet.

    Args:
        centre_id: the centre of what goes into it.

    Raises:
        Invalid: it is of another centre.
    """
    there = sa.select(exams.c.id, exams.c.centre_id).where(exams.c.study_id == study_id, exams.c.code_key == folded(code))
    row = database.row(there)
    if row is not None and row.centre_id != centre_id:
        raise Invalid("the exam was made by another centre meanwhile; accept the batch with another --exam")
    return int(row.id) if row is not None else None


def known_series(database: Database, exam_id: int | None) -> list[KnownSeries]:
    """Return the series of an exam with their files."""
    if exam_id is None:
        return []
    rows = database.rows(sa.select(series.c.id, series.c.name, series.c.identity).where(series.c.exam_id == exam_id))
    return [_known(database, row.id, row.name, row.identity) for row in rows]


def _known(database: Database, row: int, name: str, identity: bytes) -> KnownSeries:
    found: dict[bytes, tuple[bytes, int]] = {}
    digits = FEWEST_DIGITS
    for file in database.rows(sa.select(files.c.identity, files.c.sha256, files.c.name_key).where(files.c.series_id == row)):
        stem = file.name_key.partition(".")[0]
        is_number = stem.isdecimal()
        found[file.identity] = (file.sha256, int(stem) if is_number else 0)
        digits = max(digits, len(stem) if is_number else 0)
    return KnownSeries(row, name, identity, found, digits)


def archived_instances(database: Database, study_id: int, identities: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return the digest of each DICOM instance, by its identity, that any exam of a study has."""
    found: dict[bytes, bytes] = {}
    for at in range(0, len(identities), _AT_ONCE):
        there = (
            sa.select(files.c.identity, files.c.sha256)
            .join(series, series.c.id == files.c.series_id)
            .where(files.c.identity.in_(identities[at : at + _AT_ONCE]), series.c.study_id == study_id)
        )
        found |= {row.identity: row.sha256 for row in database.rows(there)}
    return found


def put(
    connection: sa.Connection,
    study_id: int,
    exam_id: int | None,
    code: str,
    batch_id: int,
    placed: Plan,
    metadata: Mapping[str, Prepared],
    now: int,
    centre_id: int | None,
) -> tuple[int, set[NodeId]]:
    """Make the exam if it is not there, and the plan's series and files with their metadata.

    Args:
        exam_id: the exam; None to make it.
        metadata: by a series' name, the metadata of its files, in the order of the plan.
        now: since when it counts as archived.
        centre_id: the centre that the exam belongs to if it is made.

    Returns:
        The exam's row, and the folders that were there in which something appeared.
    """
    touched = set()
    if exam_id is None:
        touched.add(NodeId(Kind.STUDY, study_id))
        acquired = min((one.acquired for one in placed.series if one.acquired is not None), default=None)
        values = {
            "study_id": study_id, "code": code, "code_key": folded(code), "acquired": acquired, "added": now,
            "centre_id": centre_id,
        }  # fmt: skip
        exam_id = int(connection.execute(exams.insert().values(values).returning(exams.c.id)).scalar_one())
    elif any(one.row is None for one in placed.series):
        touched.add(NodeId(Kind.EXAM, exam_id))
    touched.update(NodeId(Kind.SERIES, one.row) for one in placed.series if one.row is not None and one.files)
    for one in placed.series:
        row = one.row if one.row is not None else _make_series(connection, study_id, exam_id, one, now)
        for at in range(0, len(one.files), _ROWS_AT_ONCE):
            connection.execute(files.insert(), _rows(one.files[at : at + _ROWS_AT_ONCE], row, batch_id, now))
        keep(connection, row, _numbers(connection, row, one), metadata[one.name])
    return exam_id, touched


def _numbers(connection: sa.Connection, series_id: int, one: PlannedSeries) -> list[int]:
    """Return the rows of the plan's files: rising, for they were inserted in its order."""
    found = connection.execute(sa.select(files.c.name_key, files.c.id).where(files.c.series_id == series_id))
    rows = {row.name_key: row.id for row in found}
    return [rows[folded(file.name)] for file in one.files]


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
