"""The DICOM JSON model (PS3.18 annex F): attributes of searches and whole data sets. No I/O.

Bulk data are named by a URI that begins with `BASE`; whoever sends the JSON puts the address of the instance there.
"""

import base64
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.multival import MultiValue
from pydicom.tag import Tag

BASE = "@@INSTANCE@@"
_INLINE_BYTES = 1024
_WHOLE = frozenset({"IS", "US", "SS", "UL", "SL", "UV", "SV"})
_REAL = frozenset({"DS", "FL", "FD"})
_BYTES = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN"})
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@cache
def tag_of(keyword: str) -> str:
    """Return an attribute's tag as eight hexadecimal digits."""
    return f"{tag_for_keyword(keyword):08X}"


@cache
def vr_of(keyword: str) -> str:
    """Return an attribute's value representation."""
    return dictionary_VR(keyword)


def attribute(vr: str, values: Sequence[str]) -> dict[str, Any]:
    """Return an attribute of which the values are known as text; without values it is empty."""
    vr = vr.partition(" ")[0]
    if vr == "SQ" or not values:
        return {"vr": vr}
    converted = [_value(vr, text) for text in values]
    return {"vr": vr, "Value": converted}


def _value(vr: str, text: str) -> Any:
    if vr == "PN":
        return {"Alphabetic": text}
    try:
        if vr in _WHOLE:
            return int(float(text))
        if vr in _REAL and math.isfinite(float(text)):
            return float(text)
    except (ValueError, OverflowError):
        return text
    return text


def answer(values: Mapping[str, Sequence[str]], keywords: Iterable[str]) -> dict[str, Any]:
    """Return the JSON of some attributes that are known by keyword, in the order of their tags."""
    found = {tag_of(keyword): attribute(vr_of(keyword), values.get(keyword, ())) for keyword in keywords}
    return dict(sorted(found.items()))


def whole(dataset: Dataset, *, has_pixels: str = "") -> str:
    """Return the JSON of a data set without its pixels.

    Args:
        dataset: the data set.
        has_pixels: keyword of the element that holds its pixels, which are named by a URI; "" for none.
    """
    found = _encoded(dataset, BASE + "/bulkdata")
    if has_pixels:
        tag = tag_of(has_pixels)
        found[tag] = {"vr": "OF" if has_pixels != "PixelData" else "OW", "BulkDataURI": f"{BASE}/bulkdata/{tag}"}
    return json.dumps(dict(sorted(found.items())), separators=(",", ":"), allow_nan=False)


def _encoded(dataset: Dataset, base: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for element in dataset:
        if element.keyword in _PIXELS or element.tag.element == 0:
            continue
        tag = f"{element.tag:08X}"
        uri = f"{base}/{tag}"
        if element.VR == "SQ":
            items = [_encoded(item, f"{uri}/{number}") for number, item in enumerate(element.value)]
            found[tag] = {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
        elif element.VR in _BYTES:
            found[tag] = _binary(element.VR, element.value, uri)
        else:
            found[tag] = _plain(element)
    return found


def _binary(vr: str, value: Any, uri: str) -> dict[str, Any]:
    if not value:
        return {"vr": vr}
    if not isinstance(value, bytes) or len(value) > _INLINE_BYTES:
        return {"vr": vr, "BulkDataURI": uri}

    return {"vr": vr, "InlineBinary": base64.b64encode(value).decode()}


def _plain(element: Any) -> dict[str, Any]:
    vr, value = element.VR, element.value
    converted: list[Any]
    try:
        values = value if isinstance(value, MultiValue | list) else [] if value is None or value == "" else [value]
        if vr == "PN":
            converted = [_name(each) for each in values]
        elif vr in _WHOLE:
            converted = [None if each is None or each == "" else int(each) for each in values]
        elif vr in _REAL:
            converted = [_real(each) for each in values]
        elif vr == "AT":
            converted = [f"{int(each):08X}" for each in values]
        else:
            converted = [str(each) for each in values]
    except (ValueError, TypeError, OverflowError, AttributeError):
        return {"vr": vr}  # a value that is none of its kind; the others are none the worse
    return {"vr": vr, "Value": converted} if converted else {"vr": vr}


def _real(value: Any) -> float | None:
    number = None if value is None or value == "" else float(value)
    return number if number is None or math.isfinite(number) else None


def _name(value: Any) -> dict[str, str]:
    groups = ("Alphabetic", "Ideographic", "Phonetic")
    return {group: text for group, text in zip(groups, str(value).split("="), strict=False) if text}


def element_at(dataset: Dataset, path: Sequence[str]) -> Any:
    """Return an element by its tag, or by tag, item number, tag ... where it lies in sequences.

    Raises:
        KeyError: it is not there.
    """
    try:
        for tag, number in zip(path[:-1:2], path[1::2], strict=True):
            dataset = dataset[Tag(int(tag, 16))].value[int(number)]
        return dataset[Tag(int(path[-1], 16))]
    except (ValueError, IndexError, TypeError, AttributeError, OverflowError):
        raise KeyError from None
