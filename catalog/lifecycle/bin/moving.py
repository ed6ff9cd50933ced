"""Rows between the archive and the bin, in the caller's transaction. They move with their numbers; bytes stay in the store.

An entry of the bin has copies of all that stands above its files, so that each can be restored whatever became of the others.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from catalog import clock
from catalog.database import Row
from catalog.database.tables import (
    TWINS,
    bin_entries,
    bin_files,
    exams,
    files,
    folders,
    results,
    series,
    series_columns,
    series_values,
)
from catalog.database.tables.bin import twin_column
from catalog.derived import date_exam, link_results, touch
from catalog.imports import imports_of
from catalog.pure.bin import Kind, State
from catalog.pure.corrections import Place
from catalog.pure.errors import Conflict, NotFound
from catalog.pure.names import folded, nested_folder, nested_key, unique_file_name, unique_name
from catalog.pure.nodes import Kind as NodeKind
from catalog.pure.nodes import NodeId
from catalog.pure.results import FILE_TYPE
from catalog.pure.standing import Binned, Restored, Step

BESIDE_SERIES = (results, folders, series_values, series_columns)
_IDENTITY_BYTES = 16
_bin_series, _bin_exams = TWINS[series], TWINS[exams]


@dataclass(slots=True)
class Done:
    """What a move did: what is written to the store, and which names are gone from which folders."""

    steps: list[Step] = field(default_factory=list)
    gone: list[tuple[NodeId, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What goes: the files of some series, or those of them that fit; `whole` are series that go with all that they have."""

    series: Sequence[int]
    whole: Sequence[int]
    condition: sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class BinEntry:
    """An entry of the bin and what is asked for of it, as `catalog.database.tables.bin_entries` says; `code` is its study's."""

    id: int
    study_id: int
    code: str
    kind: Kind
    exam_id: int
    target: int
    exam: str
    path: str
    state: State
    reason: str
    put_by: str
    put: int
    expires: int | None
    put_follows: int
    follows: int
    asked: int
    asked_by: str


def entry_name(entry: BinEntry) -> str:
    """Return how the store calls an entry of the bin. The time keeps it apart from one of another catalogue."""
    return f"{entry.id:08d}-{entry.put:010d}"


def put(connection: sa.Connection, entry: BinEntry) -> Done:
    """Take what an entry asks for out of the archive.

    Raises:
        NotFound: it is not there any more.
        Conflict: the exam is another one now.
    """
    exam = connection.execute(sa.select(exams).where(exams.c.id == entry.exam_id)).first()
    if exam is None:
        raise NotFound("it is not there any more")
    chosen = _with_results(connection, exam.id, _chosen(connection, entry))
    done = Done()
    rows = connection.execute(sa.select(series).where(series.c.id.in_(chosen.series)).order_by(series.c.id)).all()
    for row in rows:
        _note_put(connection, entry, exam, row, chosen, done)
    if take(connection, entry.id, exam.id, chosen):
        done.gone.append((NodeId(NodeKind.STUDY, exam.study_id), exam.code))
    touch(connection, (folder for folder, _ in done.gone), clock.now())
    return done


def take(connection: sa.Connection, number: int, exam: int, chosen: Chosen) -> bool:
    """Move rows of an exam into an entry of the bin, with copies of all above them; return whether the exam went along."""
    _copy(connection, number, exams, exams.c.id == exam)
    _copy(connection, number, series, series.c.id.in_(chosen.series))
    for table in BESIDE_SERIES:
        _copy(connection, number, table, table.c.series_id.in_(chosen.series))
    _copy(connection, number, files, chosen.condition)
    connection.execute(files.delete().where(chosen.condition))
    _delete_series(connection, chosen.whole)
    is_empty = connection.execute(sa.select(series.c.id).where(series.c.exam_id == exam).limit(1)).first() is None
    if is_empty:
        connection.execute(exams.delete().where(exams.c.id == exam))
    else:
        date_exam(connection, exam)
    _count(connection, number)
    return is_empty


