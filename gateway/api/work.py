"""Operations on what is archived and on queued work: the bin, corrections, holds, jobs."""

from typing import Annotated

from pydantic import Field

from catalog.administration import Scope
from catalog.administration.jobs import cancel_job as cancel
from catalog.administration.jobs import retry_job as retry
from catalog.corrections import Corrections
from catalog.jobs import list_jobs as jobs_of
from catalog.jobs import show_job as job_of
from catalog.lifecycle import retention
from catalog.pure.access import Action
from catalog.pure.corrections import Correction
from catalog.pure.jobs import JobState
from gateway.api.answering import Listing, NumberedPage, Page, behind, listing
from gateway.api.operations import Body, Named, Operations
from gateway.api.services import Call
from gateway.records import work
from gateway.records.work import BinRecord, CorrectionRecord, HoldRecord, JobRecord

OPERATIONS = Operations("work", "The bin and corrections (role power), jobs and holds (administrators).")


class BinQuery(NumberedPage):
    """Which entries of the bin."""

    ended: Annotated[bool, Field(description="Also what was restored, purged or refused.")] = False


class Putting(Body):
    """What is put into the bin, and why. Write no identity in the reason."""

    paths: Annotated[tuple[Named, ...], Field(min_length=1, max_length=10_000)]
    reason: Named


class Withdrawal(Body):
    """A batch, all of whose files are put into the bin, and why."""

    batch: Annotated[int, Field(ge=1, le=2**31 - 1)]
    reason: Named


class Purge(Body):
    """Why something is deleted for good. `override`: in spite of the study's retention, which takes two administrators."""

    reason: Named
    override: bool = False


class NewCorrection(Body):
    """What is corrected (`2008-0003/E001`, or a series'), how, to which code or description, and why."""

    kind: Correction
    path: Named
    value: Named
    reason: Named


class Reason(Body):
    """Why; kept in the audit. Write no identity here."""

    reason: Named


class JobsQuery(NumberedPage):
    """Which jobs."""

    state: Annotated[tuple[JobState, ...], Field(description="Only in this state; may be repeated.")] = ()


@OPERATIONS.add("GET", "/bin", Scope.ADMIN)
def list_bin(call: Call, query: BinQuery) -> Listing[BinRecord]:
    """List what is in the bin of the studies that you may see, with when it goes and what keeps it from going."""
    found = (work.bin_entry(each) for each in call.bin.entries(with_ended=query.ended) if each.id > query.after)
    return listing(found, query.limit, lambda each: each["id"])


@OPERATIONS.add("GET", "/bin/{entry}", Scope.ADMIN)
def show_bin(call: Call, entry: int) -> BinRecord:
    """Show an entry of the bin."""
    return work.bin_entry(call.bin.info(entry))


@OPERATIONS.add("POST", "/bin", Scope.ADMIN, status=202)
def put_into_bin(call: Call, body: Putting) -> list[BinRecord]:
    """Ask that exams, series or files are put into the bin. It is done when their state is `binned`."""
    return [work.bin_entry(each) for each in call.bin.put(body.paths, body.reason)]


@OPERATIONS.add("POST", "/bin/withdrawals", Scope.ADMIN, status=202)
def withdraw_batch(call: Call, body: Withdrawal) -> list[BinRecord]:
    """Ask that all that a batch brought into the archive is put into the bin."""
    return [work.bin_entry(each) for each in call.bin.put_batch(body.batch, body.reason)]


@OPERATIONS.add("POST", "/bin/{entry}/restore", Scope.ADMIN, status=202)
def restore_from_bin(call: Call, entry: int) -> BinRecord:
    """Ask that what is in the bin goes back to where it was."""
    return work.bin_entry(call.bin.restore(entry))


