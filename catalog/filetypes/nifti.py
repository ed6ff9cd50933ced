"""NIfTI-1 and NIfTI-2: one file, gzipped or not, or a pair of .hdr and .img."""

import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from catalog.filetypes.model import BY_COMPANION, FORMAT, Field, Look, Plain, Preview, Value
from catalog.filetypes.picture import MOST_BYTES, preview_of
from catalog.filetypes.sample import Sample
from catalog.pure.errors import Unreadable

_GZIP = b"\x1f\x8b"
_HEADER = 1024
_MOST_DIMENSIONS = 7
_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_METRES = {1: 1000.0, 2: 1.0, 3: 0.001}  # millimetres in a unit of length
_SECONDS = {8: 1000.0, 16: 1.0, 24: 0.001}  # milliseconds in a unit of time


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the fields of a version lie: (offset, struct code)."""

    format: str
    size: int
    magics: tuple[bytes, bytes]
    magic: int
    dim: tuple[int, str]
    datatype: int
    bitpix: int
    pixdim: tuple[int, str]
    offset: tuple[int, str]
    units: tuple[int, str]


_LAYOUTS = (
    _Layout("NIfTI-1", 348, (b"n+1\0", b"ni1\0"), 344, (40, "8h"), 70, 72, (76, "8f"), (108, "f"), (123, "b")),
    _Layout(
        "NIfTI-2", 540, (b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n"), 4, (16, "8q"), 12, 14, (104, "8d"), (168, "q"), (500, "i")
    ),
)


@dataclass(frozen=True, slots=True)
class _Header:
    layout: _Layout
    order: str
    pair: bool
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    datatype: int
    bits: int
    offset: int
    units: int

    @property
    def image_bytes(self) -> int:
        return (math.prod(self.shape) * self.bits + 7) // 8


def _parse(head: bytes) -> _Header | None:
    for layout in _LAYOUTS:
        magic = head[layout.magic : layout.magic + len(layout.magics[0])]
        for order in "<>":
            if len(head) >= layout.size and magic in layout.magics and head[:4] == struct.pack(order + "i", layout.size):
                return _fields(layout, order, head, magic == layout.magics[1])
    return None


def _fields(layout: _Layout, order: str, head: bytes, pair: bool) -> _Header | None:
    def at(where: tuple[int, str]) -> tuple[float, ...]:
        return struct.unpack_from(order + where[1], head, where[0])

    count, *shape = (int(n) for n in at(layout.dim))
    offset = at(layout.offset)[0]
    if not 1 <= count <= _MOST_DIMENSIONS or any(n < 0 for n in shape[:count]) or not 0 <= offset < 1 << 40:
        return None
    datatype, bits = int(at((layout.datatype, "h"))[0]), int(at((layout.bitpix, "h"))[0])
    sizes = tuple(max(n, 1) for n in shape[:count])
    return _Header(
        layout, order, pair, sizes, at(layout.pixdim)[1 : count + 1], datatype, bits, int(offset), int(at(layout.units)[0])
    )


def _unpacked(head: bytes, most: int) -> bytes:
    """Return the beginning of a file that may be gzipped."""
    if head[:2] != _GZIP:
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, most)
    except zlib.error:
        return b""


class Nifti(Plain):
    """An image in the format of the neuroimaging tools."""

    name = "NIFTI"
    labels = ("NIFTI",)
    companions = (".hdr", ".img")
    fields = (
        FORMAT,
        Field("Columns", "US", meaning="voxels along the first axis"),
        Field("Rows", "US", meaning="voxels along the second axis"),
        Field("NumberOfSlices", "US", meaning="voxels along the third axis"),
        Field("NumberOfTemporalPositions", "IS", meaning="volumes"),
        Field("PixelSpacing", "DS", "mm", meaning="size of a voxel, rows\\columns"),
        Field("SpacingBetweenSlices", "DS", "mm", meaning="size of a voxel along the third axis"),
        Field("RepetitionTime", "DS", "ms", meaning="time from volume to volume"),
        Field("BitsAllocated", "US", meaning="bits a voxel"),
    )

    def recognise(self, sample: Sample) -> bool:
        """By the header's size and magic, gzipped or not."""
        return _parse(_unpacked(sample.head, _HEADER)) is not None

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Read the header; the image of a pair says nothing."""
        header = _parse(_unpacked(file.read(_HEADER * 4), _HEADER))
        if header is None:
            return {}
        found: dict[str, Value] = {"Format": header.layout.format, "BitsAllocated": header.bits}
        names = ("Columns", "Rows", "NumberOfSlices", "NumberOfTemporalPositions")
        found.update(zip(names, header.shape, strict=False))
        length, time = _METRES.get(header.units & 7, 1.0), _SECONDS.get(header.units & 56, 1000.0)
        spacing = [_short(size * length) for size in header.spacing[:3]]
        if len(spacing) > 1:
            found["PixelSpacing"] = f"{spacing[1]:g}\\{spacing[0]:g}"
        if len(spacing) > 2:
            found["SpacingBetweenSlices"] = spacing[2]
        if len(header.shape) > 3 and header.spacing[3] > 0:
            found["RepetitionTime"] = _short(header.spacing[3] * time)
        return found

    def preview(self, file: BinaryIO, look: Look) -> Preview | None:
        """Show a slice across the third axis, volume after volume; the one in the middle of the first, unless one is named."""
        data = _unpacked(file.read(MOST_BYTES), MOST_BYTES)
        header = _parse(data[:_HEADER])
        if header is None or header.pair or header.datatype not in _TYPES or len(header.shape) < 2:
            return None
        columns, rows = header.shape[:2]
        slices = header.shape[2] if len(header.shape) > 2 else 1
        frames = math.prod(header.shape[2:])
        frame = min(max(0, look.frame), frames - 1) if look.frame is not None else slices // 2
        kind = np.dtype(header.order + _TYPES[header.datatype])
        start = header.offset + frame * columns * rows * kind.itemsize
        if start + columns * rows * kind.itemsize > len(data):
            raise Unreadable("it is cut off, or this slice of it lies too far in the file to be shown")
        plane = np.frombuffer(data, kind, columns * rows, start).reshape(rows, columns)
        return preview_of(plane[::-1], look, frame=frame, frames=frames)


class NiftiImage(Plain):
    """The image of a NIfTI pair: bytes without a mark of their own, known by the header beside them."""

    name = "NIFTI"
    labels = ()
    companions = (".hdr", ".img")
    rank = BY_COMPANION

    def recognise(self, sample: Sample) -> bool:
        """By a header beside it that promises as many bytes as there are."""
        beside = sample.beside(".hdr")
        header = _parse(beside.head) if beside is not None else None
        return header is not None and header.pair and sample.size >= header.offset + header.image_bytes > header.offset


def _short(number: float) -> float:
    """Return a single-precision number without the digits it does not have."""
    return float(f"{number:.7g}")