def _chosen(connection: sa.Connection, entry: BinEntry) -> Chosen:
    """Return what an entry asks for, without what goes along."""
    in_exam = connection.execute(sa.select(series.c.id).where(series.c.exam_id == entry.exam_id)).scalars().all()
    if entry.kind == Kind.EXAM:
        return Chosen(in_exam, in_exam, files.c.series_id.in_(in_exam))
    if entry.kind == Kind.SERIES:
        if entry.target not in in_exam:
            raise Conflict("the series is in another exam now")
        return Chosen([entry.target], [entry.target], files.c.series_id == entry.target)
    wanted = files.c.id == entry.target if entry.kind == Kind.FILE else files.c.batch_id == entry.target
    condition = sa.and_(wanted, files.c.series_id.in_(in_exam))
    touched = connection.execute(sa.select(files.c.series_id).where(condition).distinct()).scalars().all()
    if not touched:
        raise NotFound("it is not there any more")
    stays = sa.select(files.c.series_id).where(files.c.series_id.in_(touched), sa.not_(condition)).distinct()
    left = set(connection.execute(stays).scalars())
    return Chosen(touched, [number for number in touched if number not in left], condition)


def _with_results(connection: sa.Connection, exam: int, chosen: Chosen) -> Chosen:
    """Add what was made of series that go: results stand beside their series."""
    found = connection.execute(
        sa.select(series.c.id)
        .join(results, results.c.series_id == series.c.id)
        .where(results.c.source_id.in_(chosen.whole), series.c.exam_id == exam, series.c.id.not_in(chosen.whole))
    ).scalars()
    along = list(found)
    if not along:
        return chosen
    return Chosen(
        sorted({*chosen.series, *along}),
        [*chosen.whole, *along],
        sa.or_(chosen.condition, files.c.series_id.in_(along)),
    )


def _note_put(connection: sa.Connection, entry: BinEntry, exam: Row, row: Row, chosen: Chosen, done: Done) -> None:
    """Note for a series what is written to the store and announced to the faces."""
    here = sa.and_(files.c.series_id == row.id, chosen.condition)
    brought = imports_of(connection, here)
    place = Place(exam.code, row.name)
    if row.id in chosen.whole:
        done.gone.append((NodeId(NodeKind.EXAM, exam.id), row.name))
        done.steps.append(Binned(entry_name(entry), frozenset(brought), place))
        return
    ways = _ways(connection, row.id)
    names = set()
    for file in connection.execute(sa.select(files.c.name_key, _shown(files).label("name")).where(here)):
        inside = nested_folder(file.name_key)
        done.gone.append((NodeId(NodeKind.SERIES, row.id) if inside is None else NodeId(NodeKind.FOLDER, inside), file.name))
        names.add(ways[inside] + file.name)
    done.steps.append(Binned(entry_name(entry), frozenset(brought), place, frozenset(names)))


def restore(connection: sa.Connection, entry: BinEntry) -> Done:
    """Bring back what an entry holds, to where it was; where that place is taken, beside it. Always whole."""
    done = Done()
    held = connection.execute(sa.select(_bin_series).where(_bin_series.c.bin_id == entry.id).order_by(_bin_series.c.row_id))
    copies = {row.row_id: _newest(connection, row) for row in held.all()}
    made = [copy for copy in copies.values() if not _is_live(connection, copy.row_id)]
    there = set(connection.execute(sa.select(exams.c.id).where(exams.c.study_id == entry.study_id)).scalars())
    for copy in made:
        _remake_series(connection, entry, copy)
    touched = {NodeId(NodeKind.EXAM, _live_exam(connection, copy.row_id)) for copy in made}
    if any(exam.row not in there for exam in touched):
        touched.add(NodeId(NodeKind.STUDY, entry.study_id))
    touched |= _filled(connection, entry)
    for copy in made:
        _restore_beside(connection, copy)
    for number in copies:
        renamed = _restore_files(connection, entry, number)
        _note_restored(connection, entry, number, renamed, done)
    for exam in {_live_exam(connection, number) for number in copies}:
        orphans = sa.select(series.c.id).where(series.c.exam_id == exam, series.c.file_type == FILE_TYPE)
        link_results(connection, sa.and_(results.c.source_id.is_(None), results.c.series_id.in_(orphans)))
        date_exam(connection, exam)
    touch(connection, touched, clock.now())
    delete_entry(connection, entry.id)
    return done


