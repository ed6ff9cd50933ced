"""Sealing or rejecting many batches at once: first a page that says which, then a click of its own, then what became of each.

Each batch is decided on alone, with the mark that its page had: one that changed meanwhile, or may not be decided on, stays as
it is and is named, and the others are done.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from catalog.gate.review.decisions import Review
from catalog.pure.batches import Event, allowed
from catalog.pure.errors import ArchimedError, Invalid, NotFound, OutOfSpace, Unavailable
from gateway.http.desk import words
from gateway.http.desk.forms import seen
from gateway.http.desk.numbers import LARGEST
from gateway.http.desk.services import DeskServices, principal

_MOST = 200
_CHANGED = "it has changed meanwhile: look at it again"


@dataclass(frozen=True, slots=True)
class Deed:
    """What can be done to many batches: what a batch's state must allow, and how it is done."""

    event: Event
    do: Callable[[Review, int, str], object]
    needs_reason: bool = False


_DEEDS = {
    "seal": Deed(Event.SEAL, lambda desk, number, _reason: desk.seal(number)),
    "reject": Deed(Event.REJECT, lambda desk, number, reason: desk.reject(number, reason), needs_reason=True),
}


def make(services: DeskServices) -> Blueprint:
    """Return what decides on many batches."""
    blueprint = Blueprint("bulk", __name__)

    @blueprint.post("/bulk")
    def ask() -> ResponseReturnValue:
        name, deed, numbers = _asked()
        desk = services.desks(principal())
        found = [desk.info(number) for number in numbers]
        fitting = [info for info in found if allowed(info.state, deed.event)]
        return render_template(
            "bulk.html", name=name, batches=fitting, others=[info for info in found if info not in fitting], seen=seen,
            needs_reason=deed.needs_reason,
        )  # fmt: skip

    @blueprint.post("/bulk/do")
    def do() -> ResponseReturnValue:
        name, deed, numbers = _asked()
        reason = request.form.get("reason", "").strip()
        if deed.needs_reason and not reason:
            raise Invalid("say why: without a reason nothing was rejected")
        desk = services.desks(principal())
        outcomes = [(number, _done(desk, deed, number, reason)) for number in numbers]
        return render_template("bulk_done.html", name=name, outcomes=outcomes)

    for rule, endpoint in (("/bulk", "again"), ("/bulk/do", "done_again")):
        blueprint.add_url_rule(rule, endpoint, lambda: redirect(url_for("pages.batches"), 303), methods=["GET"])
    return blueprint


def _asked() -> tuple[str, Deed, list[int]]:
    name = request.form.get("deed", "")
    if name not in _DEEDS:
        raise NotFound("there is nothing of that name to be done")
    numbers = [number for number in dict.fromkeys(request.form.getlist("batch", type=int)) if 0 < number <= LARGEST]
    if not numbers:
        raise Invalid("choose at least one batch")
    if len(numbers) > _MOST:
        raise Invalid(f"choose at most {_MOST} batches at once")
    return name, _DEEDS[name], numbers


def _done(desk: Review, deed: Deed, number: int, reason: str) -> str:
    """Do it to one batch; return why not, '' if it is done."""
    try:
        info = desk.info(number)
        if request.form.get(f"seen-{number}") != seen(info):
            return _CHANGED
        deed.do(desk, number, reason)
    except (Unavailable, OutOfSpace):
        raise
    except ArchimedError as error:
        return words.for_the_web(str(error))
    return ""
