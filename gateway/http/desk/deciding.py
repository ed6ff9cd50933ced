"""What a form of the desk asks for, done through `Review`. Who may do it, and whether it can be done, is decided there.

Accepting takes two forms: the batch's page sends to `summary`, which changes nothing, and the summary's button to `accept`.
Each form carries a mark of the batch as its page showed it. If something happened to the batch since, nothing is done, and the
reviewer reads what.
"""

from collections.abc import Callable

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from catalog import clock
from catalog.gate.review.decisions import Review
from catalog.gate.review.queries import BatchInfo
from catalog.pure.errors import ArchimedError, Conflict, NotFound, OutOfSpace, Unavailable
from gateway.http.answers import status_of
from gateway.http.desk import pages, summary
from gateway.http.desk.forms import Acceptance, seen
from gateway.http.desk.numbers import NUMBER
from gateway.http.desk.services import DeskServices, principal

Deed = Callable[[Review, BatchInfo], object]
Page = Callable[[Review, BatchInfo], ResponseReturnValue]
_AWAY = (Unavailable, OutOfSpace)
_ACCEPTING = frozenset({"summary", "accept"})


def make(services: DeskServices) -> Blueprint:
    """Return what changes a batch."""
    blueprint = Blueprint("deciding", __name__)
    deeds: dict[str, Deed] = {
        "seal": lambda desk, info: desk.seal(info.id),
        "accept": _accept,
        "reject": lambda desk, info: desk.reject(info.id, request.form.get("reason", "")),
        "recheck": _recheck,
        "restore": lambda desk, info: desk.restore(info.id),
        "reopen": lambda desk, info: desk.reopen(info.id),
        "withdraw": lambda _desk, info: _withdraw(services, info),
    }
    for name, deed in deeds.items():
        rule = f"/batches/{NUMBER}/{name}"
        blueprint.add_url_rule(rule, name, _answering(services, name, _then_look(deed)), methods=["POST"])
    # These decide nothing: what is to be accepted is shown, or goes back into the batch's page to be changed.
    asking: dict[str, Page] = {
        "summary": lambda desk, info: summary.show(services.views(principal()), desk, info, Acceptance.of(request.form)),
        "change": lambda desk, info: pages.show(services, desk, info.id, Acceptance.of(request.form)),
    }
    for name, page in asking.items():
        rule = f"/batches/{NUMBER}/{name}"
        blueprint.add_url_rule(rule, name, _answering(services, name, page), methods=["POST"])
        blueprint.add_url_rule(rule, f"{name}_anew", _to_the_batch, methods=["GET"])
    return blueprint


def _then_look(deed: Deed) -> Page:
    def page(desk: Review, info: BatchInfo) -> ResponseReturnValue:
        deed(desk, info)
        return _to_the_batch(info.id)

    return page


def _to_the_batch(number: int) -> ResponseReturnValue:
    return redirect(url_for("pages.batch", number=number), 303)


def _answering(services: DeskServices, name: str, page: Page) -> Callable[[int], ResponseReturnValue]:
    def answer(number: int) -> ResponseReturnValue:
        desk = services.desks(principal())
        info = desk.info(number)
        entered = Acceptance.of(request.form) if name in _ACCEPTING else None
        if request.form.get("seen") != seen(info):
            return _late(desk, number)
        try:
            return page(desk, info)
        except _AWAY:
            raise
        except Conflict as error:
            return _late(desk, number, str(error))
        except ArchimedError as error:
            if isinstance(error, NotFound):
                desk.info(number)  # the batch itself, perhaps: then its page is gone, too
            if seen(desk.info(number)) != seen(info):
                return _late(desk, number)
            return pages.show(services, desk, number, entered, str(error), status_of(error))

    return answer


def _accept(desk: Review, info: BatchInfo) -> None:
    entered = Acceptance.of(request.form)
    desk.accept(info.id, entered.study, entered.exam, **entered.chosen(info.summary))


def _withdraw(services: DeskServices, info: BatchInfo) -> None:
    found = services.bins(principal())
    if found.of_batch(info.id):
        raise Conflict(f"what batch {info.id} brought is in the bin already")
    found.put_batch(info.id, request.form.get("reason", "").strip())


def _recheck(desk: Review, info: BatchInfo) -> None:
    desk.recheck(info.id, request.form.get("study", "").strip(), request.form.get("exam", "").strip())


def _late(desk: Review, number: int, why: str = "") -> tuple[str, int]:
    info = desk.info(number)
    decided = _is_decided(info)
    is_own = decided and info.decided_by == principal().login
    return render_template("late.html", batch=info, why=why, now=clock.now(), decided=decided, is_own=is_own), 409


def _is_decided(info: BatchInfo) -> bool:
    return bool(info.decided_by) and info.state not in {"open", "sealed", "checked"}