def _filled(connection: sa.Connection, entry: BinEntry) -> set[NodeId]:
    """Return the series and folders that get files of an entry back."""
    rows = connection.execute(sa.select(bin_files.c.series_id, bin_files.c.name_key).where(bin_files.c.bin_id == entry.id))
    places = ((row.series_id, nested_folder(row.name_key)) for row in rows)
    return {NodeId(NodeKind.SERIES, number) if inside is None else NodeId(NodeKind.FOLDER, inside) for number, inside in places}


def _newest(connection: sa.Connection, row: Row) -> Row:
    """Return the newest copy of a series in the bin: the one with all metadata and its last name."""
    statement = sa.select(_bin_series).where(_bin_series.c.row_id == row.row_id).order_by(_bin_series.c.bin_id.desc()).limit(1)
    newest: Row = connection.execute(statement).one()
    return newest


def _is_live(connection: sa.Connection, number: int) -> bool:
    return connection.execute(sa.select(series.c.id).where(series.c.id == number)).first() is not None


def _remake_series(connection: sa.Connection, entry: BinEntry, copy: Row) -> None:
    """Make a series again, in its exam, under a name that is free there."""
    exam = _restore_exam(connection, entry.study_id, copy)
    there = connection.execute(sa.select(series.c.name, series.c.identity).where(series.c.exam_id == exam)).all()
    name = unique_name(copy.name, {folded(row.name) for row in there})
    identity = copy.identity
    if identity in {row.identity for row in there}:
        # The same series was published again: this one stands beside it, and late files join the other.
        again = hashlib.blake2b(entry_name(entry).encode() + copy.identity, digest_size=_IDENTITY_BYTES)
        identity = again.digest()
    changed = {"exam_id": exam, "name": name, "name_key": folded(name), "identity": identity}
    _copy_back(connection, copy.bin_id, series, _bin_series.c.row_id == copy.row_id, changed)


def _restore_exam(connection: sa.Connection, study: int, copy: Row) -> int:
    """Return the row of the exam that a series belongs to, made again if neither it nor one of its code is there."""
    live = connection.execute(sa.select(exams.c.id).where(exams.c.id == copy.exam_id)).scalar()
    if live is not None:
        return int(live)
    kept = connection.execute(
        sa.select(_bin_exams).where(_bin_exams.c.row_id == copy.exam_id).order_by(_bin_exams.c.bin_id.desc()).limit(1)
    ).one()
    same = sa.select(exams.c.id).where(exams.c.study_id == study, exams.c.code_key == kept.code_key)
    other = connection.execute(same).scalar()
    if other is not None:
        return int(other)
    _copy_back(connection, kept.bin_id, exams, _bin_exams.c.row_id == kept.row_id)
    return int(kept.row_id)


def _restore_beside(connection: sa.Connection, copy: Row) -> None:
    """Bring back what a series that was made again has besides files."""
    for table in BESIDE_SERIES:
        twin = TWINS[table]
        changed: dict[str, Any] = {}
        if table is results:
            live = sa.select(series.c.id).where(series.c.id == twin.c.source_id)
            changed["source_id"] = live.scalar_subquery()
        _copy_back(connection, copy.bin_id, table, twin.c.series_id == copy.row_id, changed)


def _restore_files(connection: sa.Connection, entry: BinEntry, number: int) -> dict[str, str]:
    """Bring back an entry's files of a series; return the new names of those whose place was taken, by the old ones."""
    mine = sa.and_(bin_files.c.bin_id == entry.id, bin_files.c.series_id == number)
    taken = set(connection.execute(sa.select(files.c.name_key).where(files.c.series_id == number)).scalars())
    taken |= set(connection.execute(sa.select(folders.c.name_key).where(folders.c.series_id == number)).scalars())
    renamed = {}
    clash = sa.and_(mine, bin_files.c.name_key.in_(sa.select(files.c.name_key).where(files.c.series_id == number)))
    ways = _ways(connection, number)
    for file in connection.execute(sa.select(bin_files).where(clash).order_by(bin_files.c.row_id)).all():
        inside = nested_folder(file.name_key)
        beginning = "" if inside is None else nested_key(inside, "")
        names = {key.removeprefix(beginning) for key in taken if nested_folder(key) == inside}
        old = file.name or file.name_key.removeprefix(beginning)
        new = unique_file_name(old, names)
        key = beginning + folded(new)
        taken.add(key)
        values = {"name_key": key, "name": None if key == new else new}
        connection.execute(bin_files.update().where(mine, bin_files.c.row_id == file.row_id).values(values))
        renamed[ways[inside] + old] = ways[inside] + new
    _copy_back(connection, entry.id, files, bin_files.c.series_id == number)
    return renamed


