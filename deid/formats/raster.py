"""PNG and JPEG: what is not needed to show the picture goes, and no pixel is decoded.

A picture may show a name: it is held until a named human has looked at it, or the study's profile vouches for its kind.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

from deid.codestream import Malformed, jpeg
from deid.errors import Held, Unreadable
from deid.formats.base import Context, Work, mapped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from deid.codestream import Stream
    from deid.report import Report

_PNG = b"\x89PNG\r\n\x1a\n"
_SHOWN = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs", b"hIST"})
_ANIMATED = frozenset({b"acTL", b"fcTL", b"fdAT"})
_LENGTHS: Final = {b"IHDR": 13, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"IEND": 0}
_MOST: Final = {b"PLTE": 768, b"tRNS": 256, b"sBIT": 4, b"bKGD": 6, b"hIST": 512, b"acTL": 8, b"fcTL": 26}
_BLOCK = 1 << 20


def looked_at(context: Context, file_type: str) -> None:
    """Hold a picture that nobody has looked at and nobody vouches for."""
    if not (context.pixels_approved or context.attests(file_type)):
        raise Held("a picture may show a name: somebody must look at it, or the profile attest its type")


class Png:
    """Cleans PNG files: only the chunks that make the picture stay."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By the signature."""
        return head.startswith(_PNG)

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one picture."""
        looked_at(context, "PNG")
        data, work = mapped(source), Work(context)
        work.keep(data[:8])
        chunks = list(_chunks(data))
        packed = [chunk for chunk in chunks if chunk.kind == b"IDAT"]
        stream = _pixels(data, chunks, packed)
        for chunk in chunks:
            piece = data[chunk.start : chunk.end]
            if chunk.kind == b"IDAT" and stream is not None:
                if chunk is packed[0]:
                    work.note("IDAT", "C", "bytes behind the picture's pixels")
                    work.write("IDAT", _chunk(b"IDAT", stream))
            elif chunk.kind in _SHOWN | _ANIMATED and _fits(chunk):
                work.keep(piece)
            else:
                name = chunk.kind.decode("latin-1") if chunk.kind in _TEXTS else "chunk"
                work.note(name, "X", "not needed for the picture", piece)
        if chunks[-1].end < len(data):
            work.note("tail", "X", "bytes behind the picture", data[chunks[-1].end :])
        return work.finish(target, ".png", {"FileType": "PNG"})


class _Chunk(NamedTuple):
    """A part of a PNG: its kind, and where it begins and ends with its length and checksum."""

    kind: bytes
    start: int
    end: int

    @property
    def body(self) -> slice:
        return slice(self.start + 8, self.end - 4)


def _chunks(data: memoryview) -> Iterator[_Chunk]:
    """The chunks up to the last one."""
    at, kind = 8, b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise Unreadable("a PNG cut short")
        length, kind = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8])
        end = at + 12 + length
        if end > len(data):
            raise Unreadable("a PNG cut short within a chunk")
        if int.from_bytes(data[end - 4 : end], "big") != zlib.crc32(data[at + 4 : end - 4]):
            raise Unreadable("a PNG with a damaged chunk")
        yield _Chunk(kind, at, end)
        at = end


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def _fits(chunk: _Chunk) -> bool:
    """Whether a chunk is as long as its kind allows: more is no picture."""
    length = chunk.end - chunk.start - 12
    return length <= _MOST.get(chunk.kind, length) and _LENGTHS.get(chunk.kind, length) == length


def _pixels(data: memoryview, chunks: list[_Chunk], packed: list[_Chunk]) -> bytes | None:
    """The packed pixels without what lies behind them, in their stream or after its end; None if nothing does.

    Raises `Held` for an animation with such bytes: its other pictures are not counted.
    """
    if not packed or chunks[0].kind != b"IHDR":
        raise Unreadable("a PNG without pixels")
    size = _size_of(bytes(data[chunks[0].body]))
    for run in _animation(chunks):
        if not _ends_with(data, run, 1 << 40):
            raise Held("an animated PNG with bytes behind the pixels of a picture")
    if _ends_with(data, [(chunk.body.start, chunk.body.stop) for chunk in packed], size):
        return None
    unpacker = zlib.decompressobj()
    pixels = unpacker.decompress(b"".join(bytes(data[chunk.body]) for chunk in packed), size)
    if len(pixels) < size:
        raise Unreadable("a PNG cut short within its pixels")
    return zlib.compress(pixels, 6)


def _animation(chunks: list[_Chunk]) -> Iterator[list[tuple[int, int]]]:
    """Where the packed pixels of each further picture of an animation lie; each piece begins with its number."""
    run: list[tuple[int, int]] = []
    for chunk in chunks:
        if chunk.kind == b"fdAT":
            run.append((chunk.body.start + 4, chunk.body.stop))
        elif run and chunk.kind in (b"fcTL", b"IEND"):
            yield run
            run = []


def _ends_with(data: memoryview, pieces: list[tuple[int, int]], size: int) -> bool:
    """Whether a packed stream ends where its pieces end, and unpacks to no more than `size` bytes."""
    unpacker, total = zlib.decompressobj(), 0
    try:
        for start, stop in pieces:
            if unpacker.eof and start < stop:
                return False
            todo = bytes(data[start:stop])
            while todo and not unpacker.eof:
                total += len(unpacker.decompress(todo, _BLOCK))
                todo = unpacker.unconsumed_tail
                if total > size:
                    return False
    except zlib.error:
        raise Unreadable("a PNG with damaged pixels") from None
    return unpacker.eof and not unpacker.unused_data


_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # x, y, their steps
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def _size_of(header: bytes) -> int:
    """How many bytes the rows of a picture have, each with the byte that names its filter."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if colour not in _SAMPLES:
        raise Unreadable("a PNG with colours that cannot be")
    bits = depth * _SAMPLES[colour]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    sizes = ((-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in passes)
    return sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns > 0 and rows > 0)


_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"iCCP", b"sPLT"})


class Jpeg:
    """Cleans JPEG files: tables, frames and scans stay, application data and comments go (`codestream.jpeg`)."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By the first marker and the beginning of the next."""
        return head.startswith(b"\xff\xd8\xff")

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one picture."""
        looked_at(context, "JPEG")
        work = Work(context)
        stream = walked(mapped(source))
        for what, data in stream.removed:
            work.note(what, "X", "not needed for the picture", data)
        for piece in stream.pieces:
            if isinstance(piece, bytes):
                work.write("segment", piece)
            else:
                work.keep(piece)
        return work.finish(target, ".jpg", {"FileType": "JPEG"})


def walked(data: memoryview) -> Stream:
    """A JPEG stream, or the tables of one, without what is no picture. `Unreadable` if it is not built as its standard says."""
    try:
        return jpeg.strip(data)
    except Malformed as error:
        raise Unreadable(error.reason) from None


class OtherPicture:
    """Holds pictures of kinds that are not taken apart here: comments and names in their pixels would go out unseen."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """GIF, WebP and BMP, by their signatures."""
        is_bmp = head[:2] == b"BM" and int.from_bytes(head[2:6], "little") == source.stat().st_size
        return head[:6] in (b"GIF87a", b"GIF89a") or (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or is_bmp

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Hold one picture."""
        raise Held("a picture of a kind that is not cleaned here: save it as PNG or JPEG")
