"""What the desk works with, handed in by who wires the archive together."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import request

from catalog.database import Database
from catalog.gate.review.decisions import Review
from catalog.lifecycle.bin import Bin
from catalog.pure.access import Principal
from catalog.view import View
from gateway.drawing.processes import Drawing
from gateway.http.requests import request_of


@dataclass(frozen=True, slots=True)
class DeskServices:
    """`desks` gives the gate as a principal sees it, `bins` the bin, `views` the archive; `drawing` shows
    files.

    `withdraw_days`: so many days after its publication a batch may be taken out of the archive for good. `database`: the
    catalogue, for one's own account. `idle_seconds`: a session ends that nobody used for so long. `mount`: where the
    archive is mounted on this machine, a folder for each login; '' if nowhere.
    """

    desks: Callable[[Principal], Review]
    drawing: Drawing
    bins: Callable[[Principal], Bin]
    views: Callable[[Principal], View]
    withdraw_days: int
    database: Database
    idle_seconds: int
    mount: str = ""


def principal() -> Principal:
    """Return who asks."""
    return request_of(request.environ).principal