def _note_restored(connection: sa.Connection, entry: BinEntry, number: int, renamed: dict[str, str], done: Done) -> None:
    was = connection.execute(
        sa.select(_bin_exams.c.code, _bin_series.c.name)
        .join(_bin_exams, sa.and_(_bin_exams.c.bin_id == _bin_series.c.bin_id, _bin_exams.c.row_id == _bin_series.c.exam_id))
        .where(_bin_series.c.bin_id == entry.id, _bin_series.c.row_id == number)
    ).one()
    now = connection.execute(
        sa.select(exams.c.code, series.c.name).join(series, series.c.exam_id == exams.c.id).where(series.c.id == number)
    ).one()
    done.steps.append(Restored(entry_name(entry), Place(*was), Place(*now), tuple(sorted(renamed.items()))))


def delete_entry(connection: sa.Connection, number: int) -> None:
    """Delete all rows that an entry holds."""
    for twin in TWINS.values():
        connection.execute(twin.delete().where(twin.c.bin_id == number))


def _copy(connection: sa.Connection, number: int, table: sa.Table, condition: sa.ColumnElement[bool]) -> None:
    """Copy rows of the archive into an entry of the bin."""
    names = ["bin_id", *(twin_column(column.name) for column in table.c)]
    rows = sa.select(sa.literal(number, sa.BigInteger), *table.c).where(condition)
    connection.execute(TWINS[table].insert().from_select(names, rows))


def _copy_back(
    connection: sa.Connection,
    number: int,
    table: sa.Table,
    condition: sa.ColumnElement[bool],
    changed: dict[str, Any] | None = None,
) -> None:
    """Copy rows of an entry back into the archive, with some columns changed."""
    twin, other = TWINS[table], changed or {}
    columns = [
        (
            other[column.name]
            if isinstance(other[column.name], sa.ColumnElement)
            else sa.literal(other[column.name], column.type)
        )
        if column.name in other
        else twin.c[twin_column(column.name)]
        for column in table.c
    ]
    rows = sa.select(*columns).where(twin.c.bin_id == number, condition)
    connection.execute(table.insert().from_select([column.name for column in table.c], rows))


def _delete_series(connection: sa.Connection, whole: Sequence[int]) -> None:
    """Delete series of which no file is left, with all that they have."""
    connection.execute(results.update().where(results.c.source_id.in_(whole)).values(source_id=None))
    for table in BESIDE_SERIES:
        connection.execute(table.delete().where(table.c.series_id.in_(whole)))
    connection.execute(series.delete().where(series.c.id.in_(whole)))


def _count(connection: sa.Connection, number: int) -> None:
    """Note in an entry how much it holds."""
    found = connection.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(bin_files.c.size), 0), sa.func.min(bin_files.c.added)).where(
            bin_files.c.bin_id == number
        )
    ).one()
    values = {"files": found[0], "bytes": found[1], "oldest": found[2]}
    connection.execute(bin_entries.update().where(bin_entries.c.id == number).values(values))


def _live_exam(connection: sa.Connection, number: int) -> int:
    return int(connection.execute(sa.select(series.c.exam_id).where(series.c.id == number)).scalar_one())


def _ways(connection: sa.Connection, number: int) -> dict[int | None, str]:
    """Return the way from a series to each of its folders, as `stats/volumes/`, by row; '' to itself."""
    rows = connection.execute(sa.select(folders).where(folders.c.series_id == number).order_by(folders.c.id))
    ways: dict[int | None, str] = {None: ""}
    for row in rows:
        ways[row.id] = f"{ways[row.parent_id]}{row.name}/"
    return ways


def _shown(table: sa.Table) -> sa.ColumnElement[str]:
    return sa.func.coalesce(table.c.name, table.c.name_key)
