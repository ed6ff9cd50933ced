"""Looking through the images of a series: a page for one image after the other, and the pictures themselves.

A picture is drawn from the staged file when it is asked for, and kept nowhere. What cannot be drawn is a picture that says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from catalog.gate.review.decisions import Review
from catalog.gate.review.evidence import UNDRAWABLE
from catalog.gate.review.queries import BatchInfo
from catalog.pure.errors import NotFound, Unavailable, Unreadable
from gateway.drawing.processes import is_text
from gateway.http.desk import looking
from gateway.http.desk.numbers import LARGEST, NUMBER
from gateway.http.desk.services import DeskServices, principal

if TYPE_CHECKING:
    from catalog.filetypes.model import Preview

_SHEET = 60
_MOST_LISTED = 5000


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a reviewer is in a series: the file at `at` (from 1) of `files`, and which frame of it (from 0)."""

    label: str
    file_type: str
    files: Sequence[int]
    at: int

    @property
    def file(self) -> int:
        """The number of the file."""
        return self.files[self.at - 1]


def make(services: DeskServices) -> Blueprint:
    """Return the viewer."""
    blueprint = Blueprint("viewing", __name__)

    @blueprint.get(f"/batches/{NUMBER}/series/<label>")
    def series(number: int, label: str) -> ResponseReturnValue:
        at = request.args.get("at", 1, type=int)
        return redirect(
            url_for("viewing.image", number=number, label=label, at=max(1, min(at, LARGEST)), **looking.kept()), 303
        )

    @blueprint.get(f"/batches/{NUMBER}/series/<label>/<int(max={LARGEST}):at>")
    def image(number: int, label: str, at: int) -> ResponseReturnValue:
        desk = services.desks(principal())
        info = desk.info(number)
        return _page(services, desk, info, _place(desk, info, label, at))

    @blueprint.get(f"/batches/{NUMBER}/files/<int(max={LARGEST}):file>")
    def find(number: int, file: int) -> ResponseReturnValue:
        for label, files in services.desks(principal()).series_files(number).items():
            if file in files:
                return redirect(url_for("viewing.image", number=number, label=label, at=files.index(file) + 1), 303)
        raise NotFound("that file is in no series that can be shown")

    @blueprint.get(f"/batches/{NUMBER}/files/<int(max={LARGEST}):file>/picture")
    def picture(number: int, file: int) -> ResponseReturnValue:
        desk = services.desks(principal())
        file_type = _file_type(desk.info(number), request.args.get("series"))
        return _picture(services, desk, desk.staged(number, file), file, file_type)

    @blueprint.get(f"/batches/{NUMBER}/series/<label>/sheet")
    def sheet(number: int, label: str) -> ResponseReturnValue:
        desk = services.desks(principal())
        return _contact_sheet(services, desk, desk.info(number), label)

    return blueprint


def _place(desk: Review, info: BatchInfo, label: str, at: int) -> Shown:
    files = desk.series_files(info.id).get(label, ())
    if not 1 <= at <= len(files):
        raise NotFound("there is no such image in this batch; if it is decided, its files are not at the gate any more")
    return Shown(label, _file_type(info, label), files, at)


def _file_type(info: BatchInfo, label: str | None) -> str:
    return next((one.get("file_type", "") for one in info.summary if one.get("label") == label), "")


def _picture(services: DeskServices, desk: Review, path: Path, file: int, file_type: str) -> Response:
    look = looking.look()
    counts = request.method == "GET" and look.side in looking.READABLE
    try:
        preview = services.drawing.draw(path, file_type, look, login=principal().login)
    except Unreadable as error:
        if counts:
            desk.note_drawn(file, UNDRAWABLE, 1)
        return looking.placeholder(str(error), 422)
    if counts and not is_text(preview):
        desk.note_drawn(file, preview.frame, preview.frames)
    return looking.picture(preview)


