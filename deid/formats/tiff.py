"""TIFF and BigTIFF: the result is as long as the original, and nothing in it but what shows the picture.

Everything begins as zeros; headers, the known tags and the strips and tiles are copied to where they were. So text, EXIF,
private tags, gaps and bytes behind the picture are gone without anybody having to find them, and no pixel moves.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deid.errors import Held, Unreadable
from deid.formats import strips
from deid.formats.base import Context, Work, mapped
from deid.formats.raster import looked_at, walked

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
# What a reader needs to show the picture: sizes, colours, compression, resolution, places. All numbers.
_SHOWN = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284, 290, 291}
    | {292, 293, 296, 297, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 332, 334, 336, 338, 339, 340, 341, 347}
    | {512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 32995, 32996, 32997, 32998}
)
_TEXT_OR_BYTES = (2, 7)
_JPEG_TABLES, _SUB_IFDS, _COMPRESSION = 347, 330, 259
_PLACES = ((273, 279), (324, 325), (513, 514))  # strips, tiles, an old JPEG stream: offsets and byte counts
_WIDTH, _LENGTH, _BITS, _PHOTOMETRIC, _SAMPLES_PER_PIXEL, _ROWS_PER_STRIP, _PLANAR = 256, 257, 258, 262, 277, 278, 284
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _YCBCR, _SEPARATE = 322, 323, 324, 6, 2
_READ = frozenset({_SUB_IFDS, _COMPRESSION, *(tag for pair in _PLACES for tag in pair)})
_READ |= {_WIDTH, _LENGTH, _BITS, _PHOTOMETRIC, _SAMPLES_PER_PIXEL, _ROWS_PER_STRIP, _PLANAR, _TILE_WIDTH, _TILE_LENGTH}
_OLD_JPEG, _NEW_JPEG = 6, 7
_MOST_IFDS, _MOST_ENTRIES, _MOST_VALUES = 10_000, 4096, 1 << 24


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a file counts: bytes of an offset, of an IFD's count of entries, and of an entry."""

    order: str
    big: bool

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> int:
        return 20 if self.big else 12


@dataclass(slots=True)
class _Picture:
    """What is kept: regions of the file as they are, and bytes written anew."""

    regions: list[tuple[int, int]] = field(default_factory=list)
    anew: dict[int, bytes] = field(default_factory=dict)


