"""Law 2 as SQL: the one condition by which a study is there for a user, for every statement that people's questions become.

May live here: that condition, and the look-up of a study by its code under it. Not: roles (`catalog/pure/access.py`).
"""

import sqlalchemy as sa

from catalog.database import Database, Row
from catalog.database.tables import grants, studies
from catalog.pure.errors import NotFound
from catalog.pure.names import folded

UserId = int | sa.BindParameter[int]


def granted(study: sa.ColumnElement[int], user: UserId) -> sa.ColumnElement[bool]:
    """Whether the user has the study whose row a column names."""
    return sa.exists().where(grants.c.user_id == user, grants.c.study_id == study)


def study_of(database: Database, code: str, user: int | None) -> Row:
    """Return id, code and profile of a study, in whatever case its code is given; `user` None is the machine itself.

    Raises:
        NotFound: there is none, or the user does not have it.
    """
    statement = sa.select(studies.c.id, studies.c.code, studies.c.profile).where(studies.c.code_key == folded(code))
    if user is not None:
        statement = statement.where(granted(studies.c.id, user))
    row = database.row(statement)
    if row is None:
        raise NotFound(f"there is no study {code}; see `archimed study list`")
    return row
