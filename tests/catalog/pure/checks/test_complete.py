"""What is missing within a series: by its numbers and by where its slices lie."""

from array import array
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.pure.checks import Checks, Position
from catalog.pure.checks.complete import missing_numbers, missing_slices, position_of, slices_with_fewer
from tests.catalog.pure.checks.test_rules import GOOD, check, files

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ([], []),
        ([5], []),
        ([1, 9], []),
        ([1, 2, 3, 4], []),
        ([4, 2, 1, 2], [3]),
        ([1, 2, 5, 6], [3, 4]),
        ([1, 3, 5, 7], []),
        ([1, 3, 5, 9], [7]),
        ([2, 4, 7, 8, 10], [3, 5, 6, 9]),
        ([1001, 1002, 2001, 2002], []),
    ],
)
def test_missing_numbers(there: list[int], missing: list[int]) -> None:
    assert missing_numbers(array("l", there)) == (len(missing), missing)


@given(st.integers(0, 1000), st.integers(1, 3), st.integers(8, 200), st.data())
def test_what_is_taken_from_within_an_even_series_is_missed(first: int, step: int, count: int, data: st.DataObject) -> None:
    whole = list(range(first, first + step * count, step))
    gone = data.draw(st.sets(st.sampled_from(whole[3:-1]), max_size=5))
    number, named = missing_numbers(array("l", [one for one in whole if one not in gone]))
    assert number == len(gone)
    assert named == sorted(gone)[:10]


def test_gaps_are_told_by_series() -> None:
    some = [one for one in files(20) if one.number not in {7, 8}]
    (found,) = check(some)
    assert (found.check, found.series) == ("gaps", "3")
    assert found.message.startswith("series 3: 2 instance numbers are missing (7, 8)")


def test_many_missing_numbers_are_not_all_named() -> None:
    (found,) = check([one for one in files(60) if not 10 < (one.number or 0) < 41])
    assert "30 instance numbers are missing (11, 12, 13, 14, 15, 16, 17, 18, 19, 20, ...)" in found.message


@pytest.mark.parametrize(
    ("distances", "missing"),
    [
        ([0, 1, 2, 3], 0),
        ([0, 100, 200, 300, 500], 1),
        ([0, 100, 200, 300, 400, 800, 900], 3),
        ([0, 120, 240, 360, 481, 600], 0),
        ([0, 100, 350, 500, 900, 1000], 0),
        ([0, 1, 2, 3, 4, 10**9], 0),
    ],
)
def test_missing_slices(distances: list[int], missing: int) -> None:
    assert missing_slices(Counter(distances)) == missing


@given(st.integers(-(10**6), 10**6), st.integers(50, 1000), st.integers(12, 100), st.data())
def test_slices_taken_from_within_an_even_stack_are_missed(first: int, step: int, count: int, data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.integers(1, count - 2), min_size=1, max_size=2))
    stack = Counter(first + step * index for index in range(count) if index not in gone)
    assert missing_slices(stack) == len(gone)


def test_a_place_with_fewer_images_is_told() -> None:
    assert slices_with_fewer(Counter(dict.fromkeys(range(30), 60) | {31: 59})) == 1
    assert slices_with_fewer(Counter(dict.fromkeys(range(30), 60))) == 0
    assert slices_with_fewer(Counter({n: n for n in range(1, 30)})) == 0


def test_positions_count_along_the_slice_direction() -> None:
    assert position_of((5.0, 7.0, 12.5), AXIAL) == Position((100, 0, 0, 0, 100, 0), 1250)
    assert position_of(None, AXIAL) is None
    assert position_of((float("nan"), 0.0, 0.0), AXIAL) is None
    assert position_of((float("inf"), 0.0, 0.0), AXIAL) is None


def test_a_missing_slice_is_told_by_series() -> None:
    checks = Checks()
    for one in files(20):
        if one.file != 9:
            checks.see(
                replace(GOOD, file=one.file, instance=one.instance, position=position_of((0.0, 0.0, 3.0 * one.file), AXIAL))
            )
    (found,) = checks.end()
    assert (found.check, found.series) == ("slices", "3")
    assert found.message.startswith("series 3: by their positions 1 slice is missing")


def test_localizers_of_three_planes_are_whole() -> None:
    planes = [AXIAL, (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)]
    checks = Checks()
    for one in files(15):
        place = (10.0 * one.file, 10.0 * one.file, 10.0 * one.file)
        checks.see(replace(one, position=position_of(place, planes[one.file % 3])))
    assert checks.end() == []