@OPERATIONS.add("POST", "/bin/{entry}/purge", Scope.ADMIN, status=202)
def purge_from_bin(call: Call, entry: int, body: Purge) -> BinRecord:
    """Ask that what is in the bin is deleted for good: for administrators."""
    return work.bin_entry(call.bin.purge(entry, body.reason, override=body.override))


@OPERATIONS.add("GET", "/corrections", Scope.ADMIN)
def list_corrections(call: Call, query: NumberedPage) -> Listing[CorrectionRecord]:
    """List the corrections of the studies that you may see."""
    found = (work.correction(each) for each in _corrections(call).list() if each.id > query.after)
    return listing(found, query.limit, lambda each: each["id"])


@OPERATIONS.add("POST", "/corrections", Scope.ADMIN, status=202)
def correct(call: Call, body: NewCorrection) -> CorrectionRecord:
    """Ask that an exam gets another code, or a series another exam or description. It is done when its state is `done`."""
    asked = _corrections(call)
    ask = {
        Correction.RENAME_EXAM: asked.rename_exam, Correction.MOVE_SERIES: asked.move_series,
        Correction.DESCRIBE_SERIES: asked.describe_series,
    }[body.kind]  # fmt: skip
    return work.correction(ask(body.path, body.value, body.reason))


@OPERATIONS.add("GET", "/holds", Scope.ADMIN)
def list_holds(call: Call, query: Page) -> Listing[HoldRecord]:
    """List all legal holds."""
    call.require(Action.ADMINISTER)
    wanted = behind(retention.list_holds(call.database), query.after, lambda each: each.study, str)
    return listing(map(work.hold, wanted), query.limit, lambda each: each["study"])


@OPERATIONS.add("PUT", "/holds/{study}", Scope.ADMIN, tells=True)
def set_hold(call: Call, study: str, body: Reason) -> HoldRecord:
    """Keep all of a study, whatever its retention says, or confirm the hold that another administrator set."""
    call.require(Action.ADMINISTER)
    return work.hold(retention.set_hold(call.database, call.actor, study, body.reason))


@OPERATIONS.add("POST", "/holds/{study}/lift", Scope.ADMIN, status=204, tells=True)
def lift_hold(call: Call, study: str, body: Reason) -> None:
    """Ask to lift a hold, or lift the one that another administrator asked to lift."""
    call.require(Action.ADMINISTER)
    retention.lift_hold(call.database, call.actor, study, body.reason)


@OPERATIONS.add("GET", "/jobs", Scope.ADMIN)
def list_jobs(call: Call, query: JobsQuery) -> Listing[JobRecord]:
    """List jobs in the order in which they were queued, those that are done too."""
    call.require(Action.ADMINISTER)
    found = jobs_of(call.database, query.state, query.limit + 1, after=query.after)
    return listing(map(work.job, found), query.limit, lambda each: each["id"])


@OPERATIONS.add("GET", "/jobs/{job}", Scope.ADMIN, tells=True)
def show_job(call: Call, job: int) -> JobRecord:
    """Show a job."""
    call.require(Action.ADMINISTER)
    return work.job(job_of(call.database, job))


@OPERATIONS.add("POST", "/jobs/{job}/retry", Scope.ADMIN, tells=True)
def retry_job(call: Call, job: int) -> JobRecord:
    """Let a failed job run again, or one that waits for its next attempt run now."""
    call.require(Action.ADMINISTER)
    retry(call.database, call.actor, job)
    return work.job(job_of(call.database, job))


@OPERATIONS.add("POST", "/jobs/{job}/cancel", Scope.ADMIN, tells=True)
def cancel_job(call: Call, job: int, body: Reason) -> JobRecord:
    """Give up a job that waits or runs; what it is about is left as when the job fails for good."""
    call.require(Action.ADMINISTER)
    cancel(call.database, call.actor, call.services.worker(), job, body.reason)
    return work.job(job_of(call.database, job))


def _corrections(call: Call) -> Corrections:
    return Corrections(call.database, call.actor, call.principal)
