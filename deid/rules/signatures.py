"""Recognising a kind of picture by its headers: the matching language of suspicions and mask rules. Pure.

An entry is a TOML table whose capitalised keys are DICOM keywords of `HEADERS`; each value is a pattern or a list of them
(``*`` and ``?`` as in file names, case ignored, numbers as they are), or ``{ words = [...] }``: one of these stands in the
text as a word. All keys must match, each by one of its patterns; of a header with several values one must match. A header the
file lacks reads as empty.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydicom._uid_dict import UID_dictionary

from deid.rules.lines import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_TEXTS = {
    "SOPClassUID": 0x00080016,
    "Modality": 0x00080060,
    "ImageType": 0x00080008,
    "ConversionType": 0x00080064,
    "Manufacturer": 0x00080070,
    "SeriesDescription": 0x0008103E,
    "ManufacturerModelName": 0x00081090,
    "SecondaryCaptureDeviceManufacturer": 0x00181016,
    "SecondaryCaptureDeviceManufacturerModelName": 0x00181018,
    "SoftwareVersions": 0x00181020,
    "PhotometricInterpretation": 0x00280004,
    "BurnedInAnnotation": 0x00280301,
}
NUMBERS = {"SamplesPerPixel": 0x00280002, "Rows": 0x00280010, "Columns": 0x00280011, "BitsAllocated": 0x00280100}
HEADERS = _TEXTS | NUMBERS


def _sop_classes() -> dict[str, str]:
    return {entry[4]: uid for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class" and entry[4]}


@dataclass(frozen=True, slots=True)
class Signature:
    """What a kind of picture has in its headers."""

    wanted: tuple[tuple[str, re.Pattern[str]], ...]

    def matches(self, headers: Mapping[str, str]) -> bool:
        """Whether a picture is of this kind. `headers` as `seen` gives them."""
        for keyword, pattern in self.wanted:
            values = headers.get(keyword, "").split("\\")
            if not any(pattern.fullmatch(value.strip()) for value in values):
                return False
        return True


def parse(entry: Mapping[str, Any], known: Sequence[str], wrong: Callable[[str, str], None]) -> Signature | None:
    """The signature of a TOML table. `known` are keys that are no headers; `wrong(key, what)` is called with each problem."""
    wanted = []
    for key, value in entry.items():
        if key in known:
            continue
        if key not in HEADERS:
            wrong(key, f"unknown key {key!r}{nearest(key, (*known, *HEADERS))}")
            continue
        words = isinstance(value, dict) and list(value) == ["words"]
        found = value["words"] if words else value
        patterns = found if isinstance(found, list) else [found]
        if not patterns or not all(isinstance(p, str) or type(p) is int for p in patterns):
            wrong(key, f"{key} must be a text or a number to match, or a list of them, or {{ words = [...] }}")
            continue
        if key == "SOPClassUID":
            patterns = [_class(pattern, wrong) for pattern in patterns]
        texts = _words(patterns) if words else "|".join(fnmatch.translate(str(pattern)) for pattern in patterns)
        wanted.append((key, re.compile(texts, re.IGNORECASE)))
    if not wanted:
        wrong("", f"needs at least one header to match: {', '.join(HEADERS)}")
        return None
    return Signature(tuple(wanted))


def _words(words: Sequence[str | int]) -> str:
    """A pattern for texts in which one of the words stands, with no letter or digit at either side of it."""
    return rf"(?:.*[\W_])?(?:{'|'.join(re.escape(str(word)) for word in words)})(?:[\W_].*)?"


def _class(pattern: str | int, wrong: Callable[[str, str], None]) -> str:
    """A SOP class by its keyword or by its UID, which may hold ``*``."""
    known = _sop_classes()
    text = str(pattern)
    if text not in known and not re.fullmatch(r"[0-9.*?\[\]\-]+", text):
        wrong("SOPClassUID", f"unknown SOP class {text!r}{nearest(text, known)}")
    return known.get(text, text)
