"""How long what is kept, and when the clock is not believed."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.pure.retention import DAY, Hold, Kept, Watch, clock_problem, watched, why_not

NOW = int(dt.datetime(2026, 6, 1, tzinfo=dt.UTC).timestamp())
HOLD = Hold("S", "inspection", "ada", NOW)


@pytest.mark.parametrize(
    ("kept", "put_after_days", "overridden", "why"),
    [
        (Kept(None, 15), 5, False, ""),
        (Kept(None, 15), 31, False, "no end date"),
        (Kept("2011-06-01", 15), 31, False, ""),
        (Kept("2011-06-02", 15), 31, False, "kept until 2026-06-02"),
        (Kept("2011-06-02", 15), 31, True, ""),
        (Kept("2000-01-01", 15, HOLD), 5, True, "legal hold"),
    ],
)
def test_what_stands_in_the_way(kept: Kept, put_after_days: int, overridden: bool, why: str) -> None:
    put = NOW - DAY
    published = put - put_after_days * DAY
    found = why_not(kept, published=published, put=put, now=NOW, withdraw_days=30, overridden=overridden)
    assert (why in found) if why else (found == "")


@given(st.dates(), st.integers(0, 10_000))
def test_every_day_has_a_day_until_which_it_is_kept(end: dt.date, years: int) -> None:
    until = Kept(end.isoformat(), years).until
    assert until is not None
    assert until >= end


def test_a_clock_that_jumped_or_went_back_is_doubted() -> None:
    first = watched(None, NOW)
    assert clock_problem(first, NOW - 5, NOW) == ""
    assert "behind" in clock_problem(first, NOW + 5, NOW)
    jumped = watched(first, NOW + 40 * DAY)
    assert "jumped" in clock_problem(jumped, NOW, NOW + 40 * DAY)
    back = watched(jumped, NOW)
    assert "behind" in clock_problem(back, NOW, NOW)
    later = watched(Watch(NOW + 41 * DAY - 600, NOW + 41 * DAY), NOW + 41 * DAY)
    assert clock_problem(later, NOW, NOW + 41 * DAY) == ""
