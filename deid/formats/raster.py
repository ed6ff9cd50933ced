"""PNG and JPEG: what is not needed to show the picture goes, and no pixel is decoded.

A picture may show a name: it is held until a named human has looked at it, or the study's profile vouches for its kind.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Final

from deid.errors import Held, Unreadable
from deid.formats.base import Context, Work, mapped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_PNG = b"\x89PNG\r\n\x1a\n"
_SHOWN = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs", b"hIST"})
_ANIMATED = frozenset({b"acTL", b"fcTL", b"fdAT"})
_LENGTHS: Final = {b"IHDR": 13, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"IEND": 0}
_TABLES = frozenset({0xDB, 0xC4, 0xCC, 0xDD, *range(0xC0, 0xD0)}) - {0xC8}  # DQT, DHT, DAC, DRI, the frames
_SOS, _EOI, _APP0, _ADOBE = 0xDA, 0xD9, 0xE0, 0xEE
_JFIF_FIXED, _ADOBE_FIXED = 14, 12
_MARKER = re.compile(rb"\xff[^\0\xff\xd0-\xd7]", re.DOTALL)
Segment = tuple[int, int, int]


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
            if kind in _SHOWN | _ANIMATED and _LENGTHS.get(kind, length) == length:
                work.keep(data[at:end])
            else:
                work.note(
                    kind.decode("latin-1") if kind in _TEXTS else "chunk", "X", "not needed for the picture", data[at:end]
                )
            at = end
        if at < len(data):
            work.note("tail", "X", "bytes behind the picture", data[at:])
        return work.finish(target, ".png", {"FileType": "PNG"})


_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"iCCP", b"sPLT"})


class Jpeg:
    """Cleans JPEG files: tables, frames and scans stay, application data and comments go."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By the first marker and the beginning of the next."""
        return head.startswith(b"\xff\xd8\xff")

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one picture."""
        looked_at(context, "JPEG")
        data, work = mapped(source), Work(context)
        work.keep(data[:2])
        end = 2
        for marker, start, end in segments(data):
            if marker in _TABLES or marker in (_SOS, _EOI):
                work.keep(data[start:end])
            elif fixed := _fixed(marker, bytes(data[start:end])):
                work.write(f"segment {marker:02X}", fixed)
            else:
                work.note(f"segment {marker:02X}", "X", "not needed for the picture", data[start:end])
        if end < len(data):
            work.note("tail", "X", "bytes behind the picture", data[end:])
        return work.finish(target, ".jpg", {"FileType": "JPEG"})


def _fixed(marker: int, segment: bytes) -> bytes:
    """JFIF without its thumbnail, and Adobe's word on colours: without it a picture shows in wrong ones."""
    body = segment[4:]
    if marker == _APP0 and body.startswith(b"JFIF\0") and len(body) >= _JFIF_FIXED:
        return b"\xff\xe0\0\x10" + body[: _JFIF_FIXED - 2] + b"\0\0"
    if marker == _ADOBE and body.startswith(b"Adobe") and len(body) == _ADOBE_FIXED:
        return segment
    return b""


def segments(data: memoryview) -> Iterator[Segment]:
    """(marker, start, end) of everything between a JPEG's first marker and its last; a scan goes with its samples."""
    at = 2
    while True:
        while at + 1 < len(data) and data[at] == data[at + 1] == 0xFF:  # fill bytes
            at += 1
        if at + 2 > len(data) or data[at] != 0xFF:
            raise Unreadable("a JPEG cut short")
        marker = data[at + 1]
        if marker == _EOI:
            yield marker, at, at + 2
            return
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(data):
            raise Unreadable("a JPEG cut short within a segment")
        if marker == _SOS:
            end = _after_samples(data, end)
        yield marker, at, end
        at = end


def _after_samples(data: memoryview, at: int) -> int:
    """Where entropy-coded samples end: at the first marker that is neither a stuffed byte nor a restart."""
    found = _MARKER.search(data, at)
    if found is None:
        raise Unreadable("a JPEG cut short within its samples")
    return found.start()
