"""What the desk works with, handed in by who wires the archive together."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import request

from catalog.gate.review.decisions import Review
from catalog.pure.access import Principal
from gateway.drawing.processes import Drawing


@dataclass(frozen=True, slots=True)
class DeskRooms:
    """`desks` gives the gate as a principal sees it; `drawing` shows staged files."""

    desks: Callable[[Principal], Review]
    drawing: Drawing


def principal() -> Principal:
    """Return who asks; the front put it there."""
    found: Principal = request.environ["archimed.principal"]
    return found
