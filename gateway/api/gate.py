"""Operations on what waits at the gate: batches, and a human's decisions on them."""

import datetime as dt
from contextlib import suppress
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from catalog.administration import Scope
from catalog.pure.batches import State
from catalog.pure.drops import EXAM_DEPTH
from catalog.pure.errors import Conflict, Invalid
from gateway.api.answering import Listing, NumberedPage, listing
from gateway.api.operations import Body, Line, Named, Operations
from gateway.api.services import Call
from gateway.http.requests import href
from gateway.http.staging import STAGING
from gateway.records import gate as records
from gateway.records.gate import BatchDetailsRecord, BatchRecord

OPERATIONS = Operations(
    "gate", "What waits at the gate, and decisions on it. What is shown of a batch may hold identities: for its reviewers."
)
Since = Annotated[dt.datetime | None, Field(description="Only from then on (UTC if it names no zone).")]


class BatchesQuery(NumberedPage):
    """Which batches."""

    state: Annotated[tuple[State, ...], Field(description="Only in this state; may be repeated.")] = ()
    study: Annotated[Line, Field(description="Only for this study.")] = ""
    since: Since = None


class Acceptance(Body):
    """Where a batch goes, and what its reviewer vouches for."""

    study: Annotated[Named, Field(description="The study it belongs to.")]
    exam: Annotated[Named, Field(description="The exam it becomes; one that exists gets the files added.")]
    despite: Annotated[Line, Field(description="Why a finding that forbids it does not matter here.")] = ""
    pixels_approved: Annotated[
        bool, Field(description="You looked at the images and listened to sound: they identify nobody.")
    ] = False
    attest: Annotated[Line, Field(description="Why files that a heuristic holds identify nobody.")] = ""
    series: Annotated[tuple[Line, ...], Field(description="Accept only the series with these labels.", max_length=10_000)] = ()
    centre: Annotated[Line, Field(description="Centre of the study that a new exam belongs to.")] = ""
    labels: Annotated[
        dict[str, Line], Field(default_factory=dict, description="By label of a series, what it is called instead.")
    ]


class Rejection(Body):
    """Why a batch is rejected. Write no identity here."""

    reason: Named


class Recheck(Body):
    """For which study and exam a batch is checked again; what is empty stays as it is."""

    study: Line = ""
    exam: Line = ""


class UploadFolder(Body):
    """Where files are to be brought: `study/exam`, and folders within if any."""

    path: Named


class UploadPlace(TypedDict):
    """Where uploads in pieces (tus 1.0.0) begin: by a POST to this address."""

    address: str


def seconds(moment: dt.datetime | None) -> int | None:
    """Return a time in seconds since 1970 UTC."""
    if moment is None:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp())


@OPERATIONS.add("POST", "/uploads", Scope.STAGING, status=201)
def prepare_upload(call: Call, body: UploadFolder) -> UploadPlace:
    """Make a folder of your staging tree, and those above it, and say where uploads into it begin.

    Files come there in pieces by tus 1.0.0 (docs/staging-webdav.md), and wait in your open batch for that exam.
    """
    place = tuple(name for name in body.path.split("/") if name)
    if len(place) < EXAM_DEPTH:
        raise Invalid("name a study and an exam at least: 2008-0003/E001")
    for depth in range(EXAM_DEPTH, len(place) + 1):
        with suppress(Conflict):  # it is there
            call.inbox.make_folder(place[:depth])
    if not call.inbox.stat(place).is_folder:
        raise Conflict("a file of that name is there")
    return UploadPlace(address=href((STAGING, *place), folder=True))


@OPERATIONS.add("GET", "/batches", Scope.STAGING)
def list_batches(call: Call, query: BatchesQuery) -> Listing[BatchRecord]:
    """List the batches that you may see, and receipts of those that you brought and may not, oldest first."""
    found = [
        records.batch(info)
        for info in call.review.list(
            query.state, most=query.limit + 1, study=query.study, since=seconds(query.since), after=query.after
        )
    ]
    return listing(found, query.limit, lambda each: each["id"])


@OPERATIONS.add("GET", "/batches/{batch}", Scope.STAGING)
def show_batch(call: Call, batch: int) -> BatchDetailsRecord:
    """Show a batch: patients, series, what the checks found, and what de-identification would do."""
    details = call.review.show(batch)
    return records.batch_details(details, details.about.get("preview", ()))


@OPERATIONS.add("POST", "/batches/{batch}/seal", Scope.STAGING)
def seal_batch(call: Call, batch: int) -> BatchRecord:
    """Close a batch to more files, and have it checked."""
    return records.batch(call.review.seal(batch))


@OPERATIONS.add("POST", "/batches/{batch}/accept", Scope.STAGING)
def accept_batch(call: Call, batch: int, body: Acceptance) -> BatchRecord:
    """Publish a batch into an exam of a study; also tries again what failed. It is done when its state is `published`."""
    return records.batch(
        call.review.accept(
            batch, body.study, body.exam, despite=body.despite, pixels_approved=body.pixels_approved, attest=body.attest,
            series=body.series, labels=body.labels, centre=body.centre,
        )
    )  # fmt: skip


@OPERATIONS.add("POST", "/batches/{batch}/reject", Scope.STAGING)
def reject_batch(call: Call, batch: int, body: Rejection) -> BatchRecord:
    """Refuse a batch. It can be restored for some days, then its bytes are erased."""
    return records.batch(call.review.reject(batch, body.reason))


@OPERATIONS.add("POST", "/batches/{batch}/restore", Scope.STAGING)
def restore_batch(call: Call, batch: int) -> BatchRecord:
    """Take a rejection back: the batch is checked again and waits for a decision."""
    return records.batch(call.review.restore(batch))


@OPERATIONS.add("POST", "/batches/{batch}/recheck", Scope.STAGING)
def recheck_batch(call: Call, batch: int, body: Recheck) -> BatchRecord:
    """Check a batch again, say because the study's profile was mended."""
    return records.batch(call.review.recheck(batch, body.study, body.exam))


@OPERATIONS.add("POST", "/batches/{batch}/reopen", Scope.STAGING)
def reopen_batch(call: Call, batch: int) -> BatchRecord:
    """Open your own dropped batch again, to mend what the checks found."""
    return records.batch(call.review.reopen(batch))