class Tiff:
    """Cleans TIFF files."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By byte order and magic number."""
        return head[:4] in _MAGIC

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one file of one or many pictures."""
        looked_at(context, "TIFF")
        data = mapped(source)
        kind = _Kind("<" if data[0] == ord("I") else ">", data[2 if data[0] == ord("I") else 3] == ord("+"))
        work = Work(context)
        picture = _Reader(data, kind, work).read()
        end = 0
        pieces: list[tuple[int, bytes | memoryview]] = [
            *picture.anew.items(),
            *((start, data[start:stop]) for start, stop in picture.regions),
        ]
        for start, piece in sorted(pieces, key=lambda each: each[0]):
            if start < end:
                raise Held("a TIFF whose parts lie over each other: nobody can say what is pixel and what is text")
            if start > end:
                work.write("gap", bytes(start - end))
            if isinstance(piece, bytes):
                work.write("IFD", piece)
            else:
                work.keep(piece)
            end = start + len(piece)
        return work.finish(target, ".tif", {"FileType": "TIFF"})


class _Reader:
    """Walks a file's IFDs, and those below them."""

    def __init__(self, data: memoryview, kind: _Kind, work: Work) -> None:
        self._data = data
        self._kind = kind
        self._work = work
        self._picture = _Picture()
        self._seen: set[int] = set()

    def read(self) -> _Picture:
        first = 8 if self._kind.big else 4
        header = first + struct.calcsize(self._kind.offset)
        self._picture.regions.append((0, header))
        todo = [self._number(first, self._kind.offset)]
        while todo:
            at = todo.pop()
            if not at:
                continue
            if at in self._seen or len(self._seen) > _MOST_IFDS:
                raise Unreadable("a TIFF that goes round in circles")
            self._seen.add(at)
            todo += self._directory(at)
        self._picture.regions = sorted(set(self._picture.regions))
        return self._picture

    def _number(self, at: int, code: str) -> int:
        if not 0 <= at <= len(self._data) - struct.calcsize(code):
            raise Unreadable("a TIFF cut short")
        (value,) = struct.unpack_from(code, self._data, at)
        return int(value)

    def _directory(self, at: int) -> list[int]:
        """Keep one IFD's known entries; gives the IFDs it points to."""
        kind = self._kind
        entries = self._number(at, kind.count)
        begin = at + struct.calcsize(kind.count)
        end = begin + entries * kind.entry
        if entries > _MOST_ENTRIES:
            raise Unreadable("a TIFF with a directory that cannot be")
        following = self._number(end, kind.offset)
        kept, values = [], {}
        for start in range(begin, end, kind.entry):
            tag, field_type = struct.unpack_from(kind.order + "HH", self._data, start)
            count = self._number(start + 4, kind.offset)
            size = _SIZES.get(field_type, 0) * count
            inline = 8 if kind.big else 4
            place = start + kind.entry - inline
            where = place if size <= inline else self._number(place, kind.offset)
            shown = tag in _SHOWN and (field_type not in _TEXT_OR_BYTES or tag == _JPEG_TABLES)
            if not (shown or tag == _SUB_IFDS) or not size or count > _MOST_VALUES:
                self._work.note(f"tag {tag}", "X", "not needed for the picture", self._data[where : where + min(size, 1 << 16)])
                continue
            if where + size > len(self._data):
                raise Unreadable("a TIFF cut short within a tag")
            if tag == _JPEG_TABLES:
                tables = jpeg_tables(self._data[where : where + size])
                if tables != bytes(self._data[where : where + size]):
                    self._work.note(f"tag {tag}", "C", "not needed for the picture", self._data[where : where + size])
                kept.append(self._tables(start, tables, where, inline))
                continue
            kept.append(bytes(self._data[start:place]) + _value(self._data, place, size, inline))
            if size > inline:
                self._picture.regions.append((where, where + size))
            if tag in _READ:
                values[tag] = self._values(field_type, count, where)
        directory = struct.pack(kind.count, len(kept)) + b"".join(kept) + struct.pack(kind.offset, following)
        self._picture.anew[at] = directory
        self._samples(values)
        return [following, *values.get(_SUB_IFDS, ())]

    def _tables(self, start: int, tables: bytes, where: int, inline: int) -> bytes:
        """The entry of the tables that all of a picture's strips share, which may be shorter now."""
        kind = self._kind
        entry = bytes(self._data[start : start + 4]) + struct.pack(kind.offset, len(tables))
        if len(tables) <= inline:
            return entry + tables.ljust(inline, b"\0")
        self._picture.anew[where] = tables
        return entry + struct.pack(kind.offset, where)

    def _values(self, field_type: int, count: int, where: int) -> tuple[int, ...]:
        code = _CODES.get(field_type)
        return struct.unpack_from(f"{self._kind.order}{count}{code}", self._data, where) if code else ()

    def _samples(self, values: dict[int, tuple[int, ...]]) -> None:
        compression = (values.get(_COMPRESSION) or (1,))[0]
        if compression == _OLD_JPEG:
            raise Held("a TIFF with the old kind of JPEG: its tables lie anywhere")
        for offsets, counts in _PLACES:
            for index, (start, size) in enumerate(zip(values.get(offsets, ()), values.get(counts, ()), strict=False)):
                if start + size > len(self._data):
                    raise Unreadable("a TIFF cut short within its pixels")
                if size:
                    self._strip(start, size, index, compression, values, tiled=offsets == _TILE_OFFSETS)

    def _strip(
        self, start: int, size: int, index: int, compression: int, values: dict[int, tuple[int, ...]], *, tiled: bool
    ) -> None:
        """Keep what of a strip or tile is picture; what lies behind becomes zeros."""
        piece = self._data[start : start + size]
        if compression == _NEW_JPEG:
            self._jpeg(start, size, piece)
            return
        used = strips.used(piece, compression, _wanted(values, index, tiled=tiled))
        if used < size:
            self._work.note("strip", "X", "bytes behind the pixels", piece[used:])
            self._picture.anew[start + used] = bytes(size - used)
        self._picture.regions.append((start, start + used))

    def _jpeg(self, start: int, size: int, piece: memoryview) -> None:
        """Keep a strip of JPEG; zeros behind its end make it as long as it was."""
        stream = walked(piece)
        for what, data in stream.removed:
            self._work.note(f"strip: {what}", "X", "not needed for the picture", data)
        if stream.changed:
            self._picture.anew[start] = stream.clean().ljust(size, b"\0")
        else:
            self._picture.regions.append((start, start + size))


def _wanted(values: dict[int, tuple[int, ...]], index: int, *, tiled: bool) -> int:
    """How many bytes of pixels a strip or tile has when it is unpacked."""

    def first(tag: int, default: int) -> int:
        return (values.get(tag) or (default,))[0]

    samples = 1 if first(_PLANAR, 1) == _SEPARATE else first(_SAMPLES_PER_PIXEL, 1)
    bits = sum((values.get(_BITS) or (1,) * samples)[:samples]) if samples > 1 else first(_BITS, 1)
    if tiled:
        return (first(_TILE_WIDTH, 0) * bits + 7) // 8 * first(_TILE_LENGTH, 0)
    height = first(_LENGTH, 0)
    rows = min(first(_ROWS_PER_STRIP, height), height) or height
    strips_of_one = -(-height // rows) if rows else 1
    rows = min(rows, height - index % strips_of_one * rows)
    size = (first(_WIDTH, 0) * bits + 7) // 8 * rows
    # Colours of YCbCr may be stored for groups of pixels, filled up at the edges: never more than one for each pixel.
    return size if first(_PHOTOMETRIC, 0) != _YCBCR else size + 64 * bits


def jpeg_tables(data: memoryview) -> bytes:
    """Tables without comments and application data; nothing behind their end."""
    return walked(data).clean()


def _value(data: memoryview, place: int, size: int, inline: int) -> bytes:
    """An entry's last field: the value, with what lies behind a short one zeroed, or the offset of a long one."""
    raw = bytes(data[place : place + inline])
    return raw[:size].ljust(inline, b"\0") if size <= inline else raw
