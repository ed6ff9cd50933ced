"""Answering a question: SQL finds the series that can be meant, with the grant; what their files differ in is looked at after.

For each part of a question SQL is asked twice: may a file of this series be meant, must all be? What lies between is decided
by `catalog.pure.query.matches`, on the packed columns of that series alone. So a question costs what the series cost, not
the files. May live here: translating and refining. What a question means is in `catalog.pure.query`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import exams, fields, files, folders, series, series_columns, series_values, studies
from catalog.metadata.columns import Spread, unpack
from catalog.metadata.known import find
from catalog.pure.names import BEHIND_ALL_NAMES, folded
from catalog.pure.query import (
    And,
    Compare,
    Has,
    In,
    Kind,
    Like,
    Node,
    Not,
    Or,
    QueryField,
    Typed,
    Value,
    fields_of,
    matches,
    typed,
)
from catalog.pure.query.meaning import like_pattern
from catalog.visible import visible_series

_PAGE = 50
Condition = sa.ColumnElement[bool]
_USER = sa.bindparam("user", type_=sa.BigInteger)
_OF_SERIES: dict[str, sa.ColumnElement[Any]] = {
    "study": studies.c.code, "exam": exams.c.code, "series": series.c.name, "file_type": series.c.file_type,
    "SeriesNumber": series.c.number, "SeriesDescription": sa.func.nullif(series.c.description, ""),
}  # fmt: skip
_OF_FILES: dict[str, sa.ColumnElement[Any]] = {"size": files.c.size, "acquired": files.c.acquired, "added": files.c.added}


@dataclass(frozen=True, slots=True)
class Range:
    """The smallest and the largest of the numbers in which the files of a series differ."""

    low: Typed
    high: Typed


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that is an answer."""

    row: int
    name: str
    size: int
    sha256: bytes
    acquired: int | None


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """A series of which at least one file is an answer. `files` are how many are; `chosen` which, if that was asked for.

    `metadata` are the values that all files of the series share, typed (whole numbers are integers, several values a list),
    and the range of numbers that differ.
    """

    row: int
    study: str
    exam: str
    name: str
    file_type: str
    number: int
    description: str
    acquired: int | None
    added: int
    files: int
    metadata: Mapping[str, Typed | Range]
    chosen: Sequence[FoundFile]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A series that can be meant; `all`: every file of it is. In the order of the columns of `translate`."""

    row: int
    study: str
    exam: str
    name: str
    file_type: str
    number: int
    description: str
    acquired: int | None
    added: int
    all: bool


@dataclass(frozen=True, slots=True)
class _File:
    """A file of a candidate; `key` holds its folder too."""

    row: int
    key: str
    name: str
    size: int
    sha256: bytes
    acquired: int | None
    added: int


@dataclass(frozen=True, slots=True)
class _Field:
    row: int
    indexed: bool


def search(
    database: Database, user: int, question: Node, *, with_files: bool = False, after: str = ""
) -> Iterator[FoundSeries]:
    """Yield the series of the studies granted to a user with a file that answers, in the order of the tree.

    Args:
        database: the catalogue.
        user: whose grants count.
        question: what is asked.
        with_files: also say which files.
        after: only what follows this path: a series', or a file's with `with_files`.
    """
    study, exam, series_, file = (*after.split("/", 3), "", "", "", "")[:4]
    statement = translate(database, question)
    if after:
        key = sa.tuple_(studies.c.code_key, exams.c.code_key, series.c.name_key)
        place = sa.tuple_(*(sa.literal(folded(name)) for name in (study, exam, series_)))
        statement = statement.where(key >= place if file else key > place)
    found = [_Candidate(*row) for row in database.rows(statement, {"user": user})]
    for start in range(0, len(found), _PAGE):
        for each in _page(database, found[start : start + _PAGE], question, with_files=with_files):
            if not file or folded(f"{each.study}/{each.exam}/{each.name}") != folded(f"{study}/{exam}/{series_}"):
                yield each
            elif chosen := _behind(each.chosen, file):
                yield replace(each, chosen=chosen, files=len(chosen))


def _behind(chosen: Sequence[FoundFile], name: str) -> Sequence[FoundFile]:
    """Return the files that follow the one of that name; if it is gone, those whose names do."""
    for at, file in enumerate(chosen):
        if file.name == name:
            return chosen[at + 1 :]
    return [file for file in chosen if folded(file.name) > folded(name)]


def translate(database: Database, question: Node) -> sa.Select[Any]:
    """Return the statement that gives the series that can be meant, each as a `_Candidate`; it takes `user`."""
    names = {field.name for field in fields_of(question)} - set(_OF_SERIES) - set(_OF_FILES)
    rows = database.rows(sa.select(fields.c.id, fields.c.name, fields.c.indexed).where(fields.c.name.in_(names)))
    return _Translation({row.name: _Field(row.id, bool(row.indexed)) for row in rows}, database.is_sqlite).statement(question)


class _Translation:
    """From a question to SQL. `may`: a file of the series can be meant; `must`: all its files are."""

    def __init__(self, known: Mapping[str, _Field], is_sqlite: bool) -> None:
        self._known = known
        self._is_sqlite = is_sqlite

    def statement(self, question: Node) -> sa.Select[Any]:
        return (
            visible_series(
                _USER, series.c.id, studies.c.code, exams.c.code.label("exam"), series.c.name, series.c.file_type,
                series.c.number, series.c.description, series.c.acquired, series.c.added,
                sa.case((self.must(question), 1), else_=0).label("all"),
            )
            .join(exams, exams.c.id == series.c.exam_id)
            .join(studies, studies.c.id == series.c.study_id)
            .where(self.may(question))
            .order_by(studies.c.code_key, exams.c.code_key, series.c.name_key)
        )  # fmt: skip

    def may(self, node: Node) -> Condition:
        if isinstance(node, Not):
            return sa.not_(self.must(node.part))
        if isinstance(node, And | Or):
            return (sa.and_ if isinstance(node, And) else sa.or_)(*(self.may(part) for part in node.parts))
        return self._condition(node, every=False)

    def must(self, node: Node) -> Condition:
        if isinstance(node, Not):
            return sa.not_(self.may(node.part))
        if isinstance(node, And | Or):
            return (sa.and_ if isinstance(node, And) else sa.or_)(*(self.must(part) for part in node.parts))
        return self._condition(node, every=True)

    def _condition(self, node: Compare | In | Like | Has, *, every: bool) -> Condition:
        name = node.field.name
        if name in _OF_SERIES:
            return self._plain(_OF_SERIES[name], node)
        if name in _OF_FILES:
            fits = sa.func.coalesce(self._plain(_OF_FILES[name], node), sa.false())
            here = sa.exists().where(files.c.series_id == series.c.id)
            return sa.not_(here.where(sa.not_(fits))) if every else here.where(fits)
        field = self._known.get(name)
        if field is None:
            return sa.false()
        values = series_values.alias()
        # Written into the statement, not bound: an index of one field is used only if the statement names it.
        of_field = values.c.field_id == sa.literal_column(str(field.row))
        condition = (self._every if every else self._some)(values, node)
        if field.indexed:
            return series.c.id.in_(sa.select(values.c.series_id).where(of_field, condition))
        return sa.exists().where(values.c.series_id == series.c.id, of_field, condition)

    def _some(self, values: sa.FromClause, node: Compare | In | Like | Has) -> Condition:
        """Some file may be meant."""
        if isinstance(node, Has):
            return sa.true()
        if isinstance(node, In):
            return sa.or_(*(self._some(values, Compare(node.field, "=", value)) for value in node.values))
        if isinstance(node, Like) or isinstance(node.value, str):
            one = sa.and_(values.c.text.is_not(None), self._plain(values.c.text, node))
            if node.field.multiple:
                one = sa.or_(one, sa.and_(values.c.text.is_not(None), _is_list(values.c.text)))
            return sa.or_(values.c.spread == Spread.MIXED, one)
        low, high, value = values.c.low, values.c.high, node.value
        numbers = {
            "=": sa.and_(low <= value, high >= value), "!=": sa.or_(low != value, high != value), "<": low < value,
            "<=": low <= value, ">": high > value, ">=": high >= value,
        }[node.operator]  # fmt: skip
        lists = sa.and_(values.c.text.is_not(None), _is_list(values.c.text))
        return sa.or_(numbers, values.c.spread == Spread.MIXED, lists) if node.field.multiple else numbers

    def _every(self, values: sa.FromClause, node: Compare | In | Like | Has) -> Condition:
        """Every file is meant."""
        known = values.c.spread.in_((Spread.SAME, Spread.NUMBERS))
        if isinstance(node, Has):
            return known
        if isinstance(node, In):
            return sa.or_(*(self._every(values, Compare(node.field, "=", value)) for value in node.values))
        if isinstance(node, Like) or isinstance(node.value, str):
            single = sa.not_(_is_list(values.c.text)) if node.field.multiple else sa.true()
            text = values.c.text
            return sa.and_(values.c.spread == Spread.SAME, text.is_not(None), single, self._plain(text, node))
        low, high, value = values.c.low, values.c.high, node.value
        return sa.and_(known, {
            "=": sa.and_(low == value, high == value), "!=": sa.or_(low > value, high < value), "<": high < value,
            "<=": high <= value, ">": low > value, ">=": low >= value,
        }[node.operator])  # fmt: skip

    def _plain(self, column: sa.ColumnElement[Any], node: Compare | In | Like | Has) -> Condition:
        """Compare a column of one value; null where it has none."""
        if isinstance(node, Has):
            return column.is_not(None)
        if isinstance(node, In):
            return sa.or_(*(self._plain(column, Compare(node.field, "=", value)) for value in node.values))
        if isinstance(column.type, sa.Integer) and (isinstance(node, Like) or isinstance(node.value, str)):
            return sa.false()
        if isinstance(node, Like):
            return sa.func.lower(self._by_code_point(column)).like(like_pattern(node), escape="\\")
        if isinstance(node.value, str):
            column = self._by_code_point(column)
        return column.op({"!=": "<>"}.get(node.operator, node.operator), is_comparison=True)(sa.literal(node.value))

    def _by_code_point(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return column if self._is_sqlite else sa.collate(column, "C")


def _is_list(text: sa.ColumnElement[Any]) -> Condition:
    """Whether several values stand in it; which of them fit is seen when its files are looked at."""
    return text.like("%\\%", escape="!")


def _page(database: Database, candidates: Sequence[_Candidate], question: Node, *, with_files: bool) -> Iterator[FoundSeries]:
    chosen = [one.row for one in candidates]
    split = [one.row for one in candidates if not one.all]
    asked = {field.name for field in fields_of(question)}
    metadata, columns = shared_values(database, chosen), _columns(database, split, asked)
    counts = _counts(database, chosen) if not with_files else {}
    listed = _files(database, chosen if with_files else split)
    for one in candidates:
        found, shared = listed.get(one.row, []), metadata.get(one.row, {})
        if not one.all:
            values = {name: value for name, value in _values_of_series(one, shared).items() if name in asked}
            differing = columns.get(one.row, {})
            found = [file for file in found if matches(question, values | differing.get(file.row, {}) | _own(file))]
        if count := len(found) if with_files or not one.all else counts.get(one.row, 0):
            yield FoundSeries(
                one.row, one.study, one.exam, one.name, one.file_type, one.number, one.description, one.acquired, one.added,
                count, typed_values(shared), [_found(database, file) for file in found] if with_files else [],
            )  # fmt: skip


def typed_values(metadata: Mapping[str, Value | list[float]]) -> dict[str, Typed | Range]:
    """Return what files have in common as programs want it."""
    found: dict[str, Typed | Range] = {}
    for name, value in metadata.items():
        field = find(name) or QueryField(name, Kind.ANY)
        found[name] = Range(*(typed(field, end) for end in value)) if isinstance(value, list) else typed(field, value)
    return found


def _values_of_series(one: _Candidate, metadata: Mapping[str, Value | list[float]]) -> dict[str, Value]:
    own: dict[str, Value] = {
        "study": one.study, "exam": one.exam, "series": one.name, "file_type": one.file_type, "SeriesNumber": float(one.number),
        "SeriesDescription": one.description or None,
    }  # fmt: skip
    return own | {name: value for name, value in metadata.items() if not isinstance(value, list)}


def shared_values(database: Database, chosen: Sequence[int]) -> dict[int, dict[str, Value | list[float]]]:
    """Return by series what its files have in common: a value, or the ends of a range."""
    columns = series_values.c
    rows = database.rows(
        sa.select(columns.series_id, fields.c.name, columns.spread, columns.low, columns.high, columns.text)
        .select_from(series_values.join(fields, fields.c.id == columns.field_id))
        .where(columns.series_id.in_(chosen))
        .order_by(columns.series_id, fields.c.name)
    )
    found: dict[int, dict[str, Value | list[float]]] = {}
    for row in rows:
        value: Value | list[float] = row.text if row.text is not None else row.low
        if row.spread != Spread.SAME:
            value = [row.low, row.high] if row.low is not None else None
        if value is not None:
            found.setdefault(row.series_id, {})[row.name] = value
    return found


def _columns(database: Database, chosen: Sequence[int], asked: Collection[str]) -> dict[int, dict[int, dict[str, Value]]]:
    """Return by series and file what differs between its files, of the fields that are asked for."""
    rows = database.rows(
        sa.select(series_columns.c.series_id, series_columns.c.packed).where(series_columns.c.series_id.in_(chosen))
    )
    unpacked = {row.series_id: unpack(row.packed) for row in rows}
    named = database.rows(sa.select(fields.c.id, fields.c.name).where(fields.c.name.in_(asked)))
    names = {row.id: row.name for row in named}
    found: dict[int, dict[int, dict[str, Value]]] = {}
    for row, columns in unpacked.items():
        wanted = [(names[field], column) for field, column in columns.fields.items() if field in names]
        found[row] = {file: {name: column[at] for name, column in wanted} for at, file in enumerate(columns.rows)}
    return found


def _counts(database: Database, chosen: Sequence[int]) -> dict[int, int]:
    counted = sa.select(files.c.series_id, sa.func.count()).where(files.c.series_id.in_(chosen)).group_by(files.c.series_id)
    return {row[0]: row[1] for row in database.rows(counted)}


def _files(database: Database, chosen: Sequence[int]) -> dict[int, list[_File]]:
    columns = files.c
    rows = database.rows(
        sa.select(
            columns.series_id, columns.id, columns.name_key, sa.func.coalesce(columns.name, columns.name_key),
            columns.size, columns.sha256, columns.acquired, columns.added,
        )
        .where(columns.series_id.in_(chosen))
        .order_by(columns.series_id, columns.name_key)
    )  # fmt: skip
    found: dict[int, list[_File]] = {}
    for number, *about in rows:
        found.setdefault(number, []).append(_File(*about))
    return found


def _own(file: _File) -> dict[str, Value]:
    acquired = None if file.acquired is None else float(file.acquired)
    return {"size": float(file.size), "acquired": acquired, "added": float(file.added)}


def _found(database: Database, file: _File) -> FoundFile:
    return FoundFile(file.row, _folder(database, file.key) + file.name, file.size, file.sha256, file.acquired)


def _folder(database: Database, key: str) -> str:
    """Return the folders within its series in which a file lies, as `stats/volumes/`."""
    path = ""
    while key.startswith(BEHIND_ALL_NAMES):
        row = database.row(sa.select(folders.c.name, folders.c.name_key).where(folders.c.id == int(key[1:].partition("/")[0])))
        if row is None:
            break
        path, key = f"{row.name}/{path}", row.name_key
    return path
