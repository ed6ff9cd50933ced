"""Reading little-endian headers out of bytes: the file meta information, elements, items, fragments. No decisions.

Whatever is unusual raises `NotFast`: nothing is guessed here.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deid.engine.nodes import ITEM, ITEM_END, LONG_VRS, SEQUENCE_END, UNDEFINED, Element, Syntax
from deid.engine.safe import DEEPEST, vr_of
from deid.mapping import is_registered
from deid.rules.policy import DATE_VRS, NUMERIC_VRS, TEXT_VRS

if TYPE_CHECKING:
    from pathlib import Path

    from deid.engine.nodes import Node

_MAPPED_FROM = 1 << 20
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_ENCAPSULATED = "1.2.840.10008.1.2.4."
_RLE = "1.2.840.10008.1.2.5"
PIXELS = 0x7FE00010
OTHER_PIXELS = frozenset({0x7FE00001, 0x7FE00002, 0x7FE00008, 0x7FE00009})  # offset tables, samples in floating point
_LAST_FACT = 0x00380010
_KNOWN = NUMERIC_VRS | TEXT_VRS | DATE_VRS | {"AE", "AS", "CS", "DS", "IS", "OB", "PN", "SQ", "UI", "UN", "UR"}
_VRS = {vr.encode(): (vr, vr in LONG_VRS) for vr in _KNOWN}
_EXPLICIT = struct.Struct("<HH2sH").unpack_from
_IMPLICIT = struct.Struct("<HHL").unpack_from
_U32 = struct.Struct("<L").unpack_from


class NotFast(Exception):
    """This file is for the safe engine."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file's data set: where it begins and how it is encoded."""

    data: memoryview
    start: int
    syntax: Syntax


def mapped(source: Path) -> memoryview:
    """A file's bytes: of a large one only what is looked at is read."""
    with source.open("rb") as stream:
        if os.fstat(stream.fileno()).st_size < _MAPPED_FROM:
            return memoryview(stream.read())
        return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))


def open_file(data: memoryview) -> Opened:
    """Read the file meta information. `NotFast` unless it is plain Part 10 in a little-endian syntax of the standard."""
    if len(data) < 148 or bytes(data[128:140]) != b"DICM\x02\0\0\0UL\x04\0":
        raise NotFast
    end = 144 + _U32(data, 140)[0]
    if end > len(data):
        raise NotFast
    at, uid = 144, ""
    while at + 8 <= end:
        group, element, vr, length = _EXPLICIT(data, at)
        at += 8
        known = _VRS.get(vr)
        if known is None:
            raise NotFast
        if known[1]:
            if at + 4 > end:
                raise NotFast
            length = _U32(data, at)[0]
            at += 4
        if group != 2 or at + length > end:
            raise NotFast
        if element == 0x10:
            uid = bytes(data[at : at + length]).decode("latin-1").strip(" \0")
        at += length
    if at != end or not (uid in (IMPLICIT, EXPLICIT, _RLE) or (uid.startswith(_ENCAPSULATED) and is_registered(uid))):
        raise NotFast
    return Opened(data, end, Syntax(uid, implicit=uid == IMPLICIT, little=True))


class Headers:
    """Reads element headers of one file, in either of the two encodings."""

    def __init__(self, opened: Opened) -> None:
        self.data = opened.data
        self.implicit = opened.syntax.implicit
        self.end = len(opened.data)

    def element(self, at: int, end: int) -> tuple[int, str, int, int]:
        """(tag, VR, where the value begins, its length or `UNDEFINED`)."""
        if at + 8 > end:
            raise NotFast
        data = self.data
        if self.implicit:
            group, element, length = _IMPLICIT(data, at)
            tag, value = group << 16 | element, at + 8
            vr = vr_of(tag)
            if length == UNDEFINED and tag != PIXELS and vr != "SQ":
                if not group & 1 or value + 8 > end or self.item(value, end)[0] != ITEM:
                    raise NotFast
                vr = "SQ"
        else:
            group, element, raw, length = _EXPLICIT(data, at)
            tag, value = group << 16 | element, at + 8
            known = _VRS.get(raw)
            if known is None:
                raise NotFast
            vr, long = known
            if long:
                if at + 12 > end or length:  # two bytes nobody reads: text has room in them
                    raise NotFast
                if vr == "UN" and not group & 1:
                    raise NotFast
                length = _U32(data, value)[0]
                value += 4
        if length == UNDEFINED:
            if vr != "SQ" and tag != PIXELS:
                raise NotFast
        elif value + length > end or length & 1:
            raise NotFast
        return tag, vr, value, length

    def item(self, at: int, end: int) -> tuple[int, int]:
        """(tag, length) of an item or delimiter. A delimiter's length is zero: anything else there must not be copied."""
        if at + 8 > end:
            raise NotFast
        group, element, length = _IMPLICIT(self.data, at)
        tag = group << 16 | element
        if length and tag in (ITEM_END, SEQUENCE_END):
            raise NotFast
        return tag, length

    def skip(self, value: int, length: int, end: int, depth: int = 0) -> int:
        """Where the sequence of this value ends."""
        if length != UNDEFINED:
            return value + length
        if depth > DEEPEST:
            raise NotFast
        at = value
        while True:
            tag, size = self.item(at, end)
            at += 8
            if tag == SEQUENCE_END:
                return at
            if tag != ITEM:
                raise NotFast
            if size != UNDEFINED:
                at += size
                continue
            while True:
                if self.item(at, end)[0] == ITEM_END:
                    at += 8
                    break
                _, _, inner, inner_length = self.element(at, end)
                at = self.skip(inner, inner_length, end, depth + 1)

    def fragments(self, at: int) -> int:
        """Where encapsulated pixel data ends: their delimiter included."""
        while True:
            tag, size = self.item(at, self.end)
            at += 8
            if tag == SEQUENCE_END:
                return at
            if tag != ITEM or at + size > self.end:
                raise NotFast
            at += size


def top_level(opened: Opened, wanted: frozenset[int]) -> list[Node]:
    """The wanted elements among the first groups: what the cleaning of all others depends on."""
    headers = Headers(opened)
    found: list[Node] = []
    at, end = opened.start, headers.end
    while at < end:
        tag, vr, value, length = headers.element(at, end)
        if tag > _LAST_FACT:
            break
        at = headers.skip(value, length, end)
        if tag in wanted:
            found.append(Element(tag, vr, bytes(opened.data[value:at])))
    return found


def tags(opened: Opened) -> frozenset[int]:
    """The tags of the top level, up to the pixel data."""
    headers = Headers(opened)
    found: set[int] = set()
    at, end = opened.start, headers.end
    while at < end:
        tag, _, value, length = headers.element(at, end)
        found.add(tag)
        if tag == PIXELS:
            break
        at = headers.skip(value, length, end)
    return frozenset(found)


def pixel_data(opened: Opened) -> tuple[str, int, int, bool]:
    """(VR, where the value begins, where it ends, whether it is encapsulated) of the pixel data. Delimiters not included."""
    headers = Headers(opened)
    at, end = opened.start, headers.end
    while at < end:
        tag, vr, value, length = headers.element(at, end)
        if tag == PIXELS:
            return (
                (vr, value, value + length, False) if length != UNDEFINED else (vr, value, headers.fragments(value) - 8, True)
            )
        if tag in OTHER_PIXELS:
            break
        at = headers.skip(value, length, end)
    raise NotFast
