"""How much is archived, of what a user may see: counted when asked, by study and type of file."""

from dataclasses import dataclass

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import exams, files, series, studies
from catalog.visible import visible_exams, visible_files, visible_series, visible_studies, visible_study


@dataclass(frozen=True, slots=True)
class Count:
    """How many series, files and bytes."""

    series: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class StudyStatistics:
    """How much a study holds. `added` is when something was published last, seconds since 1970, None: never."""

    study: str
    exams: int
    series: int
    files: int
    bytes: int
    added: int | None
    file_types: dict[str, Count]


def count(database: Database, user: int | None, study: str = "") -> list[StudyStatistics]:
    """Return how much each study holds that the user may see, or one of them, in the order of codes.

    Raises:
        NotFound: there is no such study, or it is not granted.
    """
    only = [visible_study(database, study, user).id] if study else None
    shown = visible_studies(user, studies.c.id, studies.c.code).order_by(studies.c.code_key)
    of_exams = visible_exams(user, exams.c.study_id, sa.func.count()).group_by(exams.c.study_id)
    of_series = visible_series(
        user, series.c.study_id, series.c.file_type, sa.func.count(), sa.func.max(series.c.added)
    ).group_by(series.c.study_id, series.c.file_type)
    of_files = visible_files(user, series.c.study_id, series.c.file_type, sa.func.count(), sa.func.sum(files.c.size)).group_by(
        series.c.study_id, series.c.file_type
    )
    if only is not None:
        shown = shown.where(studies.c.id.in_(only))
        of_exams = of_exams.where(exams.c.study_id.in_(only))
        of_series, of_files = (each.where(series.c.study_id.in_(only)) for each in (of_series, of_files))
    counted = {row[0]: row[1] for row in database.rows(of_exams)}
    held = {(row[0], row[1]): (row[2], int(row[3])) for row in database.rows(of_files)}
    kinds: dict[int, dict[str, Count]] = {}
    newest: dict[int, int] = {}
    for row in sorted(database.rows(of_series), key=lambda row: row[1]):
        kinds.setdefault(row[0], {})[row[1]] = Count(row[2], *held.get((row[0], row[1]), (0, 0)))
        newest[row[0]] = max(row[3], newest.get(row[0], row[3]))
    return [
        _of_study(row.code, counted.get(row.id, 0), kinds.get(row.id, {}), newest.get(row.id)) for row in database.rows(shown)
    ]


def _of_study(code: str, exams_: int, kinds: dict[str, Count], added: int | None) -> StudyStatistics:
    return StudyStatistics(
        code, exams_, sum(each.series for each in kinds.values()), sum(each.files for each in kinds.values()),
        sum(each.bytes for each in kinds.values()), added, kinds,
    )  # fmt: skip
