"""The query language as a page: a table with chosen columns, the same as CSV, and the paths alone."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from catalog.metadata import known
from catalog.metadata.coverage import Coverage, coverage
from catalog.pure.errors import Invalid
from catalog.pure.query import fields_of, parse
from catalog.view import View
from gateway.http.desk.services import DeskServices, principal
from gateway.records import archive as records
from gateway.records.archive import SeriesRecord
from gateway.records.tables import csv_line

if TYPE_CHECKING:
    from catalog.metadata.searching import FoundSeries

_MOST = 1000
_COLUMNS = ("study", "exam", "series", "file_type", "number", "description", "files", "acquired")
_FIRST = ("study", "exam", "series", "file_type", "files", "acquired")
_EXAMPLES = (
    'file_type = "DCM_MR" and EchoTime > 80 ms',
    'SeriesDescription like "%t1%" and MagneticFieldStrength >= 3',
    'acquired >= "2026-01-01" and has SliceThickness',
)


def make(services: DeskServices) -> Blueprint:
    """Return the pages that search."""
    blueprint = Blueprint("searching", __name__)

    @blueprint.get("/search")
    def search() -> ResponseReturnValue:
        return _page(services, services.views(principal()))

    @blueprint.get("/search.csv")
    def as_csv() -> ResponseReturnValue:
        found = services.views(principal()).search(_question())
        return _saved(_csv(map(records.series, found), _chosen()), "text/csv; charset=utf-8", "found.csv")

    @blueprint.get("/search.txt")
    def as_paths() -> ResponseReturnValue:
        found = services.views(principal()).search(_question(), with_files="files" in request.args)
        lines = (each["path"] + "\n" for each in records.files(found)) if "files" in request.args else _paths(found)
        return _saved(lines, "text/plain; charset=utf-8", "paths.txt")

    return blueprint


def _question() -> str:
    question = request.args.get("q", "").strip()
    if not question:
        raise Invalid("ask something: a question is missing")
    return question


def _page(services: DeskServices, view: View) -> ResponseReturnValue:
    question = request.args.get("q", "").strip()
    fields = coverage(services.database, principal().user_id)
    rows: list[SeriesRecord] = []
    problem, notes, columns, more = "", [], _chosen(), False
    if question:
        try:
            notes = view.not_known(question)
            rows = list(map(records.series, itertools.islice(view.search(question), _MOST + 1)))
        except Invalid as error:
            problem = str(error)
        else:
            more = len(rows) > _MOST
            columns = columns or (*_FIRST, *(name for name in _asked(question) if name not in _COLUMNS))
    sort, is_down = request.args.get("sort", ""), "down" in request.args
    if sort:
        rows.sort(key=lambda one: _order(cell(one, sort)), reverse=is_down)
    page = render_template(
        "search.html", question=question, problem=problem, notes=notes, rows=rows[:_MOST], more=more, most=_MOST, cell=cell,
        columns=columns or _FIRST, fields=fields, choices=_choices(fields), examples=_EXAMPLES, sort=sort, is_down=is_down,
    )  # fmt: skip
    return page, 400 if problem else 200


def _asked(question: str) -> list[str]:
    return list(dict.fromkeys(field.name for field in fields_of(parse(question, known.known()))))


def _chosen() -> tuple[str, ...]:
    """Return the columns that were chosen, in that order; what is no field's name cannot be one."""
    return tuple(dict.fromkeys(name for name in request.args.getlist("column") if name in _COLUMNS or known.find(name)))


def _choices(fields: Sequence[Coverage]) -> list[str]:
    return [*_COLUMNS, *(each.field.name for each in fields if each.series and each.field.name not in _COLUMNS)]


def cell(record: SeriesRecord, column: str) -> object:
    """Return what stands in a column: one of the series' own, or of its metadata."""
    value: object = record.get(column) if column in _COLUMNS else record["metadata"].get(column)
    if isinstance(value, dict):
        return f"{value['min']:g} to {value['max']:g}"
    if isinstance(value, list):
        return "\\".join(map(str, value))
    if column == "acquired" and isinstance(value, str):
        return value.partition("T")[0]
    return f"{value:g}" if isinstance(value, float) else value


def _order(value: object) -> tuple[int, float, str]:
    """Return what sorts numbers before texts, and what is missing last."""
    if value is None or value == "":
        return 2, 0, ""
    try:
        return 0, float(str(value).partition(" to ")[0]), ""
    except ValueError:
        return 1, 0, str(value).casefold()


def _csv(found: Iterable[SeriesRecord], chosen: Sequence[str]) -> Iterator[str]:
    columns = ("path", *(chosen or _COLUMNS))
    yield csv_line(columns)
    for record in found:
        cells = (record["path"], *(cell(record, column) for column in columns[1:]))
        yield csv_line("" if each is None else str(each) for each in cells)


def _paths(found: "Iterable[FoundSeries]") -> Iterator[str]:
    for one in found:
        yield f"{one.study}/{one.exam}/{one.name}\n"


def _saved(lines: Iterator[str], content_type: str, name: str) -> Response:
    # The first line is made here, so that what fails at once fails with a page.
    first = next(lines, "")
    answer = Response(itertools.chain([first], lines), content_type=content_type)
    answer.headers["Content-Disposition"] = f"attachment; filename={name}"
    return answer
