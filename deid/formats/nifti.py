"""NIfTI-1 and NIfTI-2: one file, gzipped or not, or a pair .hdr/.img.

Text fields are cleaned or emptied, fields nobody reads are zeroed, extensions are cleaned (`extensions`), bytes behind the
image are cut; the image's bytes stay. A gzipped file is packed anew, without the name and time its packer noted.
"""

from __future__ import annotations

import gzip
import io
import re
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deid.errors import Held, Unreadable
from deid.formats import extensions
from deid.formats.base import Context, Work, deliver, mapped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 20
_LARGEST_OFFSET = 1 << 24
_CIFTI = range(3000, 3100)
_INTENT = re.compile(rb"mrs_v\d{1,2}_\d{1,2}|Conn[A-Za-z]{1,12}")  # what NIfTI-MRS and CIFTI are known by
_MOST_DIMENSIONS = 7


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the fields of a version lie: (offset, length), or (offset, struct code)."""

    size: int
    single: bytes
    pair: bytes
    magic: int
    dim: tuple[int, str]
    bitpix: int
    offset: tuple[int, str]
    intent: tuple[int, str]
    texts: dict[str, tuple[int, int]]
    emptied: dict[str, tuple[int, int]]


_ONE = _Layout(
    348, b"n+1\0", b"ni1\0", 344, (40, "8h"), 72, (108, "f"), (68, "h"),
    {"descrip": (148, 80), "intent_name": (328, 16)},
    {"data_type": (4, 10), "db_name": (14, 18), "extents": (32, 4), "session_error": (36, 2), "glmax": (140, 4),
     "glmin": (144, 4), "aux_file": (228, 24)},
)  # fmt: skip
_TWO = _Layout(
    540, b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n", 4, (16, "8q"), 14, (168, "q"), (504, "i"),
    {"descrip": (240, 80), "intent_name": (508, 16)},
    {"aux_file": (320, 24), "unused_str": (525, 15)},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Header:
    """What a header says of its image."""

    layout: _Layout
    order: str
    data: bytes
    offset: int
    size: int

    @property
    def is_cifti(self) -> bool:
        at, code = self.layout.intent
        return struct.unpack_from(self.order + code, self.data, at)[0] in _CIFTI

    @property
    def pair(self) -> bool:
        layout = self.layout
        return self.data[layout.magic : layout.magic + len(layout.pair)] == layout.pair


def _layout(head: bytes) -> tuple[_Layout, str] | None:
    for layout in (_ONE, _TWO):
        magic = head[layout.magic : layout.magic + len(layout.single)]
        for order in "<>":
            if magic in (layout.single, layout.pair) and head[:4] == struct.pack(order + "i", layout.size):
                return layout, order
    return None


def _parse(head: bytes) -> _Header:
    found = _layout(head)
    if found is None or len(head) < found[0].size:
        raise Unreadable("a NIfTI header cut short")
    layout, order = found
    at, code = layout.dim
    count, *shape = struct.unpack_from(order + code, head, at)
    if not 1 <= count <= _MOST_DIMENSIONS or any(n < 0 for n in shape[:count]):
        raise Unreadable("a NIfTI header with dimensions that cannot be")
    voxels = 1
    for n in shape[:count]:
        voxels *= max(n, 1)
    (bits,) = struct.unpack_from(order + "h", head, layout.bitpix)
    (offset,) = struct.unpack_from(order + layout.offset[1], head, layout.offset[0])
    if bits < 1 or not 0 <= offset <= _LARGEST_OFFSET or offset != int(offset):
        raise Unreadable("a NIfTI header with sizes that cannot be")
    return _Header(layout, order, head[: layout.size], int(offset), (voxels * bits + 7) // 8)


class Nifti:
    """Cleans NIfTI files."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By the header's size and magic, gzipped or not; an .img by the header beside it."""
        if head[:2] == _GZIP:
            try:
                return _layout(zlib.decompressobj(wbits=31).decompress(head, 1024)) is not None
            except zlib.error:
                return False
        return _layout(head) is not None or _beside(source) is not None

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean a single file, or either half of a pair."""
        data = mapped(source)
        work = Work(context)
        if bytes(data[:2]) == _GZIP:
            return _packed(data, target, work)
        if _layout(bytes(data[:1024])) is None:
            return _image(source, data, target, work)
        header = _parse(bytes(data[: _TWO.size]))
        if header.pair:
            more = extensions.cleaned(bytes(data[header.layout.size :]), header.order, work, needed=header.is_cifti)
            work.write("header", _cleaned(header, work, 0) + more)
            return work.finish(target, ".hdr", _headers())
        if len(data) < header.offset + header.size:
            raise Unreadable("a NIfTI file cut short within its image")
        _front(header, bytes(data[header.layout.size : header.offset]), work)
        if len(data) > header.offset + header.size:
            work.note("tail", "X", "bytes behind the image", data[header.offset + header.size :])
        work.keep(data[header.offset : header.offset + header.size])
        return work.finish(target, ".nii", _headers())


def _headers() -> dict[str, str | int | float]:
    return {"FileType": "NIFTI"}


def _beside(source: Path) -> Path | None:
    """The header of an .img, if it is a NIfTI pair's."""
    for ending in (".hdr", ".HDR"):
        header = source.with_suffix(ending)
        if source.suffix.lower() == ".img" and header.is_file():
            with header.open("rb") as stream:
                found = _layout(head := stream.read(1024))
            if found is not None and head[found[0].magic :].startswith(found[0].pair):
                return header
    return None


