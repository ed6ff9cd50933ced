"""Dates in the spellings of text files, moved by a file's shift: ISO 8601, compact, with dots or slashes.

A date comes back in the spelling it came in, the time of day as it was.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deid.formats.base import Work

_TIME = r"(?P<rest>(?:[T _]?\d{2}:?\d{2}(?::?\d{2}(?:[.,]?\d{1,9})?)?)?\s?(?:Z|[+-]\d{2}:?\d{2})?)"
_SHAPES = tuple(
    re.compile(rf"{pattern}{_TIME}")
    for pattern in (
        r"(?P<y>\d{4})(?P<s>[-./]?)(?P<m>\d{2})(?P=s)(?P<d>\d{2})",
        r"(?P<y>\d{4})(?P<s>[-./])(?P<m>\d{1,2})(?P=s)(?P<d>\d{1,2})",
        r"(?P<d>\d{1,2})(?P<s>[./-])(?P<m>\d{1,2})(?P=s)(?P<y>\d{4})",
    )
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED = re.compile(r"(?P<d>\d{1,2})(?P<s>[- ])(?P<mon>[A-Za-z]{3})(?P=s)(?P<y>\d{4})" + _TIME)
_NAMED_FIRST = re.compile(r"(?:[A-Za-z]{3} )?(?P<mon>[A-Za-z]{3}) +(?P<d>\d{1,2}) (?P<t>\d{2}:\d{2}:\d{2}) (?P<y>\d{4})")


def moved(text: str, work: Work, path: str) -> str | None:
    """The same moment by the profile's way with dates, in the same spelling; None if it is none, or dates go."""
    plain = text.strip()
    for shape in (*_SHAPES, _NAMED, _NAMED_FIRST):
        found = shape.fullmatch(plain)
        if found is None:
            continue
        parts = found.groupdict()
        month = _MONTHS.index(parts["mon"].lower()) + 1 if parts.get("mon", "").lower() in _MONTHS else int(parts.get("m") or 0)
        compact = f"{int(parts['y']):04d}{month:02d}{int(parts['d']):02d}".encode()
        new = work.date(path, compact)
        if new is None:
            return None
        day = dt.datetime.strptime(new.decode(), "%Y%m%d").replace(tzinfo=dt.UTC)
        return _spelled(found, parts, day)
    return None


def _spelled(found: re.Match[str], parts: dict[str, str], day: dt.datetime) -> str:
    values = {"y": f"{day.year:04d}", "m": f"{day.month:02d}", "d": f"{day.day:02d}"}
    if parts.get("mon"):
        name = _MONTHS[day.month - 1]
        values["mon"] = name.upper() if parts["mon"].isupper() else name.title() if parts["mon"][0].isupper() else name
    out, at = [], 0
    for name, value in sorted(values.items(), key=lambda each: found.start(each[0]) if each[0] in parts else -1):
        if parts.get(name):
            start, stop = found.span(name)
            out += [found.string[at:start], value]
            at = stop
    return "".join(out) + found.string[at:]
