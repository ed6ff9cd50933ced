"""The objects that the catalogue has files for: in the archive, and in the bin, whose files need their bytes as well."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from catalog.database.tables import bin_entries, bin_files, files, series
from catalog.visible import Query

_Study = sa.ColumnElement[int] | sa.ScalarSelect[Any] | int


def archived(study: _Study) -> tuple[Query, sa.ColumnElement[int]]:
    """Return a statement that gives `row`, `sha256` and `size` of a study's files, and the column of its row."""
    statement = (
        sa.select(files.c.id.label("row"), files.c.sha256, files.c.size)
        .join(series, series.c.id == files.c.series_id)
        .where(series.c.study_id == study)
    )
    return statement, files.c.id


def binned(study: _Study) -> tuple[Query, sa.ColumnElement[int]]:
    """Return the same of a study's files in the bin."""
    statement = (
        sa.select(bin_files.c.row_id.label("row"), bin_files.c.sha256, bin_files.c.size)
        .join(bin_entries, bin_entries.c.id == bin_files.c.bin_id)
        .where(bin_entries.c.study_id == study)
    )
    return statement, bin_files.c.row_id


def objects(study: _Study, digests: Sequence[bytes]) -> sa.CompoundSelect[Any]:
    """Return a statement that gives `row`, `sha256` and `size` of the files of a study that have one of these objects."""
    return sa.union_all(
        archived(study)[0].where(files.c.sha256.in_(digests)), binned(study)[0].where(bin_files.c.sha256.in_(digests))
    )
