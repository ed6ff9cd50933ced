"""What is shown: the list of batches, a batch with all that its reviewer needs. Nothing is changed here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from catalog import clock
from catalog.administration import Scope
from catalog.gate.review.decisions import Review
from catalog.gate.review.queries import BatchInfo
from catalog.pure.access import Action
from catalog.pure.batches import Event, State, allowed
from gateway.http.desk import visits, words
from gateway.http.desk.forms import Acceptance, seen
from gateway.http.desk.numbers import LARGEST, NUMBER
from gateway.http.desk.services import DeskServices, principal

WAITING = (State.CHECKED, State.FAILED)
RUNNING = (State.SEALED, State.ACCEPTED)
_ROWS = 100
_DAY = 86_400
_AGES = frozenset({"1", "7", "30", "365"})


@dataclass(frozen=True, slots=True)
class Tab:
    """Some of the batches, by their states; none: all."""

    key: str
    title: str
    states: tuple[State, ...]
    empty: str


TABS = (
    Tab("waiting", "Waiting for you", WAITING, "Nothing waits for your decision."),
    Tab("open", "Open", (State.OPEN,), "No batch is open. What is sent or dropped into a folder appears here."),
    Tab("working", "In work", RUNNING, "Nothing is being checked or published."),
    Tab("published", "Published", (State.PUBLISHED,), "Nothing was published yet."),
    Tab("rejected", "Rejected", (State.REJECTED, State.ERASED), "Nothing was rejected."),
    Tab("all", "All", (), "There is no batch that you may see."),
)


def make(services: DeskServices) -> Blueprint:
    """Return the pages that only show."""
    blueprint = Blueprint("pages", __name__)

    @blueprint.get("/")
    def batches() -> ResponseReturnValue:
        return _list(services.desks(principal()))

    @blueprint.get(f"/batches/{NUMBER}")
    def batch(number: int) -> ResponseReturnValue:
        return show(services, services.desks(principal()), number)

    @blueprint.get(f"/batches/{NUMBER}/progress")
    def progress(number: int) -> ResponseReturnValue:
        desk = services.desks(principal())
        info = desk.info(number)
        done, error = desk.progress(number)
        return jsonify(state=info.state, files=info.files, done=done, error=error)

    return blueprint


def _list(desk: Review) -> ResponseReturnValue:
    if not principal().may(Action.IMPORT) or not visits.has_scope(Scope.STAGING):
        if visits.has_scope(Scope.READ):
            return redirect(url_for("reading.studies"), 303)
        return render_template("no_role.html", role=principal().role)
    tab = next((tab for tab in TABS if tab.key == request.args.get("show")), TABS[0])
    before = request.args.get("before", type=int)
    before = before if before is not None and 0 < before <= LARGEST else None
    filters = {name: request.args.get(name, "").strip()[:64] for name in ("text", "study", "days")}
    days = filters["days"] if filters["days"] in _AGES else ""
    filters["days"] = days
    rows = desk.list(
        tab.states, before=before, most=_ROWS + 1, text=filters["text"], study=filters["study"],
        since=clock.now() - int(days) * _DAY if days else None,
    )  # fmt: skip
    older = rows[1].id if len(rows) > _ROWS else None
    counts = desk.counts()
    numbers = {each.key: sum(counts.get(state, 0) for state in each.states or State) for each in TABS}
    shown = rows[-_ROWS:]
    if tab.key != "waiting":
        shown.reverse()
    return render_template(
        "list.html", tab=tab, tabs=TABS, numbers=numbers, batches=shown, older=older, now=clock.now(),
        severities=words.severities, filters=filters, studies=desk.studies(),
    )  # fmt: skip


def show(
    services: DeskServices,
    desk: Review,
    number: int,
    entered: Acceptance | None = None,
    problem: str = "",
    status: int = 200,
) -> tuple[str, int]:
    """Return the page of a batch.

    Args:
        services: what the desk works with.
        desk: the gate as the principal sees it.
        number: the batch.
        entered: a form to be filled in again: it could not be done, or is to be changed.
        problem: why it could not be done.
        status: the page's HTTP status.

    Raises:
        NotFound: there is none of that number, or it may not be seen.
    """
    info = desk.info(number)
    about = desk.about(number)
    done, error = desk.progress(number)
    studies = desk.studies()
    # What is being published is erased any moment now.
    files = desk.series_files(number) if info.state is not State.ACCEPTED else {}
    page = render_template(
        "batch.html", batch=info, about=about, series=series_rows(info, about), groups=words.grouped(info.findings),
        report=desk.report(number), done=done, error=error, studies=studies, now=clock.now(), seen=seen(info),
        entered=_filled(info, entered), problem=words.for_the_web(problem), can=_possible(info), running=info.state in RUNNING,
        files=files, shown={file for each in files.values() for file in each}, followers=desk.followers(number),
        next=_next(desk, number), names=desk.names(number, named(info.findings)),
        pattern=next((one.exam for one in studies if one.code == info.study), ""),
        checks={finding["check"] for finding in info.findings},
        blocked=any(finding["severity"] == "blocking" for finding in info.findings),
        may_withdraw=principal().may(Action.CHANGE),
        binned=services.bins(principal()).of_batch(number) if info.state is State.PUBLISHED else [],
        withdraw_days=services.withdraw_days,
    )  # fmt: skip
    return page, status


def series_rows(info: BatchInfo, about: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the batch's series: what the catalogue keeps of them, what the scanner called them, what cleaning would do."""
    named = {one["label"]: one for one in about.get("series", ()) if "label" in one}
    cleaned = {one["label"]: one for one in about.get("preview", ())}
    return [
        {**one, "description": named.get(one["label"], {}).get("description", ""), "preview": cleaned.get(one["label"])}
        for one in info.summary
        if "label" in one
    ]


def _possible(info: BatchInfo) -> set[str]:
    """Return what the batch's state lets somebody do; who may is decided when they do it."""
    names = {
        "seal": Event.SEAL, "reject": Event.REJECT, "recheck": Event.RECHECK, "restore": Event.RESTORE, "reopen": Event.REOPEN,
    }  # fmt: skip
    possible = {name for name, event in names.items() if allowed(info.state, event)}
    if allowed(info.state, Event.ACCEPT) or allowed(info.state, Event.RETRY):
        possible.add("accept")
    if not (info.dropped and info.uploader == principal().login):
        possible.discard("reopen")
    return possible


def _filled(info: BatchInfo, entered: Acceptance | None) -> Acceptance:
    if entered is not None:
        return entered
    return replace(Acceptance(), study=info.study, exam=info.exam)


def named(findings: Sequence[Mapping[str, Any]]) -> Sequence[int]:
    """Return the files that findings speak of."""
    return [finding["file"] for finding in findings if finding["file"] is not None]


def _next(desk: Review, number: int) -> int | None:
    """Return the next batch that waits: the one behind this, else the first."""
    waiting = [found for found in desk.numbers(WAITING) if found != number]
    return next((found for found in waiting if found > number), waiting[0] if waiting else None)
