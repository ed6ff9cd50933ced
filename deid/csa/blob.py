"""The CSA container: a counted list of tags, each with a name, a VR and items of text. Pure; decides nothing about values.

Two formats (there is no specification; both as nibabel, SPM and GDCM read them): ``SV10`` says the length of an item in the
second of its four numbers, the older one in the first, plus the number of items of the first tag. Scanners fill the room
behind a name, a VR or a value with whatever lay in memory, station names among it: all of that becomes zeros here.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

_MAGICS = (b"SV10\x04\x03\x02\x01", b"SV10\0\0\0\0")
_TAG = struct.Struct("<64si4s3i")
_ITEM = struct.Struct("<4i")
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_.\- ]{0,62}")
_VR = re.compile(rb"[A-Z]{2}\0")
_MARKS = (77, 205)
_MOST = 1000


class Damaged(Exception):
    """This is no CSA header, or not a whole one."""


@dataclass(frozen=True, slots=True)
class Item:
    """One value: where it lies, and how long a text may take its place (one byte of the end stays zero, as it was)."""

    start: int
    end: int
    room: int


@dataclass(frozen=True, slots=True)
class Tag:
    """One attribute."""

    name: str
    vr: str
    items: list[Item]


@dataclass(slots=True)
class Header:
    """A whole container. `data` is a copy without what lay between the values."""

    data: bytearray
    tags: list[Tag] = field(default_factory=list)

    def text(self, item: Item) -> bytes:
        """An item's value, up to its end."""
        return bytes(self.data[item.start : item.end]).partition(b"\0")[0]

    def put(self, item: Item, text: bytes) -> None:
        """Put a value in an item's place."""
        if len(text) > item.room:
            raise ValueError("a CSA value is longer than its place")
        self.data[item.start : item.end] = text.ljust(item.end - item.start, b"\0")


def parse(data: bytes) -> Header:
    """Take a container apart to the last byte, or raise `Damaged`."""
    header = Header(bytearray(data))
    newer = data.startswith(_MAGICS)
    at = 8 if newer else 0
    if len(data) < at + 8:
        raise Damaged
    count, mark = struct.unpack_from("<2I", data, at)
    if not 0 < count <= _MOST or mark != _MARKS[0]:
        raise Damaged
    at += 8
    first = 0
    for index in range(count):
        tag, wanted, at = _tag(header, at)
        first = first if index else wanted
        at = _items(header, tag, wanted, at, None if newer else first)
        header.tags.append(tag)
    header.data[at:] = bytes(len(data) - at)
    return header


def _tag(header: Header, at: int) -> tuple[Tag, int, int]:
    """(the tag without its items, how many it has, where they begin)."""
    if at + _TAG.size > len(header.data):
        raise Damaged
    raw, multiplicity, vr, kind, count, mark = _TAG.unpack_from(header.data, at)
    name = raw.partition(b"\0")[0]
    sane = 0 <= multiplicity <= _MOST and 0 <= kind <= _MOST and 0 <= count <= _MOST and mark in _MARKS
    if not sane or len(name) > 63 or not _NAME.fullmatch(name) or not _VR.match(vr):
        raise Damaged
    _TAG.pack_into(header.data, at, name, multiplicity, vr[:2], kind, count, mark)
    return Tag(name.decode(), vr[:2].decode(), []), count, at + _TAG.size


def _items(header: Header, tag: Tag, count: int, at: int, first: int | None) -> int:
    """Add the items; gives where they end. `first`: the number of items of the first tag, in the older format."""
    size = len(header.data)
    for _ in range(count):
        if at + _ITEM.size > size:
            raise Damaged
        numbers = _ITEM.unpack_from(header.data, at)
        if numbers[2] not in _MARKS or not all(0 <= number <= size for number in numbers):
            raise Damaged
        at += _ITEM.size
        length = numbers[1] if first is None else numbers[0] - first
        if first is not None and not 0 <= length <= size - at:
            break  # the older format's way to say that nothing follows
        padded = length + -length % 4
        if length > size - at or (at + padded > size and first is None):
            raise Damaged
        end = at + length
        text, ended, _ = bytes(header.data[at:end]).partition(b"\0")
        header.data[at + len(text) : min(at + padded, size)] = bytes(min(at + padded, size) - at - len(text))
        tag.items.append(Item(at, end, length - 1 if ended else length))
        at = min(at + padded, size)
    return at