def _page(services: DeskServices, desk: Review, info: BatchInfo, shown: Shown) -> ResponseReturnValue:
    look, problem, text = looking.look(), "", ""
    preview: Preview | None = None
    try:
        preview = services.drawing.draw(
            desk.staged(info.id, shown.file), shown.file_type, replace(look, side=looking.SMALL), login=principal().login
        )
    except (Unreadable, Unavailable) as error:
        problem = str(error)
    if preview is not None and is_text(preview):
        text, preview = preview.data.decode("utf-8", "replace"), None
        desk.note_drawn(shown.file, 0, 1)
    frames, frame = (preview.frames, preview.frame) if preview is not None else (1, 0)
    named = {one["label"]: one for one in desk.about(info.id).get("series", ()) if "label" in one}
    return render_template(
        "viewer.html", batch=info, shown=shown, preview=preview, problem=problem, text=text, frames=frames, frame=frame,
        kept=looking.kept(),
        address=_address(info, shown, frame if frames > 1 else None), steps=_steps(info, shown, frame, frames),
        description=named.get(shown.label, {}).get("description", ""), script=_script(info, shown, frames),
        labels=[one["label"] for one in info.summary if "label" in one], original=request.args.get("size") == "original",
    )  # fmt: skip


def _contact_sheet(services: DeskServices, desk: Review, info: BatchInfo, label: str) -> ResponseReturnValue:
    """Show the images of a series beside each other; of a file of several frames, its frames."""
    at, page = request.args.get("at", 1, type=int), max(0, request.args.get("page", 0, type=int))
    shown = _place(desk, info, label, at)
    try:
        small_look = replace(looking.look(), side=looking.SMALL)
        small = services.drawing.draw(desk.staged(info.id, shown.file), shown.file_type, small_look, login=principal().login)
        frames = small.frames
    except (Unreadable, Unavailable):
        frames = 1
    count = frames if frames > 1 else len(shown.files)
    numbers = range(page * _SHEET, min(count, (page + 1) * _SHEET))
    tiles = [
        {"name": f"Frame {number + 1}", "page": _page_of(info, shown, shown.at, number), "picture": _tile(info, shown, number)}
        if frames > 1
        else {"name": f"Image {number + 1}", "page": _page_of(info, shown, number + 1),
              "picture": _tile(info, replace(shown, at=number + 1), None)}
        for number in numbers
    ]  # fmt: skip
    return render_template(
        "sheet.html", batch=info, shown=shown, tiles=tiles, frames=frames, page=page, pages=-(-count // _SHEET), count=count,
        labels=[one["label"] for one in info.summary if "label" in one],
    )  # fmt: skip


def _tile(info: BatchInfo, shown: Shown, frame: int | None) -> str:
    return f"{_address(info, shown, frame)}&side={looking.TILE}"


def _steps(info: BatchInfo, shown: Shown, frame: int, frames: int) -> dict[str, str]:
    """Return the pages before and behind this one, through the frames of a file and on to the next file."""
    steps = {}
    if frames > 1 and frame > 0:
        steps["previous"] = _page_of(info, shown, shown.at, frame - 1)
    elif shown.at > 1:
        steps["previous"] = _page_of(info, shown, shown.at - 1)
    if frames > 1 and frame < frames - 1:
        steps["next"] = _page_of(info, shown, shown.at, frame + 1)
    elif shown.at < len(shown.files):
        steps["next"] = _page_of(info, shown, shown.at + 1)
    return steps


def _page_of(info: BatchInfo, shown: Shown, at: int, frame: int | None = None) -> str:
    more = looking.kept() | ({"frame": str(frame)} if frame is not None else {})
    return url_for("viewing.image", number=info.id, label=shown.label, at=at, **more)


def _address(info: BatchInfo, shown: Shown, frame: int | None) -> str:
    more = looking.window_asked() | ({"frame": frame} if frame is not None else {})
    return url_for("viewing.picture", number=info.id, file=shown.file, series=shown.label, **more)


def _script(info: BatchInfo, shown: Shown, frames: int) -> dict[str, str]:
    """Return what a script needs to turn pages without loading them: places of pictures and of pages, with a gap for a number.

    The pages are frames if the file has several, else the files.
    """
    if frames > 1:
        picture, page = _address(info, shown, None), _page_of(info, shown, shown.at)
        return {"kind": "frames", "picture": looking.with_gap(picture, "frame"), "page": looking.with_gap(page, "frame")}
    if len(shown.files) > _MOST_LISTED:
        return {}
    picture = _address(info, replace(shown, files=(LARGEST,), at=1), None).replace(str(LARGEST), "{}")
    page = _page_of(info, shown, LARGEST).replace(str(LARGEST), "{}")
    return {"kind": "files", "picture": picture, "page": page, "files": " ".join(map(str, shown.files))}
