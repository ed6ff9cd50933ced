"""What a page needs of a folder that a listing does not tell: how much is in each exam, which file stands for a series."""

from dataclasses import dataclass

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import exams, files, series
from catalog.visible import visible_exams, visible_files


@dataclass(frozen=True, slots=True)
class ExamContents:
    """An exam and how much it holds. Times are seconds since 1970 UTC; `acquired` None: unknown."""

    code: str
    acquired: int | None
    added: int
    series: int
    files: int
    bytes: int


def of_study(database: Database, user: int, study: int) -> list[ExamContents]:
    """Return the exams of a study that the user may see, in the order of codes; `study` is its row."""
    rows = database.rows(
        visible_exams(
            user, exams.c.code, exams.c.acquired, exams.c.added, sa.func.count(sa.distinct(series.c.id)).label("series"),
            sa.func.count(files.c.id).label("files"), sa.func.coalesce(sa.func.sum(files.c.size), 0).label("bytes"),
        )
        .outerjoin(series, series.c.exam_id == exams.c.id)
        .outerjoin(files, files.c.series_id == series.c.id)
        .where(exams.c.study_id == study)
        .group_by(exams.c.id, exams.c.code, exams.c.code_key, exams.c.acquired, exams.c.added)
        .order_by(exams.c.code_key)
    )  # fmt: skip
    return [ExamContents(row.code, row.acquired, row.added, row.series, row.files, int(row.bytes)) for row in rows]


def middle_file(database: Database, user: int, of_series: int) -> int | None:
    """Return the row of the file in the middle of a series, which tells most of it; None if there is none to be seen."""
    own = visible_files(user, files.c.id).where(files.c.series_id == of_series)
    count = database.row(sa.select(sa.func.count()).select_from(own.subquery()))
    row = database.row(own.order_by(files.c.name_key).offset(count[0] // 2).limit(1)) if count and count[0] else None
    return row.id if row is not None else None
