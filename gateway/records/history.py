"""What the audit holds, as JSON objects."""

from typing import Any

from typing_extensions import TypedDict

from catalog.audit import Entry, ExamRead, Read
from gateway.records.moments import moment


class AuditRecord(TypedDict):
    """One audited action; `detail` depends on the action."""

    id: int
    at: str
    actor: str
    acting_as: str
    action: str
    study: str
    subject: str
    detail: dict[str, Any]


class ReadRecord(TypedDict):
    """Who read what with which program on one day; `closed` is whether that day is over. `bytes` were handed out."""

    first: str
    last: str
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


class ExamReadRecord(TypedDict):
    """When an exam was read last; null: never since it is audited."""

    study: str
    exam: str
    last_read: str | None


def entry(found: Entry) -> AuditRecord:
    """Return the object of an audited action."""
    return AuditRecord(
        id=found.id, at=moment(found.at), actor=found.actor, acting_as=found.acting_as, action=found.action,
        study=found.study, subject=found.subject, detail=found.detail,
    )  # fmt: skip


def read(found: Read) -> ReadRecord:
    """Return the object of a row of reads."""
    return ReadRecord(
        first=moment(found.first), last=moment(found.last), login=found.login, actor=found.actor, face=found.face,
        program=found.program, study=found.study, exam=found.exam, series=found.series, files=found.files,
        bytes=found.bytes, closed=found.closed,
    )  # fmt: skip


def exam_read(found: ExamRead) -> ExamReadRecord:
    """Return the object of when an exam was read last."""
    return ExamReadRecord(study=found.study, exam=found.exam, last_read=moment(found.last_read))
