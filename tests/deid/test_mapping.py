"""Laws of the keyed mapping and of shifted dates."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid import dates
from deid.mapping import Mapping

KEY = b"k" * 32
ROOT = Path(__file__).parents[2]
UIDS = st.from_regex(r"(?:0|[1-9][0-9]{0,9})(?:\.(?:0|[1-9][0-9]{0,9})){2,5}", fullmatch=True)
DAYS = st.integers(-3650, -366)
DATES = st.dates(dt.date(1880, 1, 1), dt.date(2100, 1, 1))


@given(UIDS)
def test_uids_map_into_2_25_the_same_way_each_time(uid: str) -> None:
    new = Mapping(KEY, "A").uid(uid)
    if uid.startswith("1.2.840.10008."):
        assert new == uid
        return
    assert new == Mapping(KEY, "A").uid(uid + "\0")
    assert new.startswith("2.25.")
    assert 0 <= int(new[5:]) < 2**128
    assert new not in (Mapping(KEY, "B").uid(uid), Mapping(b"l" * 32, "A").uid(uid))


@given(st.lists(UIDS, unique=True, max_size=50))
def test_different_uids_stay_different(uids: list[str]) -> None:
    mapping = Mapping(KEY, "A")
    assert len({mapping.uid(uid) for uid in uids}) == len(uids)


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.1", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.1.4.1.1"])
def test_uids_of_the_standard_stay(uid: str) -> None:
    assert Mapping(KEY, "A").uid(uid) == uid


def test_another_process_maps_alike() -> None:
    code = "from deid.mapping import Mapping; m = Mapping(b'k' * 32, 'A'); print(m.uid('1.2.3.4'), m.days(b'P1'))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    mapping = Mapping(KEY, "A")
    assert found.stdout.split() == [mapping.uid("1.2.3.4"), str(mapping.days(b"P1"))]


@given(st.binary(min_size=1, max_size=64))
def test_the_shift_is_never_zero_and_differs_by_study(subject: bytes) -> None:
    days = Mapping(KEY, "A").days(subject)
    assert -3651 <= days <= -366
    assert days == Mapping(KEY, "A").days(b" " + subject + b" \0")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        Mapping(b"short", "A")


@given(DATES, DATES, DAYS)
def test_intervals_are_kept(first: dt.date, second: dt.date, days: int) -> None:
    moved = [dates.shift_date(d.strftime("%Y%m%d").encode(), days) for d in (first, second)]
    new = [dt.datetime.strptime(m.decode(), "%Y%m%d").replace(tzinfo=dt.UTC).date() for m in moved if m]
    assert new[1] - new[0] == second - first
    assert new[0] - first == dt.timedelta(days=days)


@pytest.mark.parametrize(
    ("vr", "old", "new"),
    [
        ("DA", b"20080229", b"20070301"),
        ("DA", b"2008.02.29", b"2007.03.01"),
        ("DA", b"200803 ", b"200703"),
        ("DA", b"2008", b"2007"),
        ("DA", b"20080230", None),
        ("DA", b"00010101", None),
        ("DA", b"yesterday", None),
        ("DA", b"", b""),
        ("DT", b"20080229103522.125000+0100", b"20070301103522.125000+0100"),
        ("DT", b"20080229-0500", b"20070301-0500"),
        ("DT", b"200803", b"200703"),
        ("DT", b"2008", b"2007"),
        ("DT", b"2008022910352212345678", None),
        ("TM", b"103522.125 ", b"103522.125"),
        ("TM", b"10:35:22", b"103522"),
        ("TM", b"09:35:00.0", b"093500.0"),
        ("TM", b"93500", b"093500"),
        ("TM", b"101112.1234567", b"101112.123456"),
        ("TM", b"251112", None),
        ("DT", b"20240305093000.0000000", b"20230306093000.000000"),
        ("DT", b"2024-03-05T09:30:00Z", b"20230306093000+0000"),
        ("DA", b"2024-03-05", b"20230306"),
        ("DA", b"05.03.2024", b"20230306"),
        ("TM", b"ten o'clock", None),
    ],
)
def test_spellings(vr: str, old: bytes, new: bytes | None) -> None:
    assert dates.shift(vr, old, -365) == new


def test_the_standard_s_root_shelters_no_text() -> None:
    mapping = Mapping(b"k" * 32, "A")
    assert mapping.uid("1.2.840.10008.1.2.1") == "1.2.840.10008.1.2.1"
    assert mapping.uid("1.2.840.10008.Quandermann").startswith("2.25.")
