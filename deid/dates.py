"""Shifting DICOM dates by whole days (PS3.5 6.2: DA, DT, TM). Pure functions on one value's bytes.

Values that say a moment in another shape than the standard's (ISO 8601, a lost leading zero, too many digits of a second)
are brought into its shape: emptied, they would take the decay correction of a PET with them. A value that is no date in a
spelling we know gives None: the caller must not let it pass.
"""

from __future__ import annotations

import datetime as dt
import re

_DA = re.compile(rb"(\d{4})([.\-/]?)(\d{1,2})\2(\d{1,2})(?:[T ].*)?")
_DAY_FIRST = re.compile(rb"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_NAMED = re.compile(rb"(\d{1,2})[ \-]([A-Za-z]{3})[a-z]*[ \-](\d{4})")
_MONTHS = {b"jan": 1, b"feb": 2, b"mar": 3, b"apr": 4, b"may": 5, b"jun": 6, b"jul": 7, b"aug": 8, b"sep": 9, b"oct": 10}
_MONTHS |= {b"nov": 11, b"dec": 12}
_PARTIAL = re.compile(rb"(\d{4})(\d{2})?")
_DT = re.compile(rb"(\d{4})(\d{2})?(\d{2})?((?:\d{2}(?:\d{2}(?:\d{2}(?:\.\d*)?)?)?)?)((?:[+-]\d{4})?)")
_ISO = re.compile(rb"(\d{4})([-/.]?)(\d{2})\2(\d{2})[T ]+([\d:]+)((?:[.,]\d*)?) ?(Z|[+-]\d{2}:?\d{2})?")
_TM = re.compile(rb"(\d{1,6})(?:[.,](\d*))?")
_WHOLE_TIME = re.compile(rb"(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\.\d{1,6})?)?)?")
_COLONS = re.compile(rb"T?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,:](\d*))?)?(?:Z|[+-]\d{2}:?\d{2})?")
_MOST_DIGITS = 6


def _moved(year: bytes, month: bytes | None, day: bytes | None, days: int) -> dt.date | None:
    """The shifted day; a missing month or day counts from its first."""
    try:
        start = dt.date(int(year), int(month or b"1"), int(day or b"1"))
        return start + dt.timedelta(days=days)
    except (ValueError, OverflowError):
        return None


def shift_date(value: bytes, days: int) -> bytes | None:
    """A DA value: ``YYYYMMDD``, the older ``YYYY.MM.DD``, or a partial ``YYYYMM`` or ``YYYY``; others become the first."""
    text = value.strip(b" \0")
    if len(text) == 8 and text.isdigit():
        moved = _moved(text[:4], text[4:6], text[6:], days)
        return None if moved is None else f"{moved:%Y%m%d}".encode().rjust(8, b"0")
    if found := _PARTIAL.fullmatch(text):
        moved = _moved(found[1], found[2], None, days)
        return None if moved is None else f"{moved.year:04d}{moved:%m}".encode()[: len(text)]
    separator, whole = "", _whole_date(text)
    if found := _DA.fullmatch(text):
        separator = "." if found[2] == b"." else ""
        whole = None if not found[2] and len(found[3] + found[4]) != 4 else (found[1], found[3], found[4])
    moved = None if whole is None else _moved(*whole, days)
    return None if moved is None else f"{moved.year:04d}{separator}{moved:%m}{separator}{moved:%d}".encode()


def _whole_date(text: bytes) -> tuple[bytes, bytes, bytes] | None:
    """(year, month, day) of a date that begins with its day, and by that cannot be mistaken."""
    if found := _DAY_FIRST.fullmatch(text):
        return found[3], found[2], found[1]
    if found := _NAMED.fullmatch(text):
        month = _MONTHS.get(found[2].lower())
        return None if month is None else (found[3], b"%d" % month, found[1])
    return None


def shift_datetime(value: bytes, days: int) -> bytes | None:
    """A DT value: partial ones stay partial; the time of day and the offset from UTC stay as they are."""
    text = _plain_datetime(value.strip(b" \0"))
    found = _DT.fullmatch(text)
    if not found:
        return None
    year, month, day, time, offset = found.groups()
    moved = _moved(year, month, day, days)
    if moved is None:
        return None
    digits = len(year + (month or b"") + (day or b""))
    return f"{moved.year:04d}{moved:%m%d}".encode()[:digits] + _whole_fraction(time) + offset


def _plain_datetime(text: bytes) -> bytes:
    """ISO 8601 as DT writes it."""
    found = _ISO.fullmatch(text)
    if not found:
        return text
    time = plain_time(found[5] + found[6])
    zone = b"+0000" if found[7] == b"Z" else (found[7] or b"").replace(b":", b"")
    return text if time is None else found[1] + found[3] + found[4] + time + zone


def _whole_fraction(time: bytes) -> bytes:
    """At most six digits of a second; none, and the point goes."""
    whole, _, fraction = time.partition(b".")
    return whole + b"." + fraction[:_MOST_DIGITS] if fraction else whole


def plain_time(value: bytes) -> bytes | None:
    """A TM value: whole-day shifts do not touch the time of day. Colons go, a leading zero and only it may be missing."""
    text = value.strip(b" \0")
    if _WHOLE_TIME.fullmatch(text):
        return text
    if found := _COLONS.fullmatch(text):
        digits, fraction = b"".join(part.rjust(2, b"0") for part in found.groups()[:3] if part), found[4]
    elif found := _TM.fullmatch(text):
        digits, fraction = found[1].rjust(len(found[1]) + len(found[1]) % 2, b"0"), found[2]
    else:
        return None
    limits = (24, 60, 61)
    if any(int(digits[at : at + 2]) >= limits[at // 2] for at in range(0, len(digits), 2)):
        return None
    return _whole_fraction(digits + b"." + (fraction or b"")) if len(digits) == 6 else digits


def shift(vr: str, value: bytes, days: int) -> bytes | None:
    """One DA, DT or TM value (no backslash) moved by `days`; None if it is none. Empty stays empty."""
    if not value.strip(b" \0"):
        return b""
    if vr == "DA":
        return shift_date(value, days)
    return shift_datetime(value, days) if vr == "DT" else plain_time(value)
