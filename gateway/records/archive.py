"""Studies, nodes of the tree, and what answers a question, as JSON objects."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NotRequired

from typing_extensions import TypedDict

from catalog.administration import Study, StudyDetails
from catalog.pure.nodes import Node
from catalog.view.statistics import StudyStatistics
from catalog.view.view import Origin
from gateway.records.moments import moment

if TYPE_CHECKING:  # asking is not what `archimed ls` waits for
    from catalog.metadata.coverage import Coverage
    from catalog.metadata.searching import FoundFile, FoundSeries


class StudyRecord(TypedDict):
    """A study. `end_date` is YYYY-MM-DD; `own_profile`: it has a de-identification profile other than the default."""

    id: int
    code: str
    description: str
    end_date: str | None
    own_profile: bool
    created: str
    closed: str | None
    retention_years: int | None


class StudyDetailsRecord(StudyRecord):
    """A study with the number of its exams, the logins of who may see it, and the text of its own profile."""

    exams: int
    users: list[str]
    profile: str | None


class NodeRecord(TypedDict):
    """A place in the tree. A file has `size` (bytes) and `sha256` (hex); its `mtime` is its acquisition as published."""

    name: str
    kind: str
    mtime: str
    changed: str
    size: NotRequired[int]
    sha256: NotRequired[str]


class OriginRecord(TypedDict):
    """Where a result comes from: the series beside which it stands, the program, all series it was made of, who brought it."""

    made_of: str
    program: str
    sources: list[str]
    brought_by: str


class StatRecord(NodeRecord):
    """A place in the tree with its path; a result also has `made_of`, `program`, `sources` and `brought_by`."""

    path: str
    made_of: NotRequired[str]
    program: NotRequired[str]
    sources: NotRequired[list[str]]
    brought_by: NotRequired[str]


class RangeRecord(TypedDict):
    """The smallest and the largest of numbers in which the files of a series differ."""

    min: int | float
    max: int | float


Value = int | float | str | list[int | float | str | None] | RangeRecord


class SeriesRecord(TypedDict):
    """A series. `files` is how many of its files answer; `metadata` what all its files share, in the unit of each field."""

    path: str
    study: str
    exam: str
    series: str
    file_type: str
    number: int
    description: str
    files: int
    acquired: str | None
    added: str
    metadata: dict[str, Value]


class ResultRecord(SeriesRecord):
    """A result: a series with where it comes from, as `stat` shows it."""

    made_of: str
    program: str
    sources: list[str]
    brought_by: str


class FileRecord(TypedDict):
    """A file that answers a question. `size` is in bytes, `sha256` in hexadecimal digits."""

    path: str
    study: str
    exam: str
    series: str
    file_type: str
    name: str
    size: int
    sha256: str
    acquired: str | None


class FieldRecord(TypedDict):
    """A field that can be asked for: its kind of value, its unit, and in how many series at least one file tells it."""

    name: str
    kind: str
    unit: str
    series: int
    meaning: str


class CountRecord(TypedDict):
    """How many series, files and bytes."""

    series: int
    files: int
    bytes: int


class StatisticsRecord(TypedDict):
    """How much a study holds, also by type of file. `added` is when something was published last, null: never."""

    study: str
    exams: int
    series: int
    files: int
    bytes: int
    added: str | None
    file_types: dict[str, CountRecord]


def study(found: Study) -> StudyRecord:
    """Return a study's object."""
    return StudyRecord(
        id=found.id, code=found.code, description=found.description, end_date=found.end_date, own_profile=found.own_profile,
        created=moment(found.created), closed=moment(found.closed), retention_years=found.retention_years,
    )  # fmt: skip


def study_details(found: StudyDetails) -> StudyDetailsRecord:
    """Return a study's object with what belongs to it."""
    return StudyDetailsRecord(**study(found.study), exams=found.exams, users=found.users, profile=found.profile)


def node(found: Node) -> NodeRecord:
    """Return the object of a place in the tree."""
    record = NodeRecord(
        name=found.name, kind=found.id.kind.name.lower(), mtime=moment(found.mtime), changed=moment(found.changed)
    )
    if not found.is_folder:
        record |= {"size": found.size, "sha256": found.digest.hex()}
    return record


def origin(found: Origin) -> OriginRecord:
    """Return the object of where a result comes from."""
    return OriginRecord(made_of=found.made_of, program=found.program, sources=list(found.sources), brought_by=found.brought_by)


def stat(path: str, found: Node, made: Origin | None = None) -> StatRecord:
    """Return the object of a place in the tree with its path and, of a result, where it comes from."""
    whole = "/".join(filter(None, path.split("/")))
    if made is None:
        return StatRecord(path=whole, **node(found))  # type: ignore[typeddict-item] # not there are those of a result
    return StatRecord(path=whole, **node(found), **origin(made))


def series(found: "FoundSeries") -> SeriesRecord:
    """Return the object of a series that answers."""
    return SeriesRecord(
        path=f"{found.study}/{found.exam}/{found.name}", study=found.study, exam=found.exam, series=found.name,
        file_type=found.file_type, number=found.number, description=found.description, files=found.files,
        acquired=moment(found.acquired), added=moment(found.added),
        metadata={name: value(found_value) for name, found_value in found.metadata.items()},
    )  # fmt: skip


def files(found: "Iterable[FoundSeries]") -> Iterator[FileRecord]:
    """Yield the objects of the files that answer."""
    for one in found:
        for file in one.chosen:
            yield _file(one, file)


def result(found: "FoundSeries", made: Origin | None) -> ResultRecord:
    """Return the object of a result."""
    return ResultRecord(**series(found), **origin(made or Origin("", "", (), "")))


def statistics(found: StudyStatistics) -> StatisticsRecord:
    """Return the object of how much a study holds."""
    kinds = {
        name: CountRecord(series=each.series, files=each.files, bytes=each.bytes) for name, each in found.file_types.items()
    }
    return StatisticsRecord(
        study=found.study, exams=found.exams, series=found.series, files=found.files, bytes=found.bytes,
        added=moment(found.added), file_types=kinds,
    )  # fmt: skip


def field(found: "Coverage") -> FieldRecord:
    """Return the object of a field that can be asked for."""
    return FieldRecord(
        name=found.field.name, kind="integer" if found.field.whole else found.field.kind.name.lower(), unit=found.field.unit,
        series=found.series, meaning=found.field.meaning,
    )  # fmt: skip


def _file(one: "FoundSeries", file: "FoundFile") -> FileRecord:
    return FileRecord(
        path=f"{one.study}/{one.exam}/{one.name}/{file.name}", study=one.study, exam=one.exam, series=one.name,
        file_type=one.file_type, name=file.name, size=file.size, sha256=file.sha256.hex(), acquired=moment(file.acquired),
    )  # fmt: skip


def value(found_value: object) -> Value:
    """Return a value of the metadata, or the range in which the files of a series differ."""
    from catalog.metadata.searching import Range  # late: as above

    if isinstance(found_value, Range):
        return RangeRecord(min=found_value.low, max=found_value.high)  # type: ignore[typeddict-item] # only numbers have a range
    return found_value  # type: ignore[return-value] # `Typed` names the same types
