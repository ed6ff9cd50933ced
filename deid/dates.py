"""Shifting DICOM dates by whole days (PS3.5 6.2: DA, DT, TM). Pure functions on one value's bytes.

A value that is no date in a spelling we know gives None: the caller must not let it pass.
"""

from __future__ import annotations

import datetime as dt
import re

_DA = re.compile(rb"(\d{4})([.\-/]?)(\d{2})\2(\d{2})")
_PARTIAL = re.compile(rb"(\d{4})(\d{2})?")
_DT = re.compile(rb"(\d{4})(\d{2})?(\d{2})?((?:\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?)((?:[+-]\d{4})?)")
_TM = re.compile(rb"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?|\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?")


def _moved(year: bytes, month: bytes | None, day: bytes | None, days: int) -> dt.date | None:
    """The shifted day; a missing month or day counts from its first."""
    try:
        start = dt.date(int(year), int(month or b"1"), int(day or b"1"))
        return start + dt.timedelta(days=days)
    except (ValueError, OverflowError):
        return None


def shift_date(value: bytes, days: int) -> bytes | None:
    """A DA value: ``YYYYMMDD``, the older ``YYYY.MM.DD``, or a partial ``YYYYMM`` or ``YYYY``."""
    text = value.strip(b" \0")
    if found := _DA.fullmatch(text):
        moved = _moved(found[1], found[3], found[4], days)
        separator = found[2].decode()
        return None if moved is None else f"{moved.year:04d}{separator}{moved:%m}{separator}{moved:%d}".encode()
    if found := _PARTIAL.fullmatch(text):
        moved = _moved(found[1], found[2], None, days)
        return None if moved is None else f"{moved.year:04d}{moved:%m}".encode()[: len(text)]
    return None


def shift_datetime(value: bytes, days: int) -> bytes | None:
    """A DT value: partial ones stay partial; the time of day and the offset from UTC stay as they are."""
    text = value.strip(b" \0")
    found = _DT.fullmatch(text)
    if not found:
        return None
    year, month, day, time, offset = found.groups()
    moved = _moved(year, month, day, days)
    if moved is None:
        return None
    digits = len(year + (month or b"") + (day or b""))
    return f"{moved.year:04d}{moved:%m%d}".encode()[:digits] + time + offset


def plain_time(value: bytes) -> bytes | None:
    """A TM value as it is, if it is one: whole-day shifts do not touch the time of day."""
    text = value.strip(b" \0")
    return text if _TM.fullmatch(text) else None


def shift(vr: str, value: bytes, days: int) -> bytes | None:
    """One DA, DT or TM value (no backslash) moved by `days`; None if it is none. Empty stays empty."""
    if not value.strip(b" \0"):
        return b""
    if vr == "DA":
        return shift_date(value, days)
    return shift_datetime(value, days) if vr == "DT" else plain_time(value)
