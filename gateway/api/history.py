"""Operations on the audit: who did what, who read what. For administrators; nothing here changes it."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from catalog.administration import Scope
from catalog.audit import Wanted, entries, list_exams_read, list_reads, verify
from catalog.pure.access import Action
from gateway.api.answering import MOST, Listing, NumberedPage, listing
from gateway.api.gate import Since, seconds
from gateway.api.operations import Line, Operations, Query
from gateway.api.services import Call
from gateway.records import history
from gateway.records.history import AuditRecord, ExamReadRecord, ReadRecord

OPERATIONS = Operations("audit", "Who did what and who read what: for administrators.")


class AuditQuery(NumberedPage):
    """Which entries."""

    user: Annotated[Line, Field(description="Only what this user did, or what was done to them.")] = ""
    study: Annotated[Line, Field(description="Only what is about this study.")] = ""
    since: Since = None


class ReadsQuery(Query):
    """Which reads; the newest `limit`."""

    limit: Annotated[int, Field(ge=1, le=MOST)] = 1000
    user: Line = ""
    study: Line = ""
    since: Since = None


class ExamsQuery(Query):
    """Of which study."""

    study: Line = ""


class Verdict(TypedDict):
    """Whether the audit still is what was written: its number of entries, the newest one's number and hash."""

    intact: bool
    entries: int
    head: int
    hash: str


@OPERATIONS.add("GET", "/audit", Scope.ADMIN)
def list_audit(call: Call, query: AuditQuery) -> Listing[AuditRecord]:
    """List who did what, oldest first."""
    call.require(Action.ADMINISTER)
    wanted = Wanted(query.user, query.study, seconds(query.since), query.limit + 1)
    found = entries(call.database, wanted, after=query.after, from_oldest=True)
    return listing(map(history.entry, found), query.limit, lambda each: each["id"])


@OPERATIONS.add("GET", "/audit/reads", Scope.ADMIN)
def list_read(call: Call, query: ReadsQuery) -> list[ReadRecord]:
    """List the newest reads, oldest first: one for reader, program, series and day."""
    call.require(Action.ADMINISTER)
    wanted = Wanted(query.user, query.study, seconds(query.since), query.limit)
    return [history.read(each) for each in list_reads(call.database, wanted)]


@OPERATIONS.add("GET", "/audit/exams", Scope.ADMIN)
def list_last_reads(call: Call, query: ExamsQuery) -> list[ExamReadRecord]:
    """List when each exam was read last, first those that nobody has read for longest or ever."""
    call.require(Action.ADMINISTER)
    return [history.exam_read(each) for each in list_exams_read(call.database, query.study)]


@OPERATIONS.add("GET", "/audit/verdict", Scope.ADMIN)
def verify_audit(call: Call) -> Verdict:
    """Check that no entry was changed, removed, moved or put in between."""
    call.require(Action.ADMINISTER)
    found = verify(call.database)
    return Verdict(intact=not found.faults, entries=found.entries, head=found.head, hash=found.hash.hex())
