"""The view's SQL: every statement carries the grant, so what is not granted is not there.

Each statement takes `user` (the principal's row) and what its name says. Columns come in the order that `catalog.view.view`
turns into a node: row, name, mtime, changed, size, digest, study.
"""

from typing import TypeAlias

import sqlalchemy as sa

from catalog.database import Prepared
from catalog.database.tables import exams, files, folders, results, series, studies
from catalog.derived import changed
from catalog.pure.nodes import Kind
from catalog.visible import (
    Query,
    granted_centre,
    visible_exams,
    visible_files,
    visible_folders,
    visible_series,
    visible_studies,
)

Found: TypeAlias = tuple[Kind, Prepared]
"""What a statement finds, and the statement."""

_USER = sa.bindparam("user", type_=sa.BigInteger)
_ROW = sa.bindparam("row", type_=sa.BigInteger)
_KEY = sa.bindparam("key", type_=sa.String)
_PARENT = sa.bindparam("parent", type_=sa.BigInteger)
_END = sa.bindparam("end", type_=sa.String)
_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_NO_SIZE: sa.ColumnElement[int] = sa.literal_column("0")
_NO_DIGEST = sa.null()


_STUDIES = visible_studies(
    _USER, studies.c.id, studies.c.code, changed(Kind.STUDY), changed(Kind.STUDY), _NO_SIZE, _NO_DIGEST, studies.c.id
)

_EXAMS = visible_exams(
    _USER, exams.c.id, exams.c.code, changed(Kind.EXAM), changed(Kind.EXAM), _NO_SIZE, _NO_DIGEST,
    exams.c.study_id,
)  # fmt: skip

_SERIES = visible_series(
    _USER, series.c.id, series.c.name, changed(Kind.SERIES), changed(Kind.SERIES), _NO_SIZE,
    _NO_DIGEST, series.c.study_id,
)  # fmt: skip

_FILES = visible_files(
    _USER, files.c.id, sa.func.coalesce(files.c.name, files.c.name_key), sa.func.coalesce(files.c.acquired, files.c.added),
    files.c.added, files.c.size, files.c.sha256, series.c.study_id,
)  # fmt: skip

_FOLDERS = visible_folders(
    _USER, folders.c.id, folders.c.name, changed(Kind.FOLDER), changed(Kind.FOLDER), _NO_SIZE, _NO_DIGEST, series.c.study_id
)

_SERIES_OF_FOLDER = sa.select(folders.c.series_id).where(folders.c.id == _PARENT).scalar_subquery()

# By row: attributes of a node that is already known.
BY_ROW = {
    Kind.STUDY: Prepared(_STUDIES.where(studies.c.id == _ROW)),
    Kind.EXAM: Prepared(_EXAMS.where(exams.c.id == _ROW)),
    Kind.SERIES: Prepared(_SERIES.where(series.c.id == _ROW)),
    Kind.FILE: Prepared(_FILES.where(files.c.id == _ROW)),
    Kind.FOLDER: Prepared(_FOLDERS.where(folders.c.id == _ROW)),
}

# With the series, as whose the opening is counted.
TO_OPEN = Prepared(_FILES.where(files.c.id == _ROW).add_columns(files.c.series_id))


# By parent and folded name: what a look-up finds. Keyed by the parent's kind, with the kind of what is found; asked in order.
BY_NAME: dict[Kind, tuple[Found, ...]] = {
    Kind.ROOT: ((Kind.STUDY, Prepared(_STUDIES.where(studies.c.code_key == _KEY))),),
    Kind.STUDY: ((Kind.EXAM, Prepared(_EXAMS.where(exams.c.study_id == _PARENT, exams.c.code_key == _KEY))),),
    Kind.EXAM: ((Kind.SERIES, Prepared(_SERIES.where(series.c.exam_id == _PARENT, series.c.name_key == _KEY))),),
    Kind.SERIES: (
        (Kind.FILE, Prepared(_FILES.where(files.c.series_id == _PARENT, files.c.name_key == _KEY))),
        (Kind.FOLDER, Prepared(_FOLDERS.where(folders.c.series_id == _PARENT, folders.c.name_key == _KEY))),
    ),
    Kind.FOLDER: (
        (Kind.FILE, Prepared(_FILES.where(files.c.series_id == _SERIES_OF_FOLDER, files.c.name_key == _KEY))),
        (Kind.FOLDER, Prepared(_FOLDERS.where(folders.c.series_id == _SERIES_OF_FOLDER, folders.c.name_key == _KEY))),
    ),
}


