"""Coded concepts (PS3.3 8.8): a code of a public scheme stays, with the public meaning instead of what somebody typed.

Pure functions on one item's elements. Meanings come from pydicom's copy of PS3.16; codes it does not know keep their value
if it has the scheme's shape, and their meaning is cleaned like any text.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from deid.rules import concepts

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUE, SCHEME, VERSION, MEANING = 0x00080100, 0x00080102, 0x00080103, 0x00080104
LAST = LONG_VALUE = 0x00080119
TOLD = frozenset({VALUE, SCHEME, MEANING, LONG_VALUE})
_SHAPES = {
    "DCM": re.compile(r"\d{5,6}"),
    "SCT": re.compile(r"\d{6,18}"),
    "SRT": re.compile(r"[A-Z]\d?-[0-9A-F]{4,6}"),
    "SNM3": re.compile(r"[A-Z]\d?-[0-9A-F]{4,6}"),
    "LN": re.compile(r"\d{1,7}-\d"),
    "UCUM": re.compile(
        r"(?:10\*-?\d|[a-zA-Z%]{1,3}\d?)(?:[./](?:[a-zA-Z%]{1,3}-?\d?|\{[a-z]{1,6}\}|10\*-?\d))*|\{[a-z]{1,8}\}|1"
    ),
    "FMA": re.compile(r"\d{4,6}"),
    "RADLEX": re.compile(r"RID\d{1,6}"),
    "UMLS": re.compile(r"C\d{7}"),
    "NCIt": re.compile(r"C\d{3,7}"),
    "MDC": re.compile(r"\d{1,2}:\d{1,6}"),
    "SCPECG": re.compile(r"\d{1,3}(?:-\d{1,3}){0,2}"),
}
_SRT_ALIASES = {"SNM3": "SRT"}


@cache
def _public(scheme: str) -> Mapping[str, str]:
    """Code value -> meaning of a scheme, as pydicom knows it. Loaded when the first code is met."""
    from pydicom.sr._concepts_dict import concepts  # late: large, and many files hold no codes

    by_keyword: Any = concepts.get(scheme, {})
    return {value: entry[0] for by_code in by_keyword.values() for value, entry in by_code.items()}


def replacements(values: Mapping[int, bytes]) -> dict[int, bytes]:
    """For an item that is a code of a public scheme: the values its code elements shall have. Else nothing.

    `values`: those of the item's elements that are among `TOLD`.
    """
    if SCHEME not in values:
        return {}
    scheme, value = _text(values, SCHEME), _text(values, VALUE)
    shape = _SHAPES.get(scheme)
    meaning = _public(_SRT_ALIASES.get(scheme, scheme)).get(value) if shape is not None else None
    if shape is None or (meaning is None and not shape.fullmatch(value)):
        return {}
    result = {VALUE: value.encode(), SCHEME: scheme.encode()}
    if meaning is not None and meaning.isascii():
        result[MEANING] = meaning.encode()[:64]
    return result


def meant(values: Mapping[int, bytes]) -> int:
    """The tag of the attribute that a concept name means (see `rules.concepts`), 0 if none. `values` as for `replacements`."""
    if not values:
        return 0
    value = _text(values, VALUE) or _text(values, LONG_VALUE)
    return concepts.attribute(_text(values, SCHEME), value, _text(values, MEANING)) or 0


def unit(values: Mapping[int, bytes]) -> str:
    """The code of a unit."""
    return _text(values, VALUE)


def _text(values: Mapping[int, bytes], tag: int) -> str:
    return values.get(tag, b"").decode("latin-1").strip(" \0")
