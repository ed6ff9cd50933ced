"""Jobs, corrections, what is in the bin, and holds as JSON objects."""

from collections.abc import Mapping

from typing_extensions import TypedDict

from catalog.corrections import CorrectionInfo
from catalog.exchange import Delivery
from catalog.jobs import JobInfo, JobKind
from catalog.lifecycle.bin import Entry
from catalog.pure import bin as bins
from catalog.pure.corrections import Correction, CorrectionState
from catalog.pure.jobs import JobState
from catalog.pure.retention import Hold
from gateway.records.moments import moment


class JobRecord(TypedDict):
    """A job: what it does with which batch, correction, entry of the bin or delivery, and how far it is (`done`, in files)."""

    id: int
    kind: JobKind
    state: JobState
    batch: int | None
    correction: int | None
    bin: int | None
    delivery: int | None
    study: str
    attempts: int
    done: int
    error: str
    created: str
    not_before: str | None
    ended: str | None


class CorrectionRecord(TypedDict):
    """A correction: of which `place` in its study, as that was called then, to which `value`."""

    id: int
    kind: Correction
    study: str
    place: str
    value: str
    reason: str
    asked_by: str
    asked: str
    state: CorrectionState
    problem: str
    ended: str | None


class DeliveryRecord(TypedDict):
    """What goes to a DICOM peer: `failed_files` says why files were not taken, by their paths."""

    peer: str
    total: int
    sent: int
    failed: int
    failed_files: dict[str, str]


class BinRecord(TypedDict):
    """What was put into the bin at once. `expires` null: never; `kept` says why it cannot be purged now."""

    id: int
    state: bins.State
    kind: bins.Kind
    study: str
    path: str
    files: int
    bytes: int
    reason: str
    put_by: str
    put: str
    expires: str | None
    problem: str
    kept: str


class HoldRecord(TypedDict):
    """A legal hold; `confirmed_by` and `lift_by` are empty while nobody did."""

    study: str
    reason: str
    set_by: str
    set_at: str
    confirmed_by: str
    lift_by: str
    lift_reason: str


def job(found: JobInfo) -> JobRecord:
    """Return a job's object."""
    return JobRecord(
        id=found.id, kind=found.kind, state=found.state, batch=found.batch, correction=found.correction, bin=found.bin,
        delivery=found.delivery, study=found.study, attempts=found.attempts, done=found.done, error=found.error,
        created=moment(found.created), not_before=moment(found.not_before or None), ended=moment(found.ended),
    )  # fmt: skip


def delivery(found: Delivery, failed: Mapping[str, str]) -> DeliveryRecord:
    """Return a delivery's object, with what was not taken."""
    return DeliveryRecord(
        peer=found.peer, total=found.total, sent=found.sent, failed=found.failed, failed_files=dict(failed)
    )  # fmt: skip


def correction(found: CorrectionInfo) -> CorrectionRecord:
    """Return a correction's object."""
    return CorrectionRecord(
        id=found.id, kind=found.kind, study=found.study, place=found.place, value=found.value, reason=found.reason,
        asked_by=found.asked_by, asked=moment(found.asked), state=found.state, problem=found.problem, ended=moment(found.ended),
    )  # fmt: skip


def bin_entry(found: Entry) -> BinRecord:
    """Return the object of an entry of the bin."""
    return BinRecord(
        id=found.id, state=found.state, kind=found.kind, study=found.study, path=found.path, files=found.files,
        bytes=found.bytes, reason=found.reason, put_by=found.put_by, put=moment(found.put), expires=moment(found.expires),
        problem=found.problem, kept=found.kept,
    )  # fmt: skip


def hold(found: Hold) -> HoldRecord:
    """Return a hold's object."""
    return HoldRecord(
        study=found.study, reason=found.reason, set_by=found.set_by, set_at=moment(found.set_at),
        confirmed_by=found.confirmed_by, lift_by=found.lift_by, lift_reason=found.lift_reason,
    )  # fmt: skip
