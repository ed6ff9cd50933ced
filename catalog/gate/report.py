"""What lies beside the staged bytes of a batch for people: its report, and what the checks read of it, identities included.

Files are written after the commit that they speak of, never in a transaction: whoever receives would wait for the disk. What a
crash between the two left undone, `bring_up_to_date` does. The text is made in `catalog.pure.report`. May live here:
collecting what it says, keeping it true.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import batches, jobs, source_reviewers, staged_files, studies, users
from catalog.gate.batches import Batch, Finding, batch_of
from catalog.gate.staged.area import Staging
from catalog.pure.batches import State
from catalog.pure.report import ReportData, report

_WITHOUT = (State.OPEN, State.PUBLISHED, State.ERASED)
"""States in which a batch has no report, or will have none in a moment."""

_DECIDED_OR_WAITING = (State.CHECKED, State.ACCEPTED, State.REJECTED)
_SECOND = 1_000_000_000


def write_report(database: Database, staging: Staging, batch_id: int) -> None:
    """Write what is to be read of a batch, as it is now. Call it when the change that it speaks of is committed.

    Raises:
        OutOfSpace, Unavailable: it cannot be written.
    """
    written = None
    while (batch := _batch(database, batch_id)) is not None and batch != written:
        if batch.state in _WITHOUT:
            # Erased, or being erased, while the report was written: then it would stay.
            staging.notes.erase_report(batch_id)
            return
        staging.notes.write_report(batch_id, _text(database, staging, batch))
        written = batch


def hand_on(database: Database, staging: Staging, batch_id: int) -> None:
    """Let batches that hold files of another know what the checks read of it, where they do not yet."""
    rest = sa.select(batches.c.id).where(batches.c.follows == batch_id, batches.c.state == State.CHECKED)
    for row in database.rows(rest):
        _hand_on(database, staging, batch_id, row.id)


def _hand_on(database: Database, staging: Staging, batch_id: int, rest: int) -> None:
    """Tell a batch what was read of the series whose files it holds, for the others may be another study's by now."""
    batch = _batch(database, rest)
    if batch is not None and not staging.notes.read_about(rest):
        staging.notes.copy_about(batch_id, rest, {one["label"] for one in batch.summary if "label" in one})


def bring_up_to_date(database: Database, staging: Staging) -> None:
    """Do what a process that died between a commit and its files left undone: a chore of the worker."""
    ended = sa.select(sa.func.max(jobs.c.ended)).where(jobs.c.batch_id == batches.c.id).scalar_subquery()
    statement = sa.select(batches.c.id, batches.c.follows, batches.c.decided, ended.label("ended"))
    for row in database.rows(statement.where(batches.c.state.in_(_DECIDED_OR_WAITING)).order_by(batches.c.id)):
        if row.follows is not None:
            _hand_on(database, staging, row.follows, row.id)
        if staging.notes.report_time(row.id) // _SECOND <= max(row.decided or 0, row.ended or 0):
            write_report(database, staging, row.id)
    reopened = sa.select(batches.c.id).where(batches.c.state == State.OPEN, batches.c.drop_folder.is_not(None))
    for row in database.rows(reopened):
        if staging.notes.report_time(row.id):
            staging.notes.erase_about(row.id)


def _batch(database: Database, batch_id: int) -> Batch | None:
    row = database.row(sa.select(batches).where(batches.c.id == batch_id))
    return batch_of(row) if row is not None else None


def _text(database: Database, staging: Staging, batch: Batch) -> str:
    study = database.row(sa.select(studies.c.code).where(studies.c.id == batch.study_id))
    code = study.code if study is not None else ""
    # One text for all who see the batch: what speaks of another batch is left to faces that know who asks.
    findings = [finding for finding in batch.findings if finding.get("batch") is None]
    data = ReportData(
        batch=batch.id, state=batch.state, study=code, exam=batch.exam_code, files=batch.files, size=batch.bytes,
        about=staging.notes.read_about(batch.id), findings=findings, names=_names(database, staging, findings),
        deciders=_deciders(database, batch, code), decided_by=batch.decided_by, reason=batch.reason,
    )  # fmt: skip
    return report(data)


def _names(database: Database, staging: Staging, findings: Sequence[Finding]) -> dict[int, str]:
    numbers = {finding["file"] for finding in findings if finding["file"] is not None}
    rows = database.rows(sa.select(staged_files.c.id, staged_files.c.file).where(staged_files.c.id.in_(numbers)))
    return {row.id: staging.name_of(row.file) for row in rows}


def _deciders(database: Database, batch: Batch, study: str) -> str:
    if batch.source_id is not None:
        rows = database.rows(
            sa.select(users.c.login)
            .join(source_reviewers, source_reviewers.c.user_id == users.c.id)
            .where(source_reviewers.c.source_id == batch.source_id)
            .order_by(users.c.login_key)
        )
        return " or ".join(row.login for row in rows) or "an administrator"
    return f"whoever may import into {study}" if study else "who brought it"