def _page(statement: Query, key: sa.ColumnElement[str], *of: sa.ColumnElement[bool]) -> Prepared:
    return Prepared(statement.where(*of, key > _KEY, key < _END).order_by(key).limit(_LIMIT))


# By all names of a path at once, with the names above for comparison; folders within a series are found name by name.
_KEYS = [sa.bindparam(f"key{place}", type_=sa.String) for place in range(4)]
_IN_EXAMS = (
    _EXAMS.join(studies, studies.c.id == exams.c.study_id)
    .where(studies.c.code_key == _KEYS[0], exams.c.code_key == _KEYS[1])
    .add_columns(studies.c.code)
)  # fmt: skip
_IN_SERIES = (
    _SERIES.join(exams, exams.c.id == series.c.exam_id).join(studies, studies.c.id == exams.c.study_id)
    .where(studies.c.code_key == _KEYS[0], exams.c.code_key == _KEYS[1], series.c.name_key == _KEYS[2])
    .add_columns(studies.c.code, exams.c.code)
)  # fmt: skip
_IN_FILES = (
    _FILES.join(exams, exams.c.id == series.c.exam_id).join(studies, studies.c.id == exams.c.study_id)
    .where(studies.c.code_key == _KEYS[0], exams.c.code_key == _KEYS[1], series.c.name_key == _KEYS[2])
    .where(files.c.name_key == _KEYS[3])
    .add_columns(studies.c.code, exams.c.code, series.c.name)
)  # fmt: skip
# Keyed by the number of names.
BY_PATH: dict[int, Found] = {
    2: (Kind.EXAM, Prepared(_IN_EXAMS)),
    3: (Kind.SERIES, Prepared(_IN_SERIES)),
    4: (Kind.FILE, Prepared(_IN_FILES)),
}

# A page of children behind `key` and before `end`, in the order of their folded names. Keyed as above.
CHILDREN: dict[Kind, tuple[Found, ...]] = {
    Kind.ROOT: ((Kind.STUDY, _page(_STUDIES, studies.c.code_key)),),
    Kind.STUDY: ((Kind.EXAM, _page(_EXAMS, exams.c.code_key, exams.c.study_id == _PARENT)),),
    Kind.EXAM: ((Kind.SERIES, _page(_SERIES, series.c.name_key, series.c.exam_id == _PARENT)),),
    Kind.SERIES: (
        (Kind.FILE, _page(_FILES, files.c.name_key, files.c.series_id == _PARENT)),
        (Kind.FOLDER, _page(_FOLDERS, folders.c.name_key, folders.c.series_id == _PARENT)),
    ),
    Kind.FOLDER: (
        (Kind.FILE, _page(_FILES, files.c.name_key, files.c.series_id == _SERIES_OF_FOLDER)),
        (Kind.FOLDER, _page(_FOLDERS, folders.c.name_key, folders.c.series_id == _SERIES_OF_FOLDER)),
    ),
}

# Where a result comes from, by its series.
_SOURCE = series.alias("source")
RESULT = (
    visible_series(_USER, results.c.program, results.c.sources, results.c.brought_by, _SOURCE.c.name)
    .join(results, results.c.series_id == series.c.id)
    .outerjoin(_SOURCE, _SOURCE.c.id == results.c.source_id)
    .where(series.c.id == _ROW)
)

STUDY_CODE = Prepared(sa.select(studies.c.code).where(studies.c.id == _ROW))

# A study's folders by row alone: what a face must drop from its caches when a user lost the study.
HIDDEN_EXAMS = sa.select(exams.c.code).where(
    exams.c.study_id == _ROW, sa.not_(granted_centre(exams.c.study_id, exams.c.centre_id, _USER))
)
EXAMS_OF = sa.select(exams.c.id).where(exams.c.study_id == _ROW)
SERIES_OF = sa.select(series.c.id).where(series.c.study_id == _ROW)
FOLDERS_OF = sa.select(folders.c.id).join(series, series.c.id == folders.c.series_id).where(series.c.study_id == _ROW)
