"""Batches as JSON objects. A batch's details hold identities: for who may see the batch."""

from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import TypedDict

from catalog.gate.review.queries import BatchDetails, BatchInfo
from catalog.pure.batches import State
from catalog.pure.checks import Severity
from gateway.records.moments import moment

SERIOUS = (Severity.ERROR, Severity.BLOCKING)


class BatchRecord(TypedDict):
    """A batch. `problems` counts the findings that stand in the way.

    A `receipt` is all that is shown to who brought a batch and may not see it: `id`, `state` and `files`.
    """

    id: int
    state: State
    source: str
    study: str
    exam: str
    files: int
    bytes: int
    findings: list[dict[str, Any]]
    summary: list[dict[str, Any]]
    follows: int | None
    reason: str
    opened: str | None
    last_write: str | None
    decided_by: str
    decided: str | None
    uploader: str
    dropped: bool
    receipt: bool
    centre: str
    problems: int | None


class StagedFileRecord(TypedDict):
    """A staged file by its number; `size` in bytes. Its `name` may identify; '' if it came without one."""

    file: int
    name: str
    size: int
    state: str
    reason: str


class ProgressRecord(TypedDict):
    """How many files the batch's newest job has worked through, and why its last attempt failed, if it did."""

    done: int
    error: str


class BatchDetailsRecord(BatchRecord):
    """A batch as its reviewer sees it, identities included; `preview` is what de-identification would do."""

    patients: list[dict[str, Any]]
    series: list[dict[str, Any]]
    study_dates: list[Any]
    study_descriptions: list[Any]
    preview: list[dict[str, Any]]
    staged: list[StagedFileRecord]
    job: ProgressRecord


def batch(info: BatchInfo) -> BatchRecord:
    """Return a batch's object."""
    is_seen = not info.receipt
    return BatchRecord(
        id=info.id, state=info.state, source=info.source, study=info.study, exam=info.exam, files=info.files, bytes=info.bytes,
        findings=info.findings, summary=info.summary, follows=info.follows, reason=info.reason,
        opened=moment(info.opened) if is_seen else None, last_write=moment(info.last_write) if is_seen else None,
        decided_by=info.decided_by, decided=moment(info.decided), uploader=info.uploader, dropped=info.dropped,
        receipt=info.receipt, centre=info.centre,
        problems=sum(finding["severity"] in SERIOUS for finding in info.findings) if is_seen else None,
    )  # fmt: skip


def batch_details(details: BatchDetails, preview: Sequence[Mapping[str, Any]]) -> BatchDetailsRecord:
    """Return the object of a batch with all its reviewer needs."""
    about = details.about
    staged = [
        StagedFileRecord(file=file.file, name=file.name, size=file.size, state=file.state, reason=file.reason)
        for file in details.files
    ]
    return BatchDetailsRecord(
        **batch(details.batch), patients=about.get("patients", []), series=about.get("series", []),
        study_dates=about.get("study_dates", []), study_descriptions=about.get("study_descriptions", []),
        preview=[dict(one) for one in preview], staged=staged,
        job=ProgressRecord(done=details.progress, error=details.job_error),
    )  # fmt: skip
