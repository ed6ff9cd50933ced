"""Law 2 as SQL: what of the catalogue is there for a user. Every statement that shows something begins with one of these.

A `visible_...` is a statement on one table that asks for the grant; add to it by `.where`, `.join` and the like. Where an exam
is at hand the grant is asked for that exam, since a grant need not be for all exams of a study for ever. `user` None is the
machine itself, to which everything is visible. May live here: the grant, and what is visible by it. Not: roles
(`catalog/pure/access.py`).
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import exams, files, folders, grants, series, studies
from catalog.pure.errors import NotFound
from catalog.pure.names import folded

UserId: TypeAlias = int | sa.BindParameter[int] | None
Query: TypeAlias = sa.Select[*tuple[Any, ...]]
_Number: TypeAlias = sa.ColumnElement[int] | int


def granted(study: _Number, user: UserId) -> sa.ColumnElement[bool]:
    """Whether the user has a study, by its row: for what belongs to no exam, such as the study's own folder."""
    if user is None:
        return sa.true()
    return sa.exists().where(grants.c.user_id == user, grants.c.study_id == study)


def granted_exam(study: _Number, _exam: _Number, user: UserId) -> sa.ColumnElement[bool]:
    """Whether the user has an exam, by the rows of its study and of itself. Every grant is for all exams of its study."""
    return granted(study, user)


def visible_studies(user: UserId, *columns: Any) -> Query:
    """Return a statement on `studies` that gives those that the user has."""
    return sa.select(*columns).select_from(studies).where(granted(studies.c.id, user))


def visible_exams(user: UserId, *columns: Any) -> Query:
    """Return a statement on `exams` that gives those that the user has."""
    return sa.select(*columns).select_from(exams).where(granted_exam(exams.c.study_id, exams.c.id, user))


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
