"""Where the files of an import go: series folders and file names, decided once, before anything is written to the catalogue.

The decision depends on nothing but what is handed in, so that a publish job that is repeated decides the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from catalog.pure.names import FEWEST_DIGITS, file_name, folded, number_files, series_name, unique_name

_DICOM = "DCM"


@dataclass(frozen=True, slots=True)
class Description:
    """What a published file says of itself, as its file type reads it.

    `identity` (16 bytes) tells files of a series apart, `series` (16 bytes) the series of an exam. `acquired` is in seconds
    since 1970 UTC. None where the file does not say. Files of one `group` belong together and are called alike but for their
    extension, as the two halves of an image; b"" for a file on its own. `is_fixed`: a header in the group names the others by
    `number`, so that they can have no other.
    """

    file_type: str
    extension: str
    identity: bytes
    series: bytes
    series_number: int
    series_description: str
    number: int | None
    acquired: int | None
    group: bytes = b""
    is_fixed: bool = False


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is in the store and waits for its place in the tree."""

    staged: int
    digest: bytes
    size: int
    description: Description


@dataclass(frozen=True, slots=True)
class KnownSeries:
    """A series the exam has already: `files` maps the identity of each file to its digest and its number.

    `digits` is how many the names of its files have, the longest's.
    """

    row: int
    name: str
    identity: bytes
    files: Mapping[bytes, tuple[bytes, int]] = field(default_factory=dict)
    digits: int = FEWEST_DIGITS


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file and the name it gets."""

    stored: StoredFile
    name: str


@dataclass(frozen=True, slots=True)
class PlannedSeries:
    """A series to be made, or added to where `row` is not None."""

    row: int | None
    name: str
    first: Description
    acquired: int | None
    files: tuple[PlannedFile, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Where everything goes. `known` are archived already, byte for byte; `contradicting` are, or come twice, with other bytes.

    `unordered` came late to a series and have numbers longer than the names in it: by name they would stand among the first.
    `misnamed` are named in a header by a number that others in the series have.
    """

    series: tuple[PlannedSeries, ...]
    known: tuple[StoredFile, ...]
    contradicting: tuple[StoredFile, ...]
    unordered: tuple[StoredFile, ...] = ()
    misnamed: tuple[StoredFile, ...] = ()


def plan(
    files: Sequence[StoredFile], exam: Sequence[KnownSeries], archived: Mapping[bytes, bytes] = MappingProxyType({})
) -> Plan:
    """Decide where files go in an exam that has these series already.

    A DICOM instance has one place in a study: what is in another of its series or exams is not placed again, and of two in an
    import only the one that was staged first is. Other files are told apart within their series.

    Files of one series keep the order of their instance numbers; a number that is missing or taken is replaced by the next
    free one above all others. Names have as many digits as the largest number needs, so that their order is that of numbers.

    Args:
        files: what an import brings.
        exam: the series that are there.
        archived: by identity, the digests of those DICOM instances among them that any exam of the study has.
    """
    instances = _Instances(files, exam, archived)
    by_series: dict[bytes, list[StoredFile]] = {}
    for file in files:
        by_series.setdefault(file.description.series, []).append(file)
    known_series = {series.identity: series for series in exam}
    taken_names = {folded(series.name) for series in exam}
    planned: list[PlannedSeries] = []
    known: list[StoredFile] = []
    contradicting: list[StoredFile] = []
    unordered: list[StoredFile] = []
    misnamed: list[StoredFile] = []
    for identity, members in sorted(by_series.items(), key=lambda item: _order_of_series(item[1])):
        series = known_series.get(identity)
        fresh = _fresh(members, series, instances, known, contradicting)
        named = _named(fresh, series, unordered, misnamed)
        if not named:
            continue
        first = named[0].stored.description
        name = series.name if series else unique_name(_name(first), taken_names)
        taken_names.add(folded(name))
        moments = [file.stored.description.acquired for file in named if file.stored.description.acquired is not None]
        planned.append(PlannedSeries(series.row if series else None, name, first, min(moments, default=None), named))
    return Plan(tuple(planned), tuple(known), tuple(contradicting), tuple(unordered), tuple(misnamed))


