"""What a form of the desk asks for, done through `Review`. Who may do it, and whether it can be done, is decided there.

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
from gateway.http.desk import pages
from gateway.http.desk.forms import Acceptance, seen
from gateway.http.desk.services import DeskServices, principal

Deed = Callable[[Review, BatchInfo], object]
_AWAY = (Unavailable, OutOfSpace)


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
    }
    for name, deed in deeds.items():
        rule = f"/batches/{pages.NUMBER}/{name}"
        blueprint.add_url_rule(rule, name, _answering(services, name, deed), methods=["POST"])
    return blueprint


def _answering(services: DeskServices, name: str, deed: Deed) -> Callable[[int], ResponseReturnValue]:
    def answer(number: int) -> ResponseReturnValue:
        desk = services.desks(principal())
        info = desk.info(number)
        entered = Acceptance.of(request.form) if name == "accept" else None
        if request.form.get("seen") != seen(info):
            return _late(desk, number)
        try:
            deed(desk, info)
        except _AWAY:
            raise
        except Conflict as error:
            return _late(desk, number, str(error))
        except ArchimedError as error:
            if isinstance(error, NotFound):
                desk.info(number)  # the batch itself, perhaps: then its page is gone, too
            if seen(desk.info(number)) != seen(info):
                return _late(desk, number)
            return pages.show(desk, number, entered, str(error), status_of(error))
        return redirect(url_for("pages.batch", number=number), 303)

    return answer


def _accept(desk: Review, info: BatchInfo) -> None:
    entered = Acceptance.of(request.form)
    desk.accept(info.id, entered.study, entered.exam, **entered.chosen(info.summary))


def _recheck(desk: Review, info: BatchInfo) -> None:
    desk.recheck(info.id, request.form.get("study", "").strip(), request.form.get("exam", "").strip())


def _late(desk: Review, number: int, why: str = "") -> tuple[str, int]:
    info = desk.info(number)
    return render_template("late.html", batch=info, why=why, now=clock.now(), decided=_is_decided(info)), 409


def _is_decided(info: BatchInfo) -> bool:
    return bool(info.decided_by) and info.state not in {"open", "sealed", "checked"}
