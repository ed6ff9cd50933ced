"""Law 2 as SQL: what of the catalogue is there for a user. Every statement that shows something begins with one of these.

A `visible_...` is a statement on one table that asks for the grant; add to it by `.where`, `.join` and the like. A grant is for
a study as a whole or for centres of it, and may have an end: whoever has any part of a study has the study's own folder, and
what belongs to an exam is asked by that exam's centre. What is of no centre is visible by a grant for the whole study alone.
`user` None is the machine itself, to which everything is visible. May live here: the grant, and what is visible by it. Not:
roles (`catalog/pure/access.py`).
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

from catalog.database import Database, wall_clock
from catalog.database.tables import exams, files, folders, grant_centres, grants, series, studies
from catalog.pure.errors import NotFound
from catalog.pure.names import folded

UserId: TypeAlias = int | sa.BindParameter[int] | None
Query: TypeAlias = sa.Select[*tuple[Any, ...]]
_Number: TypeAlias = sa.ColumnElement[int] | int
_Centre: TypeAlias = sa.ColumnElement[int | None] | int | None
_exam = exams.alias("its_exam")


def granted(study: _Number, user: UserId) -> sa.ColumnElement[bool]:
    """Whether the user has a study or a part of it, by its row: for what belongs to no exam, such as the study's own folder."""
    if user is None:
        return sa.true()
    return sa.exists().where(*_running(study, user))


def granted_centre(study: _Number, centre: _Centre, user: UserId) -> sa.ColumnElement[bool]:
    """Whether the user has what is of a centre, by the rows of its study and of the centre (null: of none)."""
    if user is None:
        return sa.true()
    names_it = sa.exists().where(
        grant_centres.c.user_id == grants.c.user_id, grant_centres.c.study_id == grants.c.study_id,
        grant_centres.c.centre_id == centre,
    ).correlate_except(grant_centres)  # fmt: skip
    return sa.exists().where(*_running(study, user), sa.or_(grants.c.whole == 1, names_it)).correlate_except(grants)


def granted_exam(study: _Number, exam: _Number, user: UserId) -> sa.ColumnElement[bool]:
    """Whether the user has an exam, by the rows of its study and of itself."""
    centre = sa.select(_exam.c.centre_id).where(_exam.c.id == exam).correlate_except(_exam).scalar_subquery()
    return granted_centre(study, centre, user)


def _running(study: _Number, user: sa.BindParameter[int] | int) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions for a grant that counts now; by the database's clock, so that it ends by itself."""
    runs = sa.or_(grants.c.until.is_(None), grants.c.until > wall_clock())
    return grants.c.user_id == user, grants.c.study_id == study, runs


def visible_studies(user: UserId, *columns: Any) -> Query:
    """Return a statement on `studies` that gives those that the user has."""
    return sa.select(*columns).select_from(studies).where(granted(studies.c.id, user))


def visible_exams(user: UserId, *columns: Any) -> Query:
    """Return a statement on `exams` that gives those that the user has."""
    return sa.select(*columns).select_from(exams).where(granted_centre(exams.c.study_id, exams.c.centre_id, user))


def visible_series(user: UserId, *columns: Any) -> Query:
    """Return a statement on `series` that gives those of exams that the user has."""
    return sa.select(*columns).select_from(series).where(_has_series(user))


def visible_files(user: UserId, *columns: Any) -> Query:
    """Return a statement on `files` and their `series` that gives those of exams that the user has."""
    joined = files.join(series, series.c.id == files.c.series_id)
    return sa.select(*columns).select_from(joined).where(_has_series(user))


def visible_folders(user: UserId, *columns: Any) -> Query:
    """Return a statement on `folders` and their `series` that gives those of exams that the user has."""
    joined = folders.join(series, series.c.id == folders.c.series_id)
    return sa.select(*columns).select_from(joined).where(_has_series(user))


def _has_series(user: UserId) -> sa.ColumnElement[bool]:
    return granted_exam(series.c.study_id, series.c.exam_id, user)


@dataclass(frozen=True, slots=True)
class StudyRef:
    """A study: its row, its code as it is written, the text of its profile (None: the default)."""

    id: int
    code: str
    profile: str | None


def visible_study(database: Database, code: str, user: int | None) -> StudyRef:
    """Return a study, in whatever case its code is given.

    Raises:
        NotFound: there is none, or the user does not have it.
    """
    columns = (studies.c.id, studies.c.code, studies.c.profile)
    row = database.row(visible_studies(user, *columns).where(studies.c.code_key == folded(code)))
    if row is None:
        raise NotFound(f"there is no study {code}; see `archimed study list`")
    return StudyRef(row.id, row.code, row.profile)
