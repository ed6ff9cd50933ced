"""Ages: brought into shape, and over 89 years made 90 (the usual rule of 45 CFR 164.514(b)(2)(i)(C)). Pure functions.

PS3.15 E.1.1 names no limit; every place where an age is coded asks here, so that there is one.
"""

from __future__ import annotations

import re

_AGE = re.compile(rb" *0*(\d{1,4})(?:[.,]\d+)? *([DWMYdwmyaAjJ]?)[a-zA-Z.]*[ \0]*")
_WRITTEN = re.compile(
    r"(?P<iso>P)?(?P<count>\d{1,4}(?:[.,]\d+)?) *(?P<unit>[dwmy]|days?|weeks?|months?|years?|yrs?)?(?(iso)[0-9A-Z.]*)",
    re.IGNORECASE,
)
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}
# Units of time as codes of UCUM (and DCM, SNOMED CT) have them, in parts of a year.
_UNITS = {"a": 1.0, "a_j": 1.0, "a_t": 1.0, "a_g": 1.0, "y": 1.0, "yr": 1.0, "year": 1.0, "years": 1.0, "258707000": 1.0}
_UNITS |= {"mo": 12.0, "mo_j": 12.0, "month": 12.0, "months": 12.0, "258706009": 12.0}
_UNITS |= {"wk": 52.18, "week": 52.18, "weeks": 52.18, "258705008": 52.18}
_UNITS |= {"d": 365.25, "day": 365.25, "days": 365.25, "258703001": 365.25}
_UNITS |= {"h": 8766.0, "hour": 8766.0, "hours": 8766.0, "min": 525960.0, "s": 31557600.0}
_CAP = 90


def capped(value: bytes) -> bytes:
    """An AS value, ``nnnD|W|M|Y``: over 89 years it says 90. ``45Y``, ``45`` are brought into shape; no age gives nothing."""
    found = _AGE.fullmatch(value)
    if not found or not value.strip(b" \0"):
        return b""
    count, unit = int(found[1]), {"A": "Y", "J": "Y", "": "Y"}.get(letter := found[2].decode().upper(), letter)
    if count / _PER_YEAR[unit] >= _CAP:
        return b"090Y"
    while count > 999:  # does not fit its three digits: said in the next unit
        count, unit = int(count / {"D": 7, "W": 4.35, "M": 12}[unit]), {"D": "W", "W": "M", "M": "Y"}[unit]
    plain = b"%03d%s" % (count, unit.encode())
    return value if value.rstrip(b" \0") == plain else plain


def capped_text(text: str) -> str | None:
    """An age as people and ISO 8601 write it (``95``, ``95 years``, ``P95Y``, ``P90Y/P95Y``), above 89 years as 90, or None."""
    parts = [_WRITTEN.fullmatch(part.strip()) for part in text.split("/")]
    if not all(parts) or len(parts) > 2:
        return None
    return "/".join(_capped_part(part) for part in parts if part is not None)


def _capped_part(found: re.Match[str]) -> str:
    if float(found["count"].replace(",", ".")) / _PER_YEAR[(found["unit"] or "y")[0].upper()] < _CAP:
        return found[0]
    if found["iso"]:
        return f"P{_CAP}Y"
    return f"0{_CAP}Y" if found["count"].startswith("0") or len(found["unit"] or "") == 1 else str(_CAP)


def capped_number(value: float, unit: str) -> float | None:
    """An age as a number of a coded unit: None if it may stay, else what stands for it. An unknown unit counts as years."""
    per_year = _UNITS.get(unit.strip().strip("{}").casefold(), 1.0)
    return _CAP * per_year if value / per_year >= _CAP else None
