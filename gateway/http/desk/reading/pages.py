"""What is archived, as pages: studies, exams, series. Nothing is changed or decided here: a `View` shows what is granted."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from catalog import administration
from catalog.metadata import known
from catalog.pure.errors import NotADirectory, NotFound, Unavailable, Unreadable
from catalog.pure.nodes import STUDIES, Kind, Node, NodeId
from catalog.view import View
from gateway.drawing.processes import is_text
from gateway.http import zipping
from gateway.http.desk import looking
from gateway.http.desk.numbers import LARGEST
from gateway.http.desk.reading import lineage, paths, pictures
from gateway.http.desk.services import DeskServices, principal
from gateway.http.requests import client_of

if TYPE_CHECKING:
    from catalog.filetypes.model import Preview
    from catalog.metadata.searching import FoundSeries

_NUMBER = f"<int(max={LARGEST}):number>"
_RESULT = "RESULT"
_EXAMS_A_PAGE = 500
_MOST_SHOWN, _MOST_LISTED = 20_000, 5000


@dataclass(frozen=True, slots=True)
class Row:
    """A series as an exam's page lists it: with its row in the catalogue, and where it comes from, if it is a result."""

    found: "FoundSeries"
    made_of: str = ""
    sources: Sequence[str] = ()
    program: str = ""
    brought_by: str = ""

    @property
    def is_result(self) -> bool:
        """Whether it was made of another series."""
        return self.found.file_type == _RESULT


def make(services: DeskServices) -> Blueprint:
    """Return the pages of readers."""
    blueprint = Blueprint("reading", __name__)

    @blueprint.get("/studies")
    def studies() -> ResponseReturnValue:
        view = services.views(principal())
        known_as = {each.code: each for each in administration.list_studies(services.database, principal().user_id)}
        return render_template("studies.html", studies=view.statistics(), known=known_as)

    @blueprint.get("/studies/<study>")
    def study(study: str) -> ResponseReturnValue:
        return _study(services, services.views(principal()), study)

    @blueprint.get("/studies/<study>/<exam>")
    def exam(study: str, exam: str) -> ResponseReturnValue:
        return _exam(services, services.views(principal()), study, exam)

    @blueprint.get("/studies/<study>/<exam>/<series>")
    def series(study: str, exam: str, series: str) -> ResponseReturnValue:
        return _series(services, services.views(principal()), study, exam, series)

    @blueprint.get(f"/archived/{_NUMBER}/picture")
    def picture(number: int) -> ResponseReturnValue:
        return _picture(services, services.views(principal()), NodeId(Kind.FILE, number, STUDIES))

    @blueprint.get(f"/archived/series/{_NUMBER}/picture")
    def thumbnail(number: int) -> ResponseReturnValue:
        view = services.views(principal())
        try:
            return _picture(services, view, view.middle_file(NodeId(Kind.SERIES, number, STUDIES)))
        except NotFound:
            view.attributes(NodeId(Kind.SERIES, number, STUDIES))
            return looking.placeholder("it has no files of its own", 200)

    return blueprint


def _find(view: View, kind: Kind, *names: str) -> Node:
    try:
        node = view.resolve("/".join(names))
    except NotADirectory:
        raise NotFound("there is no such file or folder") from None
    if node.id.kind is not kind:
        raise NotFound("there is no such file or folder")
    return node


