"""The gate's checks: plain rules over what was read of a batch's files, each with a name, a severity, and what to do.

A rule sees digests and codes, never an identity, and its message holds none: findings are kept in the catalogue.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """What a finding means for the decision."""

    ERROR = "error"  # this file stays out; the rest can be accepted
    BLOCKING = "blocking"  # the batch is accepted only by a human who gives a reason
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `file` is the staged file's number, None for the batch."""

    check: str
    severity: Severity
    message: str
    file: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What the rules see of a staged file. Digests are keyed; '' where the file says nothing.

    `problem` says why the file cannot be read, '' if it can; if not, nothing else is known of it. `elsewhere` is another batch
    that has the same instance, None if there is none.
    """

    file: int
    problem: str = ""
    instance: str = ""
    patient: str = ""
    study: str = ""
    series: str = ""
    modality: str = ""
    series_number: int | None = None
    same_in_meta: bool = True
    lacks_pixels: bool = False
    elsewhere: int | None = None


Rule = Callable[[Sequence[CheckedFile]], Iterable[Finding]]


def readable(files: Sequence[CheckedFile]) -> Iterator[Finding]:
    """Each file must be whole DICOM."""
    for file in files:
        if file.problem:
            yield Finding("readable", Severity.ERROR, f"{file.problem}; it stays out: send it again, or leave it", file.file)


def one_patient(files: Sequence[CheckedFile]) -> Iterator[Finding]:
    """A batch becomes one exam, so it must be of one patient."""
    patients = Counter(file.patient for file in files if not file.problem)
    if len(patients) > 1:
        common = patients.most_common(1)[0][0]
        others = [file.file for file in files if not file.problem and file.patient != common]
        yield Finding(
            "one_patient",
            Severity.BLOCKING,
            f"files of {len(patients)} patients are in one batch; {_files(others)} not of the one with most "
            "files. Reject it and send one patient at a time, or accept it with --despite REASON if they are the same person",
        )
        for number in others:
            yield Finding("one_patient", Severity.BLOCKING, "this file is of another patient than most of the batch", number)


def one_study(files: Sequence[CheckedFile]) -> Iterator[Finding]:
    """A DICOM study maps to an exam; two in a batch may be two visits."""
    studies = {file.study for file in files if not file.problem}
    if len(studies) > 1:
        yield Finding(
            "one_study",
            Severity.WARNING,
            f"files of {len(studies)} DICOM studies are in one batch and would become one exam; check that it is one visit",
        )


def duplicates(files: Sequence[CheckedFile]) -> Iterator[Finding]:
    """One instance should be there once."""
    seen: set[str] = set()
    for file in files:
        if file.instance and file.instance in seen:
            yield Finding(
                "duplicates",
                Severity.WARNING,
                "this file is the same instance as another, with other bytes; only the first will be archived",
                file.file,
            )
        seen.add(file.instance)
    for batch, count in sorted(Counter(file.elsewhere for file in files if file.elsewhere is not None).items()):
        yield Finding("duplicates", Severity.WARNING, f"{count} of the files {_wait(count)} in batch {batch} too")


def consistent(files: Sequence[CheckedFile]) -> Iterator[Finding]:
    """What the sender called the instance must be what the data set says it is."""
    for file in files:
        if not file.problem and not file.same_in_meta:
            yield Finding(
                "consistent",
                Severity.WARNING,
                "the sender announced another instance UID than the data set holds; the data set's counts",
                file.file,
            )


def has_pixels(files: Sequence[CheckedFile]) -> Iterator[Finding]:
    """An image without pixels may be the first half of a file."""
    for file in files:
        if file.lacks_pixels:
            yield Finding(
                "has_pixels",
                Severity.WARNING,
                "it is an image by its SOP class but has no pixels: cut off, or sent without them; look at it before accepting",
                file.file,
            )


RULES: tuple[Rule, ...] = (readable, one_patient, one_study, duplicates, consistent, has_pixels)


def check(files: Sequence[CheckedFile]) -> list[Finding]:
    """Run every rule and return all findings, in the order of the rules."""
    return [finding for rule in RULES for finding in rule(files)]


def summary(files: Sequence[CheckedFile]) -> list[dict[str, Any]]:
    """Return what the batch holds: modality, series number and how many files, one entry a series."""
    series = Counter((file.series_number, file.modality, file.series) for file in files if not file.problem)
    ordered = sorted(series.items(), key=lambda item: (item[0][0] or 0, item[0][1], item[0][2]))
    return [{"modality": modality, "series": number, "files": count} for (number, modality, _), count in ordered]


def _files(numbers: Sequence[int]) -> str:
    return "1 file is" if len(numbers) == 1 else f"{len(numbers)} files are"


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"
