"""Rules on what is missing within a series, as far as its own files show."""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise
from math import isfinite
from statistics import median_low

from catalog.pure.checks.model import CheckedFile, Finding, Position, Rule, Severity, counted, of_series

_FEWEST_NUMBERS = 3
_FEWEST_SLICES = 5
_LARGEST_NUMBER = 2**31 - 1
_MOST_MISSING = 10  # times as many as are there: then the numbers mean something else
_IRREGULAR = 4  # one step in so many may be a gap; where more are, the spacing is not even
_CALLED = 10
_ADVICE = "send the series again, or accept it if that is how it was acquired"


class Gaps(Rule):
    """The instance numbers of a series run through, with those that are archived: slices that were sent again complete it."""

    name = "gaps"
    severity = Severity.WARNING

    def __init__(self) -> None:
        self._numbers: dict[str, array[int]] = {}

    def see(self, file: CheckedFile) -> Iterable[Finding]:
        """Remember the number."""
        if file.series and file.number is not None and 0 <= file.number <= _LARGEST_NUMBER:
            self._numbers.setdefault(file.series, array("l")).append(file.number)
        return ()

    def know_archived(self, series: str, numbers: Collection[int]) -> None:
        """Add them to the series' own."""
        self._numbers.setdefault(series, array("l")).extend(n for n in numbers if 0 <= n <= _LARGEST_NUMBER)

    def end(self) -> Iterator[Finding]:
        """Name the numbers that are missing."""
        for series, numbers in self._numbers.items():
            count, first = missing_numbers(numbers)
            if count:
                called = ", ".join(map(str, first)) + (", ..." if count > len(first) else "")
                yield self.says(
                    f"{of_series(series)}: {counted(count, 'instance number')} {'is' if count == 1 else 'are'} missing "
                    f"({called}); {_ADVICE}",
                    series=series,
                )


class Slices(Rule):
    """The slices of a series lie evenly, and each was taken as often as the others."""

    name = "slices"
    severity = Severity.WARNING

    def __init__(self) -> None:
        self._stacks: dict[str, dict[tuple[int, ...], Counter[int]]] = {}

    def see(self, file: CheckedFile) -> Iterable[Finding]:
        """Remember where the image lies."""
        if file.series and file.position is not None:
            stacks = self._stacks.setdefault(file.series, {})
            stacks.setdefault(file.position.direction, Counter())[file.position.distance] += 1
        return ()

    def know_archived(self, series: str, numbers: Collection[int]) -> None:
        """Say nothing of it: where the archived slices lie is not known here, and their numbers are looked at."""
        self._stacks.pop(series, None)

    def end(self) -> Iterator[Finding]:
        """Say how many slices are missing, and how many were taken less often."""
        for series, stacks in self._stacks.items():
            missing = sum(missing_slices(stack) for stack in stacks.values())
            if missing:
                yield self.says(
                    f"{of_series(series)}: by their positions {counted(missing, 'slice')} "
                    f"{'is' if missing == 1 else 'are'} missing; {_ADVICE}",
                    series=series,
                )
            fewer = sum(slices_with_fewer(stack) for stack in stacks.values())
            if fewer:
                yield self.says(
                    f"{of_series(series)}: {counted(fewer, 'slice position')} {'has' if fewer == 1 else 'have'} "
                    f"fewer images than the others; {_ADVICE}",
                    series=series,
                )


def missing_numbers(numbers: "array[int]") -> tuple[int, list[int]]:
    """Return how many numbers of an even sequence are missing, and the first of them."""
    there = sorted(set(numbers))
    if len(there) < _FEWEST_NUMBERS:
        return 0, []
    step = min(after - before for before, after in pairwise(there))
    gaps = [(before, after) for before, after in pairwise(there) if after - before > step]
    count = sum((after - before) // step - 1 for before, after in gaps)
    if any((after - before) % step for before, after in gaps) or count > _MOST_MISSING * len(there):
        return 0, []
    first: list[int] = []
    for before, after in gaps:
        first += range(before + step, after, step)[: _CALLED - len(first)]
    return count, first


def missing_slices(stack: Mapping[int, int]) -> int:
    """Return how many slices of a stack are missing between others, by their distances; 0 where it is not even."""
    distances = sorted(stack)
    if len(distances) < _FEWEST_SLICES:
        return 0
    steps = [after - before for before, after in pairwise(distances)]
    usual = median_low(steps)
    wide = [step for step in steps if step > 1.5 * usual]
    if len(wide) * _IRREGULAR > len(steps):
        return 0
    count = sum(round(step / usual) - 1 for step in wide)
    return count if count <= _MOST_MISSING * len(distances) else 0


def slices_with_fewer(stack: Mapping[int, int]) -> int:
    """Return at how many places there are fewer images than at most others; 0 where the places differ much."""
    if len(stack) < _FEWEST_SLICES:
        return 0
    usual, places = Counter(stack.values()).most_common(1)[0]
    fewer = sum(1 for count in stack.values() if count < usual)
    return fewer if places * _IRREGULAR >= len(stack) * (_IRREGULAR - 1) else 0


def position_of(image: tuple[float, ...] | None, orientation: tuple[float, ...] | None) -> Position | None:
    """Return where an image lies by its position (3 numbers) and orientation (6) as PS3.3 C.7.6.2.1.1 gives them."""
    if image is None or orientation is None or not all(map(isfinite, (*image, *orientation))):
        return None
    (a, b, c, d, e, f), (x, y, z) = orientation, image
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    direction = tuple(round(part * 100) for part in orientation)
    return Position(direction, round((normal[0] * x + normal[1] * y + normal[2] * z) * 100))
