"""The view's SQL, compiled once: every statement carries the grant, so what is not granted is not there.

Each statement takes `user` (the principal's row) and what its name says. Columns come in the order that `catalog.view.view`
turns into a node: row, name, mtime, changed, size, digest, study.
"""

import sqlalchemy as sa

from catalog.database.tables import exams, files, grants, series, studies
from catalog.pure.nodes import Kind

_USER = sa.bindparam("user", type_=sa.BigInteger)
_ROW = sa.bindparam("row", type_=sa.BigInteger)
_KEY = sa.bindparam("key", type_=sa.String)
_PARENT = sa.bindparam("parent", type_=sa.BigInteger)
_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_NO_SIZE: sa.ColumnElement[int] = sa.literal_column("0")
_NO_DIGEST = sa.null()


def _granted(study: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    return sa.exists().where(grants.c.user_id == _USER, grants.c.study_id == study)


_STUDIES = sa.select(
    studies.c.id, studies.c.code, studies.c.created, studies.c.created, _NO_SIZE, _NO_DIGEST, studies.c.id
).where(_granted(studies.c.id))

_EXAMS = sa.select(
    exams.c.id, exams.c.code, sa.func.coalesce(exams.c.acquired, exams.c.added), exams.c.added, _NO_SIZE, _NO_DIGEST,
    exams.c.study_id,
).where(_granted(exams.c.study_id))  # fmt: skip

_SERIES = sa.select(
    series.c.id, series.c.name, sa.func.coalesce(series.c.acquired, series.c.added), series.c.added, _NO_SIZE, _NO_DIGEST,
    series.c.study_id,
).where(_granted(series.c.study_id))  # fmt: skip

_FILES = (
    sa.select(
        files.c.id, sa.func.coalesce(files.c.name, files.c.name_key), sa.func.coalesce(files.c.acquired, files.c.added),
        files.c.added, files.c.size, files.c.sha256, series.c.study_id,
    )
    .select_from(files.join(series, series.c.id == files.c.series_id))
    .where(_granted(series.c.study_id))
)  # fmt: skip

# By row: attributes of a node that is already known.
BY_ROW = {
    Kind.STUDY: _STUDIES.where(studies.c.id == _ROW),
    Kind.EXAM: _EXAMS.where(exams.c.id == _ROW),
    Kind.SERIES: _SERIES.where(series.c.id == _ROW),
    Kind.FILE: _FILES.where(files.c.id == _ROW),
}

# By parent and folded name: what a look-up finds. Keyed by the parent's kind.
BY_NAME = {
    Kind.ROOT: _STUDIES.where(studies.c.code_key == _KEY),
    Kind.STUDY: _EXAMS.where(exams.c.study_id == _PARENT, exams.c.code_key == _KEY),
    Kind.EXAM: _SERIES.where(series.c.exam_id == _PARENT, series.c.name_key == _KEY),
    Kind.SERIES: _FILES.where(files.c.series_id == _PARENT, files.c.name_key == _KEY),
}

# A page of children behind `key`, in the order of their folded names. Keyed by the parent's kind.
CHILDREN = {
    Kind.ROOT: _STUDIES.where(studies.c.code_key > _KEY).order_by(studies.c.code_key).limit(_LIMIT),
    Kind.STUDY: _EXAMS.where(exams.c.study_id == _PARENT, exams.c.code_key > _KEY).order_by(exams.c.code_key).limit(_LIMIT),
    Kind.EXAM: _SERIES.where(series.c.exam_id == _PARENT, series.c.name_key > _KEY).order_by(series.c.name_key).limit(_LIMIT),
    Kind.SERIES: _FILES.where(files.c.series_id == _PARENT, files.c.name_key > _KEY).order_by(files.c.name_key).limit(_LIMIT),
}

STUDY_CODE = sa.select(studies.c.code).where(studies.c.id == _ROW)

# A study's folders by row alone: what a face must drop from its caches when a user lost the study.
EXAMS_OF = sa.select(exams.c.id).where(exams.c.study_id == _ROW)
SERIES_OF = sa.select(series.c.id).where(series.c.study_id == _ROW)
