"""What a study expects: an exam code of its kind, the series of its protocol, as many files as in its other exams.

These see the batch's series when all files were seen. A message calls a series by its label, never by its description.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from catalog.pure.checks.model import Finding, Severity, counted, of_series
from catalog.pure.checks.series import Series
from catalog.pure.expectations import Expectations, ExpectedSeries
from catalog.pure.results import FILE_TYPE

_FEWEST_SIBLINGS = 3
_AGREE = 2 / 3


def exam_code(exam: str, expected: Expectations) -> Iterator[Finding]:
    """An exam code that is known by now looks like those of its study."""
    if exam and not expected.takes(exam):
        yield Finding(
            "exam_code",
            Severity.WARNING,
            f"the exam code {exam} is none as the study expects ({expected.exam}); accept it with another --exam, "
            "or with --despite REASON",
        )


def protocol(series: Sequence[Series], expected: Expectations) -> Iterator[Finding]:
    """Each series that the study expects is there, with as many files as it should have."""
    for wanted in expected.series:
        found = [one for one in series if wanted.fits(one.modality, one.description)]
        if not found and not wanted.optional:
            yield Finding(
                "protocol",
                Severity.WARNING,
                f"the study expects a series {wanted.name}, and none is in the batch: wait for it, or accept what is there",
            )
        for one in found:
            if not _enough(one.whole, wanted):
                yield Finding(
                    "protocol",
                    Severity.WARNING,
                    f"{of_series(one.label)} has {counted(one.whole, 'file')}; the study expects {_number(wanted)} in "
                    f"{wanted.name}: send the series again, or accept it if that is how it was acquired",
                    series=one.label,
                )


def siblings(series: Sequence[Series]) -> Iterator[Finding]:
    """A series has as many files as the same series in the study's other exams, where these agree."""
    for one in series:
        if len(one.siblings) < _FEWEST_SIBLINGS:
            continue
        usual, agreeing = Counter(one.siblings).most_common(1)[0]
        if agreeing >= _AGREE * len(one.siblings) and one.whole < usual:
            yield Finding(
                "siblings",
                Severity.WARNING,
                f"{of_series(one.label)} has {counted(one.whole, 'file')}; the same series has {usual} in {agreeing} of "
                f"{len(one.siblings)} other exams of this study: send it again, or accept it if that is how it was acquired",
                series=one.label,
            )


def made_of_nothing(series: Sequence[Series], archived: Collection[int], exam: str) -> Iterator[Finding]:
    """A result was made of a series that its exam has, or gets.

    Args:
        archived: the numbers of the series that the exam has.
    """
    there = {*archived, *(one.number or 0 for one in series if one.file_type != FILE_TYPE)}
    for one in series:
        if one.file_type == FILE_TYPE and one.number not in there:
            yield Finding(
                "result_of",
                Severity.WARNING,
                f"{of_series(one.label)} is a result made of nothing: exam {exam} has no series {one.number}; call its folder "
                "after the series it was made of, give another --exam, or accept it as it is",
                series=one.label,
                of_study=True,
            )


def _enough(files: int, wanted: ExpectedSeries) -> bool:
    return wanted.fewest is None or wanted.most is None or wanted.fewest <= files <= wanted.most


def _number(wanted: ExpectedSeries) -> str:
    return str(wanted.fewest) if wanted.fewest == wanted.most else f"{wanted.fewest} to {wanted.most}"
