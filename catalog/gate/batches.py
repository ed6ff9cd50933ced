"""Rows of batches and of their files as values, and what every room of the gate shares when it changes one.

The JSON columns of a batch are written and read here alone. May live here: reading a batch, making the batch of what is left
over, the jobs that follow from a new state. Not: which changes are allowed (`catalog.pure.batches`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from catalog import clock
from catalog.database import Row
from catalog.database.tables import batches
from catalog.jobs import JobKind, enqueue
from catalog.pure.batches import Approval, Effect, State

Finding = dict[str, Any]
"""A finding as its row has it: `catalog.pure.checks.Finding.as_dict`."""

SeriesSummary = dict[str, Any]
"""A series of a batch as its row has it: label, counts, what was done to its files. No identities."""

_KIND_OF_EFFECT = {
    Effect.QUEUE_CHECK: JobKind.CHECK,
    Effect.QUEUE_PUBLISH: JobKind.PUBLISH,
    Effect.QUEUE_ERASE: JobKind.ERASE,
}


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as the catalogue has it. `study_id` None: not known yet. Times are seconds since 1970 UTC.

    `import_id`: what the store calls it. `source_id` None: it was uploaded, by `uploader_id`; `drop_folder` None: it was not
    dropped into a folder; `follows`: the batch that it is late for or holds the left-overs of; `labels`: descriptions that a
    reviewer gave to series, by label; `centre_id`: the centre of its study that it is of, None: of none.
    """

    id: int
    state: State
    source_id: int | None
    uploader_id: int | None
    study_id: int | None
    exam_code: str
    drop_folder: str | None
    follows: int | None
    files: int
    bytes: int
    profile_id: int | None
    approval: Approval
    reason: str
    opened: int
    last_write: int
    decided_by: str
    decided: int | None
    findings: Sequence[Finding]
    summary: Sequence[SeriesSummary]
    labels: Mapping[str, str]
    import_id: str
    centre_id: int | None


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A staged file: its number as findings name it, its name in staging, its size in bytes, its series' label, '' if none."""

    id: int
    file: str
    size: int
    series: str = ""


def batch_of(row: Row) -> Batch:
    """Return a batch from a row with all columns of `batches`."""
    return Batch(
        id=row.id, state=State(row.state), source_id=row.source_id, uploader_id=row.uploader_id, study_id=row.study_id,
        exam_code=row.exam_code, drop_folder=row.drop_folder, follows=row.follows, files=row.files, bytes=row.bytes,
        profile_id=row.profile_id, approval=Approval(row.approved), reason=row.reason, opened=row.opened,
        last_write=row.last_write, decided_by=row.decided_by, decided=row.decided,
        findings=json.loads(row.findings), summary=json.loads(row.summary), labels=json.loads(row.labels),
        import_id=row.import_id, centre_id=row.centre_id,
    )  # fmt: skip


def read_batch(connection: sa.Connection, batch_id: int) -> Batch:
    """Return a batch that is there, as the caller's transaction sees it."""
    return batch_of(connection.execute(sa.select(batches).where(batches.c.id == batch_id)).one())


def as_columns(
    *,
    findings: Iterable[Finding] | None = None,
    summary: Iterable[SeriesSummary] | None = None,
    labels: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return what the JSON columns of a batch get; what is not given is not among them."""
    given = {
        "findings": None if findings is None else list(findings),
        "summary": None if summary is None else list(summary),
        "labels": None if labels is None else dict(labels),
    }
    return {name: json.dumps(value) for name, value in given.items() if value is not None}


def make_rest(
    connection: sa.Connection,
    batch: Batch,
    *,
    files: int,
    size: int,
    findings: Iterable[Finding],
    summary: Iterable[SeriesSummary] = (),
) -> int:
    """Make the batch of what is left over of another: checked, meant for the same, waiting for the same people; return it."""
    now = clock.now()
    values = {
        "state": State.CHECKED, "source_id": batch.source_id, "uploader_id": batch.uploader_id, "study_id": batch.study_id,
        "exam_code": batch.exam_code, "follows": batch.id, "files": files, "bytes": size, "drop_folder": batch.drop_folder,
        "reason": "", "approved": 0, "opened": now, "last_write": now, "decided_by": "",
        "centre_id": batch.centre_id, **as_columns(findings=findings, summary=summary),
    }  # fmt: skip
    return int(connection.execute(batches.insert().values(values).returning(batches.c.id)).scalar_one())


def enqueue_effects(connection: sa.Connection, effects: Iterable[Effect], batch_id: int, study_id: int | None = None) -> None:
    """Queue the jobs that a transition asks for, in the transaction that makes it."""
    for effect in effects:
        enqueue(connection, _KIND_OF_EFFECT[effect], batch_id, study_id)
