"""Searching: which patients, studies, series and instances a user sees, and what is known of them.

The catalogue is asked for exams first, by the keys that it has columns for, then for their series some exams at a time, so that
an answer begins at once and memory does not grow with it. What SQL cannot decide is decided by `matching`. A series is an
answer if it is DICOM and all its files name one study and one series, as all that were published do.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import exams, fields, files, series, series_values, studies
from catalog.filetypes.dicom import published_instance
from catalog.metadata.columns import Spread
from catalog.retrieve.matching import Level, Query
from catalog.visible import visible_exams, visible_files, visible_series

_PAGE = 50
_STUDY_FIELDS = frozenset({"StudyInstanceUID", "StudyDate", "StudyTime"})
_ALWAYS = frozenset({"StudyInstanceUID", "SeriesInstanceUID", "Modality", "StudyDate"})
Values = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Scope:
    """Who asks: the user's row, and the rows of the studies that the peer is confined to (None: all that are granted)."""

    user: int
    studies: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """A stored DICOM file: its row, its size in bytes, the SHA-256 of its bytes, what its series says of SOP class and syntax
    ('' where files differ)."""

    row: int
    size: int
    digest: bytes
    sop_class: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A patient, study, series or instance: what is known of it, by DICOM keyword. `instance`: the file, at level IMAGE."""

    values: Values
    instance: Instance | None = None


@dataclass(frozen=True, slots=True)
class _Exam:
    """An exam, with the code of its study."""

    row: int
    code: str
    study: str


@dataclass(slots=True)
class _Series:
    row: int
    exam: int
    number: int
    description: str
    files: int = 0
    values: dict[str, str] = field(default_factory=dict)


def search(database: Database, scope: Scope, query: Query) -> Iterator[Answer]:
    """Yield what answers a query, in the order of the tree.

    What is not granted is not there. Attributes that the catalogue does not hold are not in the answers and not matched;
    at level IMAGE those of the file itself are the caller's to look at (`Answer.instance`).
    """
    make = _MAKERS[query.level]
    counted = any(keyword.startswith("NumberOf") for keyword in query.keys)
    for page in _exam_pages(database, scope, query):
        found = _series_of(database, scope, [exam.row for exam in page], query, counted=counted)
        for exam in page:
            for answer in make(database, scope, query, exam, found.get(exam.row, [])):
                if query.matches(answer.values):
                    yield answer


def instances(database: Database, scope: Scope, query: Query) -> Iterator[Instance]:
    """Yield the files of all that a C-GET or C-MOVE asks for."""
    down = Query(Level.IMAGE, {keyword: key for keyword, key in query.keys.items() if key.wanted})
    for answer in search(database, scope, down):
        if answer.instance is not None:
            yield answer.instance


def _exam_pages(database: Database, scope: Scope, query: Query) -> Iterator[Sequence[_Exam]]:
    statement = visible_exams(
        scope.user, exams.c.id, exams.c.code, studies.c.code.label("study")
    ).join(studies, studies.c.id == exams.c.study_id)  # fmt: skip
    if scope.studies is not None:
        statement = statement.where(exams.c.study_id.in_(scope.studies))
    for keyword, column in (("PatientID", exams.c.code), ("IssuerOfPatientID", studies.c.code)):
        wanted = query.wanted(keyword)
        if wanted and not any(sign in value for value in wanted for sign in "*?"):
            statement = statement.where(column.in_(wanted))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
        if wanted := query.wanted(keyword):
            statement = statement.where(exams.c.id.in_(_exams_with(database, keyword, wanted)))
    order = (studies.c.code_key, exams.c.code_key)
    # Page by page, by the last one's key: who wants the first few of ten thousand exams waits for these alone.
    statement = statement.add_columns(*order).order_by(*order).limit(_PAGE)
    page = database.rows(statement)
    while page:
        yield [_Exam(*row[:-2]) for row in page]
        after = sa.tuple_(*order) > sa.tuple_(*map(sa.literal, page[-1][-2:]))
        page = database.rows(statement.where(after)) if len(page) == _PAGE else []


def _exams_with(database: Database, keyword: str, wanted: Sequence[str]) -> sa.Select[Any]:
    row = database.row(sa.select(fields.c.id).where(fields.c.name == keyword))
    # Written into the statement, not bound: an index of one field is used only if the statement names it.
    number: sa.ColumnElement[int] = sa.literal_column(str(row.id if row else 0))
    return (
        sa.select(series.c.exam_id)
        .join(series_values, series_values.c.series_id == series.c.id)
        .where(series_values.c.field_id == number, series_values.c.text.in_(wanted))
    )


def _series_of(
    database: Database, scope: Scope, chosen: Sequence[int], query: Query, *, counted: bool
) -> Mapping[int, Sequence[_Series]]:
    columns = (series.c.id, series.c.exam_id, series.c.number, series.c.description)
    rows = database.rows(
        visible_series(scope.user, *columns)
        .where(series.c.exam_id.in_(chosen), series.c.file_type.like("DCM%"))
        .order_by(series.c.exam_id, series.c.number, series.c.name_key)
    )
    found = {row.id: _Series(row.id, row.exam_id, row.number, row.description) for row in rows}
    names = {*query.keys, *_ALWAYS, "SOPClassUID", "TransferSyntaxUID"}
    values = database.rows(
        sa.select(series_values.c.series_id, fields.c.name, series_values.c.low, series_values.c.text)
        .join(fields, fields.c.id == series_values.c.field_id)
        .where(series_values.c.series_id.in_(list(found)), fields.c.name.in_(names), series_values.c.spread == Spread.SAME)
    )
    for row in values:
        found[row.series_id].values[row.name] = row.text if row.text is not None else _written(row.low)
    if counted:
        counts = visible_files(scope.user, files.c.series_id, sa.func.count()).where(files.c.series_id.in_(list(found)))
        for series_id, count in database.rows(counts.group_by(files.c.series_id)):
            found[series_id].files = count
    whole = [one for one in found.values() if {"StudyInstanceUID", "SeriesInstanceUID"} <= one.values.keys()]
    return {exam: list(those) for exam, those in groupby(whole, key=lambda one: one.exam)}


def _written(number: float) -> str:
    return str(int(number)) if number.is_integer() else str(number)


def _patient(exam: _Exam) -> dict[str, tuple[str, ...]]:
    return {
        "PatientID": (exam.code,), "PatientName": (exam.code,), "IssuerOfPatientID": (exam.study,), "PatientBirthDate": (),
        "ClinicalTrialProtocolID": (exam.study,), "ClinicalTrialSubjectID": (exam.code,),
    }  # fmt: skip


def _study(exam: _Exam, of_study: Sequence[_Series]) -> dict[str, tuple[str, ...]]:
    first = of_study[0].values
    return {
        **_patient(exam),
        **{keyword: (first[keyword],) for keyword in _STUDY_FIELDS if keyword in first},
        "StudyDescription": (exam.study,), "StudyID": (exam.code,), "AccessionNumber": (), "ReferringPhysicianName": (),
        "ModalitiesInStudy": tuple(sorted({one.values["Modality"] for one in of_study if "Modality" in one.values})),
        "SOPClassesInStudy": tuple(sorted({one.values["SOPClassUID"] for one in of_study if "SOPClassUID" in one.values})),
        "NumberOfStudyRelatedSeries": (str(len(of_study)),),
        "NumberOfStudyRelatedInstances": (str(sum(one.files for one in of_study)),),
    }  # fmt: skip


def _series(study: Mapping[str, tuple[str, ...]], one: _Series) -> dict[str, tuple[str, ...]]:
    return {
        **study,
        **{keyword: tuple(value.split("\\")) for keyword, value in one.values.items()},
        "SeriesNumber": (str(one.number),), "SeriesDescription": (one.description,) if one.description else (),
        "NumberOfSeriesRelatedInstances": (str(one.files),),
    }  # fmt: skip


def _studies_of(found: Sequence[_Series]) -> Iterator[list[_Series]]:
    """Yield the series of each DICOM study of an exam: there may be several."""
    by_study: dict[str, list[_Series]] = {}
    for one in found:
        by_study.setdefault(one.values["StudyInstanceUID"], []).append(one)
    yield from by_study.values()


def _patients(_database: Database, _scope: Scope, _query: Query, exam: _Exam, found: Sequence[_Series]) -> Iterator[Answer]:
    if found:
        numbers = {
            "NumberOfPatientRelatedStudies": len(list(_studies_of(found))), "NumberOfPatientRelatedSeries": len(found),
            "NumberOfPatientRelatedInstances": sum(one.files for one in found),
        }  # fmt: skip
        yield Answer({**_patient(exam), **{keyword: (str(number),) for keyword, number in numbers.items()}})


def _studies(_database: Database, _scope: Scope, _query: Query, exam: _Exam, found: Sequence[_Series]) -> Iterator[Answer]:
    for of_study in _studies_of(found):
        yield Answer(_study(exam, of_study))


def _all_series(_database: Database, _scope: Scope, _query: Query, exam: _Exam, found: Sequence[_Series]) -> Iterator[Answer]:
    for of_study in _studies_of(found):
        study = _study(exam, of_study)
        for one in of_study:
            yield Answer(_series(study, one))


def _images(database: Database, scope: Scope, query: Query, exam: _Exam, found: Sequence[_Series]) -> Iterator[Answer]:
    wanted = query.wanted("SOPInstanceUID")
    for of_study in _studies_of(found):
        study = _study(exam, of_study)
        for one in of_study:
            # What all its files share is compared here; the rest, in the files.
            values = {keyword: value for keyword, value in _series(study, one).items() if keyword not in _COUNTS}
            if not query.matches(values):
                continue
            statement = visible_files(scope.user, files.c.id, files.c.size, files.c.sha256).where(files.c.series_id == one.row)
            if wanted:
                statement = statement.where(files.c.identity.in_([published_instance(uid) for uid in wanted]))
            for row in database.rows(statement.order_by(files.c.name_key)):
                kinds = (one.values.get("SOPClassUID", ""), one.values.get("TransferSyntaxUID", ""))
                yield Answer(values, Instance(row.id, row.size, bytes(row.sha256), *kinds))


_COUNTS = frozenset({"NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "NumberOfSeriesRelatedInstances"})
_Maker = Callable[[Database, Scope, Query, _Exam, Sequence[_Series]], Iterator[Answer]]
_MAKERS: dict[Level, _Maker] = {
    Level.PATIENT: _patients, Level.STUDY: _studies, Level.SERIES: _all_series, Level.IMAGE: _images,
}  # fmt: skip
