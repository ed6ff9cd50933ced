"""JPEG of every process, and JPEG-LS: all marker segments, in the frame's header, between its scans and behind them.

What decoding needs stays: tables, frame and scan headers, and the samples themselves, which are not decoded. Of application
data only what changes colours stays, written anew: JFIF without thumbnail, Adobe's transform, HP's colour transform of
JPEG-LS. ISO/IEC 10918-1 B, 14495-1 C, 10918-5 (JFIF), 10918-6 (Adobe).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deid.codestream.pieces import Malformed, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EOI, SOS = 0xD9, 0xDA
_DHT, _DAC, _DQT, _DNL, _DRI, _DHP, _EXP, _LSE = 0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF, 0xF8
_SOF_LS = 0xF7
_FRAMES = (frozenset({*range(0xC0, 0xD0), _SOF_LS}) - {_DHT, 0xC8, _DAC}) | {_DHP}
_APP0, _APP8, _APP14 = 0xE0, 0xE8, 0xEE
_APPLICATION = frozenset({*range(0xE0, 0xF0), *range(0xF0, 0xFE), 0xC8, 0xFE}) - {_SOF_LS, _LSE}
_NAMES = {0xFE: "COM", 0xC8: "JPG"} | {0xE0 + n: f"APP{n}" for n in range(16)}
# A marker among samples: not a stuffed zero, not a restart, not another fill byte. JPEG-LS stuffs one bit (14495-1 A.1).
_MARKER = re.compile(rb"\xff[^\0\xff\xd0-\xd7]", re.DOTALL)
_MARKER_LS = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]", re.DOTALL)
_LARGEST_TRANSFORM = 5

Segment = tuple[int, int, int]


def strip(data: memoryview) -> Stream:
    """Walk one JPEG or JPEG-LS stream (also an abbreviated one: tables alone, or without them).

    Raises:
        Malformed: it is none, or cut short, or holds something of no known structure.
    """
    stream = Stream(data)
    if bytes(data[:2]) != b"\xff\xd8":
        raise Malformed("a JPEG stream that does not begin as one")
    stream.keep(0, 2)
    at, kept = 2, dict[int, bytes]()
    for marker, start, end in segments(data):
        if start > at:
            stream.drop("fill bytes", at, start)
        at = end
        if marker in _APPLICATION:
            _application(stream, marker, start, end, kept)
        elif not marker:
            stream.keep_coded(start, end)
        elif marker == EOI or _is_whole(marker, bytes(data[start + 4 : end])):
            stream.keep(start, end)
        else:
            raise Malformed("a JPEG stream with a segment of another size or kind than there is")
    stream.end(at)
    return stream


def segments(data: memoryview) -> Iterator[Segment]:
    """(marker, start, end) of everything behind a stream's first marker up to its last; a scan goes with its samples."""
    at, pattern = 2, _MARKER
    while True:
        while at + 1 < len(data) and data[at] == data[at + 1] == 0xFF:  # fill bytes
            at += 1
        if at + 2 > len(data) or data[at] != 0xFF:
            raise Malformed("a JPEG stream cut short, or with something between its segments")
        marker = data[at + 1]
        if marker == EOI:
            yield marker, at, at + 2
            return
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(data):
            raise Malformed("a JPEG stream cut short within a segment")
        if marker == _SOF_LS:
            pattern = _MARKER_LS
        yield marker, at, end
        at = end
        if marker == SOS:
            found = pattern.search(data, end)
            if found is None:
                raise Malformed("a JPEG stream without an end")
            yield 0, end, found.start()  # the samples
            at = found.start()


def _application(stream: Stream, marker: int, start: int, end: int, kept: dict[int, bytes]) -> None:
    """Drop application data, or write anew what is needed of it. `kept`: what was needed so far, by marker."""
    new = _needed(marker, bytes(stream.data[start + 4 : end]))
    if new and kept.setdefault(marker, new) != new:
        raise Malformed("a JPEG stream that tells its colours twice, and not alike")
    if new and kept[marker] is new:
        stream.write(_NAMES[marker], start, end, bytes((0xFF, marker)) + (len(new) + 2).to_bytes(2, "big") + new)
    else:
        stream.drop(_NAMES.get(marker, f"JPG{marker & 15}"), start, end)


def _needed(marker: int, body: bytes) -> bytes:
    """Application data without which a decoder may show other colours, without anything else in it."""
    if marker == _APP0 and body.startswith(b"JFIF\0") and len(body) >= 14:
        version = body[5:7] if body[5:7] in (b"\1\0", b"\1\1", b"\1\2") else b"\1\1"
        density = body[7:12] if body[7] < 3 and body[8:10] == body[10:12] else b"\0\0\1\0\1"
        return b"JFIF\0" + version + density + b"\0\0"
    if marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12 and body[11] < 3:
        return b"Adobe\0\x64\0\0\0\0" + body[11:12]
    if marker == _APP8 and body.startswith(b"mrfx") and len(body) == 5 and body[4] <= _LARGEST_TRANSFORM:
        return body
    return b""


def _is_whole(marker: int, body: bytes) -> bool:
    """Whether a segment holds what its kind has, to the last byte: no room for anything else."""
    size = len(body)
    if marker in _FRAMES:
        return size >= 6 and size == 6 + 3 * body[5]
    if marker == SOS:
        return size >= 1 and size == 4 + 2 * body[0]
    if marker == _DQT:
        return _tables_end(body, lambda at: 65 + 64 * (body[at] >> 4) if body[at] >> 4 < 2 else 0)
    if marker == _DHT:
        return _tables_end(body, lambda at: 17 + sum(body[at + 1 : at + 17]))
    if marker == _DAC:
        return size > 0 and size % 2 == 0
    if marker == _LSE:
        return size > 0 and (body[0] in (2, 3, 4) or (body[0] == 1 and size == 11))
    return size in {_DRI: (2, 3, 4), _DNL: (2,), _EXP: (1,)}.get(marker, ())


def _tables_end(body: bytes, step: Callable[[int], int]) -> bool:
    """Whether tables of the sizes they say fill a segment."""
    at = 0
    while at < len(body):
        size = step(at)
        if not size:
            return False
        at += size
    return at == len(body) > 0
