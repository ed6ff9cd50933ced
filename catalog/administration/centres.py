"""Centres of multicentre studies, and what belongs to each: exams and sources."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.administration.changing import StudyRecord, changing, check_line, find_study
from catalog.audit import Actor
from catalog.changes import ChangeKind, announce
from catalog.database import Database, Row
from catalog.database.tables import (
    TWINS,
    batches,
    bin_entries,
    centres,
    corrections,
    exams,
    grant_centres,
    sources,
    studies,
    users,
)
from catalog.derived import touch
from catalog.pure.batches import FINAL
from catalog.pure.errors import Conflict, NotFound, Refused
from catalog.pure.names import check_code, folded
from catalog.pure.nodes import Kind, NodeId

_bin_exams = TWINS[exams]
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Named:
    """A centre or source that a change is about: its row, and its code or name."""

    id: int
    code: str


@dataclass(frozen=True, slots=True)
class _Exam:
    id: int
    code: str
    centre_id: int | None


@dataclass(frozen=True, slots=True)
class Centre:
    """A centre as a list shows it; `users` are those whose grants name it."""

    study: str
    code: str
    description: str
    exams: int
    sources: tuple[str, ...]
    users: tuple[str, ...]
    created: int


def add_centre(database: Database, actor: Actor, study: str, code: str, description: str = "") -> None:
    """Add a centre to a study; nothing belongs to it yet.

    Raises:
        Invalid: a value cannot be used.
        NotFound: there is no such study.
        Conflict: the study has a centre of that code.
    """
    values = {
        "code": check_code(code, "centre"), "code_key": folded(code), "created": clock.now(),
        "description": check_line(description, "a description"),
    }  # fmt: skip
    with changing(database, actor) as (connection, note):
        home = find_study(connection, study)
        insert = database.insert_new(centres).values(values | {"study_id": home.id}).on_conflict_do_nothing()
        if connection.execute(insert.returning(centres.c.id)).first() is None:
            raise Conflict(f"{home.code} has a centre {find_centre(connection, home, code).code} already")
        note(action="centre.add", study=home.code, subject=code)
        announce(connection, ChangeKind.PUBLISHED, home.id)


def remove_centre(database: Database, actor: Actor, study: str, code: str) -> None:
    """Remove a centre to which nothing belongs.

    Raises:
        NotFound: there is no such study or centre.
        Refused: something belongs to it, or grants name it.
    """
    with changing(database, actor) as (connection, note):
        home = find_study(connection, study)
        centre = find_centre(connection, home, code, lock=True)
        for table, what in (
            (exams, "exams"), (_bin_exams, "exams in the bin"), (sources, "sources"), (grant_centres, "grants"),
            (batches, "batches at the gate"),
        ):  # fmt: skip
            of_it = sa.select(sa.func.count()).select_from(table).where(table.c.centre_id == centre.id)
            if table is batches:
                of_it = of_it.where(batches.c.state.not_in(FINAL))
            count = connection.execute(of_it).scalar_one()
            if count:
                raise Refused(f"{count} {what} belong to {centre.code}; give them to another centre, or to none, first")
        for table in (batches, corrections, bin_entries):
            connection.execute(table.update().where(table.c.centre_id == centre.id).values(centre_id=None))
        connection.execute(centres.delete().where(centres.c.id == centre.id))
        note(action="centre.remove", study=home.code, subject=centre.code)
        announce(connection, ChangeKind.PUBLISHED, home.id)


def list_centres(database: Database, study: str | None = None) -> list[Centre]:
    """Return the centres of a study, or of all, in the order of studies, then codes.

    Raises:
        NotFound: there is no such study.
    """
    home = None
    if study is not None:
        home = database.row(sa.select(studies.c.id).where(studies.c.code_key == folded(study)))
        if home is None:
            raise NotFound(f"there is no study {study}; see `archimed study list`")
    count = sa.select(sa.func.count()).select_from(exams).where(exams.c.centre_id == centres.c.id).scalar_subquery()
    statement = sa.select(centres, studies.c.code.label("study"), count.label("exams")).join(
        studies, studies.c.id == centres.c.study_id
    )
    if home is not None:
        statement = statement.where(centres.c.study_id == home.id)
    of_sources = _by_centre(database.rows(sa.select(sources.c.centre_id, sources.c.name).order_by(sources.c.name_key)))
    granted = sa.select(grant_centres.c.centre_id, users.c.login).join(users, users.c.id == grant_centres.c.user_id)
    of_users = _by_centre(database.rows(granted.order_by(users.c.login_key)))
    return [
        Centre(
            row.study, row.code, row.description, row.exams, tuple(of_sources.get(row.id, ())), tuple(of_users.get(row.id, ())),
            row.created,
        )
        for row in database.rows(statement.order_by(studies.c.code_key, centres.c.code_key))
    ]  # fmt: skip


def _by_centre(rows: Sequence[Row]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for centre, name in rows:
        found.setdefault(centre, []).append(name)
    return found


def assign(
    database: Database,
    actor: Actor,
    study: str,
    centre: str | None,
    *,
    exam_codes: Collection[str] = (),
    source_names: Collection[str] = (),
) -> None:
    """Say to which centre of a study exams and sources belong, None: to none; what waits at the gate for an exam goes with it.

    Raises:
        NotFound: there is no such study, centre, exam or source.
        Refused: a source has another study.
    """
    with changing(database, actor) as (connection, note):
        home = find_study(connection, study)
        row = find_centre(connection, home, centre) if centre is not None else None
        number = row.id if row is not None else None
        moved = [_find_exam(connection, home, code) for code in dict.fromkeys(exam_codes)]
        chosen = [_find_source(connection, home, name) for name in dict.fromkeys(source_names)]
        losing = _losing(connection, {one.centre_id for one in moved if one.centre_id not in {None, number}})
        for at in range(0, len(moved), _AT_ONCE):
            _move_exams(connection, home.id, moved[at : at + _AT_ONCE], number)
        if chosen:
            which = sources.c.id.in_([one.id for one in chosen])
            connection.execute(sources.update().where(which).values(centre_id=number))
        detail = {"exams": [one.code for one in moved], "sources": [one.code for one in chosen]}
        note(action="centre.assign", study=home.code, subject=row.code if row is not None else "", detail=detail)
        if moved:
            touch(connection, [NodeId(Kind.STUDY, home.id)], clock.now())
        for user in losing:
            announce(connection, ChangeKind.NARROWED, home.id, user)
        announce(connection, ChangeKind.PUBLISHED, home.id)


def _losing(connection: sa.Connection, former: Collection[int | None]) -> list[int]:
    """Return the users whose grants name one of these centres."""
    found = sa.select(grant_centres.c.user_id).where(grant_centres.c.centre_id.in_(former)).distinct()
    return list(connection.execute(found.order_by(grant_centres.c.user_id)).scalars())


def _move_exams(connection: sa.Connection, study: int, moved: Sequence[_Exam], centre: int | None) -> None:
    """Give exams to a centre, with what is of them elsewhere: in the bin, among corrections, at the gate."""
    numbers, keys = [one.id for one in moved], {folded(one.code) for one in moved}
    for table, column in ((exams, exams.c.id), (_bin_exams, _bin_exams.c.row_id), (bin_entries, bin_entries.c.exam_id),
                          (corrections, corrections.c.exam_id)):  # fmt: skip
        connection.execute(table.update().where(column.in_(numbers)).values(centre_id=centre))
    waiting = connection.execute(
        sa.select(batches.c.id, batches.c.exam_code).where(batches.c.study_id == study, batches.c.exam_code != "")
    )
    of_them = [row.id for row in waiting if folded(row.exam_code) in keys]
    for at in range(0, len(of_them), _AT_ONCE):
        connection.execute(batches.update().where(batches.c.id.in_(of_them[at : at + _AT_ONCE])).values(centre_id=centre))


def find_centre(connection: sa.Connection, study: StudyRecord, code: str, *, lock: bool = False) -> Named:
    """Return a study's centre of that code (upper and lower case are the same).

    Raises:
        NotFound: there is none.
    """
    statement = sa.select(centres).where(centres.c.study_id == study.id, centres.c.code_key == folded(code))
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    if row is None:
        raise NotFound(f"{study.code} has no centre {code}; see `archimed centre list {study.code}`")
    return Named(row.id, row.code)


def _find_exam(connection: sa.Connection, study: StudyRecord, code: str) -> _Exam:
    found = sa.select(exams.c.id, exams.c.code, exams.c.centre_id).where(
        exams.c.study_id == study.id, exams.c.code_key == folded(code)
    )
    row = connection.execute(found).first()
    if row is None:
        raise NotFound(f"{study.code} has no exam {code}; an exam is given to a centre once it is archived")
    return _Exam(row.id, row.code, row.centre_id)


def _find_source(connection: sa.Connection, study: StudyRecord, name: str) -> Named:
    row = connection.execute(sa.select(sources).where(sources.c.name_key == folded(name))).first()
    if row is None:
        raise NotFound(f"there is no source {name}; see `archimed source list`")
    if row.study_id != study.id:
        raise Refused(f"{row.name} sends for {'another study' if row.study_id else 'no study'}: a centre is one of a study")
    return Named(row.id, row.name)