def _study(services: DeskServices, view: View, code: str) -> ResponseReturnValue:
    node = _find(view, Kind.STUDY, code)
    exams = view.exams(node.id)
    wanted = request.args.get("find", "").strip()
    if wanted:
        exams = [one for one in exams if wanted.casefold() in one.code.casefold()]
    page = max(0, request.args.get("page", 0, type=int))
    about = administration.show_study(services.database, node.name, principal().user_id).study
    return render_template(
        "study.html", study=about, exams=exams[page * _EXAMS_A_PAGE : (page + 1) * _EXAMS_A_PAGE], count=len(exams), page=page,
        pages=-(-len(exams) // _EXAMS_A_PAGE), find=wanted, figures=view.statistics(node.name)[0],
        places=_places(services, node.name),
    )  # fmt: skip


def _exam(services: DeskServices, view: View, study: str, exam: str) -> ResponseReturnValue:
    node = _find(view, Kind.EXAM, study, exam)
    rows = list(_rows(view, study, node.name))
    return render_template(
        "exam.html", study=study, exam=node.name, rows=_beside_their_sources(rows), places=_places(services, f"{study}/{exam}"),
        graph=_graph(rows),
    )  # fmt: skip


def _rows(view: View, study: str, exam: str) -> Iterator[Row]:
    for found in view.search(f'study = "{study}" and exam = "{exam}"'):  # codes hold no quotes
        if found.file_type != _RESULT:
            yield Row(found)
            continue
        origin = view.origin(NodeId(Kind.SERIES, found.row, STUDIES))
        if origin is None:
            yield Row(found)
        else:
            yield Row(found, origin.made_of, origin.sources, origin.program, origin.brought_by)


def _beside_their_sources(rows: Sequence[Row]) -> list[Row]:
    """Return series, each followed by the results that were made of it, and at the end those of none that is here."""
    names = {row.found.name for row in rows if not row.is_result}
    found = []
    for row in rows:
        if not row.is_result:
            found += [row, *(one for one in rows if one.is_result and one.made_of == row.found.name)]
    return found + [row for row in rows if row.is_result and row.made_of not in names]


def _graph(rows: Sequence[Row], of: str = "") -> lineage.Graph | None:
    """Return where the results come from; with a name, only what that series is part of. None: there is nothing to draw."""
    made = {row.found.name: list(dict.fromkeys(filter(None, [row.made_of, *row.sources]))) for row in rows if row.is_result}
    made = {name: sources for name, sources in made.items() if sources and (not of or of == name or of in sources)}
    programs = {row.found.name: row.program for row in rows}
    return lineage.graph(made, programs) if made else None


def _series(services: DeskServices, view: View, study: str, exam: str, name: str) -> ResponseReturnValue:
    node = _find(view, Kind.SERIES, study, exam, name)
    rows = list(_rows(view, study, exam))
    row = next(one for one in rows if one.found.name == node.name)
    files = list(itertools.islice(zipping.members(view, node, ""), _MOST_SHOWN))
    at = min(max(1, request.args.get("at", 1, type=int)), max(1, len(files)))
    shown, problem = (_look(services, view, files[at - 1].node, row.found.file_type)) if files else (None, "it has no files")
    text = shown.data.decode("utf-8", "replace") if shown is not None and is_text(shown) else ""
    frames, frame = (shown.frames, shown.frame) if shown is not None else (1, 0)
    path = f"{study}/{exam}/{node.name}"
    folder = _places(services, path)
    return render_template(
        "series.html", study=study, exam=exam, row=row, path=path, files=files, at=at, frames=frames, frame=frame, text=text,
        preview=None if text else shown, problem=problem, graph=_graph(rows, node.name), places=folder,
        snippets=paths.snippets(folder[0].path, row.found.file_type), metadata=_told(row.found.metadata),
        script=_script(files, at, frames), address=_address(files[at - 1].node, frame if frames > 1 else None) if files else "",
        original=request.args.get("size") == "original", kept=looking.kept(), most=_MOST_SHOWN,
        own_metadata=_told(view.metadata(files[at - 1].node.id)) if files else [],
    )  # fmt: skip


def _told(metadata: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return name, value and meaning of what is known of a series or a file."""
    found = []
    for name, value in metadata.items():
        field = known.find(name)
        shown = f"{_plain(value.low)} to {_plain(value.high)}" if hasattr(value, "low") else _plain(value)
        found.append((name, f"{shown} {field.unit}".rstrip() if field else shown, field.meaning if field else ""))
    return found


def _plain(value: object) -> str:
    if isinstance(value, list):
        return "\\".join(map(_plain, value))
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _look(services: DeskServices, view: View, file: Node, file_type: str) -> tuple["Preview | None", str]:
    look = replace(looking.look(), side=looking.SMALL)
    try:
        return pictures.drawn(services.drawing, view, file.id, file_type, look, _reader()), ""
    except (Unreadable, Unavailable) as error:
        return None, str(error)


def _picture(services: DeskServices, view: View, file: NodeId) -> Response:
    try:
        preview = pictures.drawn(services.drawing, view, file, request.args.get("type", ""), looking.look(), _reader())
    except Unreadable as error:
        return looking.placeholder(str(error), 422)
    return looking.picture(preview)


def _reader() -> tuple[str, str]:
    return principal().login, client_of(request.headers.get("User-Agent", ""))


def _address(file: Node, frame: int | None) -> str:
    more = looking.window_asked() | ({"frame": frame} if frame is not None else {})
    return url_for("reading.picture", number=file.id.row, **more)


def _script(files: Sequence[zipping.Member], at: int, frames: int) -> dict[str, str]:
    """Return what a script needs to turn pages without loading them, as the viewer of staged files does."""
    here = request.path
    if frames > 1:
        return {
            "kind": "frames", "picture": looking.with_gap(_address(files[at - 1].node, None), "frame"),
            "page": looking.with_gap(f"{here}?at={at}", "frame"),
        }  # fmt: skip
    if not files or len(files) > _MOST_LISTED:
        return {}
    picture = url_for("reading.picture", number=LARGEST, **looking.window_asked()).replace(str(LARGEST), "{}")
    numbers = " ".join(str(member.node.id.row) for member in files)
    return {"kind": "files", "picture": picture, "page": f"{here}?at={{}}", "files": numbers}


def _places(services: DeskServices, path: str) -> list[paths.Place]:
    return paths.places(path, login=principal().login, host=request.host, mount=services.mount)
