"""Does a value fit its VR (PS3.5 6.2)? Text where numbers should be is text, whatever the element's header says. Pure.

Readers skip what they cannot use, so a name in the eight bytes of an FD passes every viewer unseen. Numbers are known from
text by their bytes: text is printable to the end and has words in it, and as numbers it would be absurd.
"""

from __future__ import annotations

import re

WIDTHS = {"US": 2, "SS": 2, "OW": 2, "AT": 4, "UL": 4, "SL": 4, "FL": 4, "OF": 4, "OL": 4}
WIDTHS |= {"FD": 8, "OD": 8, "SV": 8, "UV": 8, "OV": 8}
SHORTEST = 8
_TEXT = re.compile(rb"[\x20-\x7e\t\r\n\xc0-\xff]{5,}\0*")
_WORD = re.compile(rb"[A-Za-z]{4}|\d{6}|\d{1,4}[./\-]\d{1,2}[./\-]\d{1,4}")
_PLAIN = re.compile(rb"[\x20-\x7e\t\r\n]*\0*")
_NUMBER = re.compile(rb" *[+\-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+\-]?\d{1,4})? *|(?i: *[+\-]?(?:nan|inf) *)")
_NUMBERS = re.compile(rb" *[+\-]?\d{1,16}(?:\.\d{0,16})?(?: *\\ *[+\-]?\d{1,16}(?:\.\d{0,16})?)*[ \0]*")
_COMMA = re.compile(rb"( *[+\-]?\d{1,6}),(\d{1,8} *)")
_LONGEST = 24
# The last byte of a little-endian number in floating point, of the sizes that measurements have (1e-10 to 1e6, and zero).
_DOUBLES = frozenset({0x00, 0x3D, 0x3E, 0x3F, 0x40, 0x41, 0x80, 0xBD, 0xBE, 0xBF, 0xC0, 0xC1})
_FLOATS = frozenset({0x00, 0x80, *range(0x2E, 0x4B), *range(0xAE, 0xCB)})


def fits(vr: str, value: bytes) -> bool:
    """Whether a value can be what its binary VR says: whole numbers of their width, and no text."""
    width = WIDTHS.get(vr, 1)
    if len(value) % width:
        return False
    return not is_written(vr, value)


def is_written(vr: str, value: bytes) -> bool:
    """Whether the bytes of a binary VR are a text."""
    if len(value) < SHORTEST or not _PLAIN.fullmatch(value) or not _TEXT.fullmatch(value) or not _WORD.search(value):
        return False
    if vr in ("FD", "OD"):
        return not set(value[7::8]) <= _DOUBLES
    return vr not in ("FL", "OF") or len(value) >= 16 or not set(value[3::4]) <= _FLOATS


def are_numbers(value: bytes) -> bool:
    """Whether a whole value of DS or IS is numbers already. The common case, seen at one look."""
    return _NUMBERS.fullmatch(value) is not None


def number(part: bytes) -> bytes | None:
    """One value of DS or IS as a number; a decimal comma becomes a point. None if it is none."""
    if not part.strip(b" \0"):
        return b""
    if len(part) <= _LONGEST and _NUMBER.fullmatch(part.rstrip(b"\0")):
        return part
    found = _COMMA.fullmatch(part.rstrip(b"\0"))
    return found[1] + b"." + found[2] if found else None