class _Instances:
    """Which bytes each DICOM instance has, by its identity: those that are archived, else the first of the import."""

    def __init__(self, files: Sequence[StoredFile], exam: Sequence[KnownSeries], archived: Mapping[bytes, bytes]) -> None:
        self._digests = dict(archived)
        for series in exam:
            self._digests |= {identity: digest for identity, (digest, _) in series.files.items()}
        self._first: dict[bytes, int] = {}
        for file in sorted(filter(is_instance, files), key=lambda file: file.staged):
            identity = file.description.identity
            if identity not in self._digests:
                self._digests[identity] = file.digest
                self._first[identity] = file.staged

    def digest(self, file: StoredFile) -> bytes | None:
        """Return the bytes' digest that stand where this one would; None if it is the first."""
        identity = file.description.identity
        return None if self._first.get(identity) == file.staged else self._digests[identity]


def is_instance(file: StoredFile) -> bool:
    """Whether a file is a DICOM instance: its identity is that of a UID, which names one thing in the world."""
    return file.description.file_type.startswith(_DICOM)


def _fresh(
    members: Sequence[StoredFile],
    series: KnownSeries | None,
    instances: _Instances,
    known: list[StoredFile],
    contradicting: list[StoredFile],
) -> list[StoredFile]:
    """Return the members that are not in the archive yet, in order; the others go to the two lists."""
    seen = {identity: digest for identity, (digest, _) in series.files.items()} if series else {}
    fresh = []
    for file in sorted(members, key=_order_in_series):
        identity = file.description.identity
        there = instances.digest(file) if is_instance(file) else seen.get(identity)
        if there is None:
            seen[identity] = file.digest
            fresh.append(file)
        else:
            (known if there == file.digest else contradicting).append(file)
    return fresh


def _named(
    files: Sequence[StoredFile], series: KnownSeries | None, unordered: list[StoredFile], misnamed: list[StoredFile]
) -> tuple[PlannedFile, ...]:
    """Return the files with their names; those that cannot have one in order, or the one they must have, go to the lists."""
    taken = {number for _, number in series.files.values()} if series else set()
    groups = sorted(_groups(files), key=lambda members: not members[0].description.is_fixed)  # whose number is known first
    numbers = number_files([members[0].description.number for members in groups], taken)
    digits = series.digits if series else max(FEWEST_DIGITS, len(str(max(numbers, default=0))))
    named: list[PlannedFile] = []
    for members, number in zip(groups, numbers, strict=True):
        wanted = {file.description.number for file in members if file.description.is_fixed}
        if wanted and (wanted != {number} or digits != FEWEST_DIGITS):
            misnamed += members
        elif len(str(number)) > digits:
            unordered += members
        else:
            named += [PlannedFile(file, file_name(number, file.description.extension, digits)) for file in members]
    return tuple(named)


def _groups(files: Sequence[StoredFile]) -> list[list[StoredFile]]:
    """Return the files that get one number each: those of a group whose extensions differ, all others alone."""
    groups: list[list[StoredFile]] = []
    by_group: dict[bytes, list[StoredFile]] = {}
    for file in files:
        members = by_group.get(file.description.group) if file.description.group else None
        if members is None or file.description.extension in {one.description.extension for one in members}:
            members = by_group[file.description.group] = []
            groups.append(members)
        members.append(file)
    return groups


def _name(first: Description) -> str:
    return series_name(max(first.series_number, 0), first.file_type, first.series_description)


def _order_in_series(file: StoredFile) -> tuple[bool, int, int, int]:
    about = file.description
    return (about.number is None, about.number or 0, about.acquired or 0, file.staged)


def _order_of_series(members: Sequence[StoredFile]) -> tuple[int, int]:
    first = min(members, key=lambda file: file.staged)
    return (first.description.series_number, first.staged)
