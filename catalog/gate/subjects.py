"""Whose files imports bring, as digests keyed by staging's secret: a person in the wrong exam is recognised by them.

May live here: keeping and comparing these digests. They are never handed out, and nothing leads from them to a person. What is
made of a comparison is in `catalog.pure.checks.subject`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from catalog.database import Row
from catalog.database.tables import batch_subjects, batches, exams, files, series
from catalog.gate.centres import exams_of
from catalog.pure.batches import State
from catalog.pure.checks import Finding
from catalog.pure.checks.subject import of_exam
from catalog.pure.expectations import Expectations
from catalog.pure.names import folded

Rows = Callable[[sa.Select[Any]], Sequence[Row]]
"""Runs a statement: outside of a transaction, or in the caller's."""

_MOST_IMPORTS = 200


def keep(connection: sa.Connection, batch_id: int, found: Mapping[str, Collection[bytes]]) -> None:
    """Keep whose files each series of a batch has, instead of what was known of it before."""
    forget(connection, batch_id)
    rows = [
        {"batch_id": batch_id, "series": label, "subject": subject}
        for label, whose in found.items()
        for subject in sorted(whose)
    ]
    if rows:
        connection.execute(batch_subjects.insert(), rows)


def forget(connection: sa.Connection, batch_id: int) -> None:
    """Forget whose files a batch had, of which nothing is archived."""
    connection.execute(batch_subjects.delete().where(batch_subjects.c.batch_id == batch_id))


def move_rest(connection: sa.Connection, batch_id: int, rest: int, staying: Collection[str]) -> None:
    """Give another batch all series but those that stay."""
    of_rest = sa.and_(batch_subjects.c.batch_id == batch_id, batch_subjects.c.series.not_in(staying))
    connection.execute(batch_subjects.update().where(of_rest).values(batch_id=rest))


def copy_rest(connection: sa.Connection, batch_id: int, rest: int) -> None:
    """Let another batch, which has some files of this one, be of the same people."""
    same = sa.select(sa.literal(rest), batch_subjects.c.series, batch_subjects.c.subject).where(
        batch_subjects.c.batch_id == batch_id
    )
    connection.execute(batch_subjects.insert().from_select(["batch_id", "series", "subject"], same))


def of_batch(rows: Rows, batch_id: int, labels: Collection[str] = ()) -> set[bytes]:
    """Return whose files a batch has; with `labels`, those series of it."""
    wanted = sa.select(batch_subjects.c.subject).where(batch_subjects.c.batch_id == batch_id)
    if labels:
        wanted = wanted.where(batch_subjects.c.series.in_(labels))
    return {row.subject for row in rows(wanted)}


def objections(
    rows: Rows,
    batch_id: int,
    study_id: int,
    exam: str,
    subjects: Collection[bytes],
    expected: Expectations,
    centre: int | None,
    again: int = 0,
) -> list[Finding]:
    """Return what is to be said of a batch of these subjects that goes into an exam.

    Args:
        centre: the batch's; of other exams only this centre's are told. None: all.
        again: how many of its files the exam has already.
    """
    if not subjects:
        return []
    elsewhere = _elsewhere(rows, study_id, exam, subjects, centre)
    return list(of_exam(exam, subjects, _there(rows, batch_id, study_id, exam), elsewhere, expected, again))


def _there(rows: Rows, batch_id: int, study_id: int, exam: str) -> set[bytes]:
    """Return whose files an exam has, and gets from other batches that are accepted into it."""
    imports = (
        sa.select(files.c.batch_id)
        .join(series, series.c.id == files.c.series_id)
        .join(exams, exams.c.id == series.c.exam_id)
        .where(exams.c.study_id == study_id, exams.c.code_key == folded(exam))
        .distinct()
    )
    coming = sa.select(batches.c.id, batches.c.exam_code).where(
        batches.c.study_id == study_id, batches.c.state == State.ACCEPTED, batches.c.id != batch_id
    )
    accepted = [row.id for row in rows(coming) if folded(row.exam_code) == folded(exam)]
    of_them = sa.or_(batch_subjects.c.batch_id.in_(imports), batch_subjects.c.batch_id.in_(accepted))
    return {row.subject for row in rows(sa.select(batch_subjects.c.subject).where(of_them).distinct())}


def _elsewhere(rows: Rows, study_id: int, exam: str, subjects: Collection[bytes], centre: int | None) -> set[str]:
    """Return the codes of the study's other exams that have files of these subjects, by the code they were imported under."""
    imports = (
        sa.select(batches.c.id, batches.c.exam_code)
        .join(batch_subjects, batch_subjects.c.batch_id == batches.c.id)
        .where(batch_subjects.c.subject.in_(subjects), batches.c.study_id == study_id, batches.c.state == State.PUBLISHED)
        .distinct()
        .order_by(batches.c.id.desc())
        .limit(_MOST_IMPORTS)
    )
    others = [row for row in rows(imports) if folded(row.exam_code) != folded(exam)]
    return {row.exam_code for row in others if _is_there(rows, study_id, row.id, row.exam_code, centre)}


def _is_there(rows: Rows, study_id: int, batch: int, exam: str, centre: int | None) -> bool:
    """Whether files of an import are still in its exam: they may have been moved, or removed."""
    found = (
        sa.select(files.c.id)
        .join(series, series.c.id == files.c.series_id)
        .join(exams, exams.c.id == series.c.exam_id)
        .where(exams.c.study_id == study_id, exams.c.code_key == folded(exam), files.c.batch_id == batch, exams_of(centre))
        .limit(1)
    )
    return bool(rows(found))
