"""What the desk works with, handed in by who wires the archive together."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import request

from catalog.gate.review.decisions import Review
from catalog.pure.access import Principal
from gateway.drawing.processes import Drawing
from gateway.http.requests import request_of


@dataclass(frozen=True, slots=True)
class DeskServices:
    """`desks` gives the gate as a principal sees it; `drawing` shows staged files.

    `withdraw_days`: so many days after its publication a batch may be taken out of the archive for good.
    """

    desks: Callable[[Principal], Review]
    drawing: Drawing
    withdraw_days: int


def principal() -> Principal:
    """Return who asks."""
    return request_of(request.environ).principal
