"""The headers of a clean data set that the archive files it by. Reads clean nodes only."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pydicom.datadict import tag_for_keyword

from deid.engine.nodes import Element, Sequence, find
from deid.engine.safe import vr_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from deid.engine.nodes import Node, Syntax
    from deid.rules.model import Extract

TEXT = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "SeriesDescription",
    "ProtocolName",
    "StudyDate",
    "ImageType",
    "Manufacturer",
    "ManufacturerModelName",
)
NUMBERS = ("SeriesNumber", "InstanceNumber")
_TAGS = {keyword: tag_for_keyword(keyword) or 0 for keyword in TEXT + NUMBERS}
_MOMENTS = ((0x00080022, 0x00080032), (0x00080023, 0x00080033), (0x00080021, 0x00080031), (0x00080020, 0x00080030))
_FORMATS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}
_LONGEST = 1024


def tags(extract: tuple[Extract, ...]) -> frozenset[int]:
    """The top-level tags of the standard that `collect` reads."""
    moments = {tag for pair in _MOMENTS for tag in pair}
    return frozenset({*_TAGS.values(), 0x0008002A, *moments, *(e.tag for e in extract if e.creator is None)})


def collect(
    nodes: list[Node], syntax: Syntax, decode: Callable[[bytes], str], extract: tuple[Extract, ...]
) -> dict[str, str | int | float]:
    """The headers of a clean top-level data set, by keyword. What is empty is left out."""
    found: dict[str, str | int | float] = {"TransferSyntaxUID": syntax.uid}
    for keyword in TEXT:
        if text := _text(nodes, _TAGS[keyword], decode):
            found[keyword] = text
    for keyword in NUMBERS:
        text = _text(nodes, _TAGS[keyword], decode)
        if text.lstrip("+-").isdecimal():
            found[keyword] = int(text)
    if moment := _moment(nodes, decode):
        found["AcquisitionDateTime"] = moment
    for wanted in extract:
        node = _wanted(nodes, wanted, decode)
        if node is not None and (value := _value(node, syntax, decode)) not in (None, ""):
            found[wanted.name] = value
    return found


def _text(nodes: list[Node], tag: int, decode: Callable[[bytes], str]) -> str:
    node = find(nodes, tag)
    return decode(node.value[:_LONGEST]).strip(" \0") if isinstance(node, Element) else ""


def _moment(nodes: list[Node], decode: Callable[[bytes], str]) -> str:
    """When the image was taken, ISO 8601: the first of acquisition, content, series and study that is whole."""
    stamp = _text(nodes, 0x0008002A, decode)
    if len(stamp) >= 8 and stamp[:8].isdigit():
        return _iso(stamp[:8], stamp[8:].partition("+")[0].partition("-")[0])
    for day, time in _MOMENTS:
        date = _text(nodes, day, decode).replace(".", "").replace("-", "")
        if len(date) == 8 and date.isdigit():
            return _iso(date, _text(nodes, time, decode).replace(":", ""))
    return ""


def _iso(date: str, time: str) -> str:
    whole, _, fraction = time.partition(".")
    whole = (whole if whole.isdigit() else "").ljust(6, "0")[:6]
    tail = f".{fraction}" if fraction.isdigit() else ""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}T{whole[:2]}:{whole[2:4]}:{whole[4:]}{tail}"


def _wanted(nodes: list[Node], wanted: Extract, decode: Callable[[bytes], str]) -> Node | None:
    if wanted.creator is None:
        return find(nodes, wanted.tag)
    group = wanted.tag >> 16
    blocks = [n for n in nodes if n.tag >> 16 == group and 0x10 <= n.tag & 0xFFFF <= 0xFF and isinstance(n, Element)]
    for node in blocks:
        if decode(node.value).strip(" \0") == wanted.creator:
            return find(nodes, group << 16 | (node.tag & 0xFF) << 8 | wanted.tag & 0xFF)
    return None


def _value(node: Node, syntax: Syntax, decode: Callable[[bytes], str]) -> str | int | float | None:
    if isinstance(node, Sequence) or node.undefined or len(node.value) > _LONGEST:
        return None
    vr = node.vr if node.vr != "UN" else vr_of(node.tag)
    if vr in _FORMATS:
        size = struct.calcsize("<" + _FORMATS[vr])
        count = len(node.value) // size
        values = struct.unpack(f"{'<' if syntax.little else '>'}{count}{_FORMATS[vr]}", node.value[: count * size])
        return values[0] if count == 1 else "\\".join(f"{v:g}" for v in values)
    text = decode(node.value).strip(" \0")
    if vr in ("IS", "DS") and "\\" not in text:
        try:
            return int(text) if vr == "IS" else float(text)
        except ValueError:
            return None
    return text