def _image(source: Path, data: memoryview, target: BinaryIO, work: Work) -> Report:
    """An .img: what its header says is image, and nothing else."""
    beside = _beside(source)
    if beside is None:
        raise Unreadable("the header of this image is gone")
    with beside.open("rb") as stream:
        header = _parse(stream.read(_TWO.size))
    if len(data) < header.offset + header.size:
        raise Unreadable("a NIfTI image cut short")
    if len(data) > header.size:
        work.note("image", "X", "bytes around the image")
    work.keep(data[header.offset : header.offset + header.size])
    return work.finish(target, ".img", _headers())


def _front(header: _Header, between: bytes, work: Work) -> bytes:
    """The header and its extensions."""
    more = extensions.cleaned(between, header.order, work, needed=header.is_cifti)
    front = _cleaned(header, work, header.layout.size + len(more)) + more
    work.write("header", front)
    return front


def _cleaned(header: _Header, work: Work, offset: int) -> bytes:
    layout, data = header.layout, bytearray(header.data)
    for name, (at, length) in layout.emptied.items():
        old = bytes(data[at : at + length])
        if name in ("db_name", "aux_file"):
            work.identity(name, "name", old.split(b"\0")[0], "NIfTI text")
        if any(old):
            if name not in ("db_name", "aux_file"):
                work.note(name, "X", "NIfTI field nobody reads", old)
            data[at : at + length] = bytes(length)
    for name, (at, length) in layout.texts.items():
        old = bytes(data[at : at + length])
        plain = old.split(b"\0")[0]
        kept = name == "intent_name" and _INTENT.fullmatch(plain)
        new = plain if kept else work.text(name, old.replace(b"\0", b" "), "NIfTI text")
        data[at : at + length] = new[:length].ljust(length, b"\0")
    struct.pack_into(header.order + layout.offset[1], data, layout.offset[0], offset)
    return bytes(data)


def _packed(data: memoryview, target: BinaryIO, work: Work) -> Report:
    """A gzipped file: unpacked once to see that it is whole and what it holds, and once to pack it anew."""
    head = b""
    for block in _unpacked(data):
        head += block
        if len(head) >= _TWO.size:
            break
    header = _parse(head[: _TWO.size])
    if header.pair:
        raise Held("half of a gzipped NIfTI pair: unpack both first")
    total, start, between = 0, header.offset, b""
    for block in _unpacked(data):
        if total < start:
            between += block[: start - total]
        total += len(block)
    if total < start + header.size:
        raise Unreadable("a NIfTI file cut short within its image")
    front = _front(header, between[header.layout.size :], work)
    work.note("gzip", "X", "name and time of packing")
    if total > start + header.size:
        work.note("tail", "X", "bytes behind the image")
    work.check()
    deliver(target, _repacked(front, data, start, header.size))
    return work.report(".nii.gz", _headers())


def _unpacked(data: memoryview) -> Iterator[bytes]:
    """The bytes of a gzip file; only plain errors of ours come out."""
    try:
        with gzip.GzipFile(fileobj=_View(data)) as stream:
            while block := stream.read(_BLOCK):
                yield block
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise Unreadable("a damaged gzip file") from None


def _repacked(front: bytes, data: memoryview, start: int, size: int) -> Iterator[bytes]:
    packer = zlib.compressobj(6, wbits=31)
    yield packer.compress(front)
    at = 0
    for block in _unpacked(data):
        piece = block[max(0, start - at) : max(0, start + size - at)]
        at += len(block)
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


class _View(io.RawIOBase):
    """A memory view as a file, without a copy of it."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill a buffer."""
        room = memoryview(buffer).cast("B")  # type: ignore[arg-type] # any buffer, as RawIOBase says
        piece = self._data[self._at : self._at + len(room)]
        room[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)
