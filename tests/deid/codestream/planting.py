"""Puts text into a stream wherever its format has room, without breaking it. Each gives the planted streams, by place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid.codestream import boxes, jpeg

if TYPE_CHECKING:
    from collections.abc import Iterator


def _segment(marker: int, text: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(text) + 2).to_bytes(2, "big") + text


def in_jpeg(frame: bytes, text: bytes, marker: int) -> Iterator[tuple[str, bytes]]:
    for n, (found, start, _) in enumerate(list(jpeg.segments(memoryview(frame)))):
        if found:
            yield f"before segment {n}", frame[:start] + _segment(marker, text) + frame[start:]
    yield "behind", frame + text


def in_jpeg_2000(frame: bytes, text: bytes) -> Iterator[tuple[str, bytes]]:
    comment = _segment(0x64, b"\0\1" + text)
    start = frame.index(b"\xff\x4f\xff\x51")
    boxed = start > 0
    if not boxed:
        size = int.from_bytes(frame[4:6], "big")
        yield "main header", frame[: 4 + size] + comment + frame[4 + size :]
        tile = frame.index(b"\xff\x90\0\x0a")
        length = int.from_bytes(frame[tile + 6 : tile + 10], "big")
        grown = (length + len(comment)).to_bytes(4, "big")
        yield "tile-part", frame[: tile + 6] + grown + frame[tile + 10 : tile + 12] + comment + frame[tile + 12 :]
    yield "behind", frame.rstrip(b"\0") + text + b"\0" * (len(text) % 2)


def in_boxes(frame: bytes, text: bytes, kind: bytes) -> Iterator[tuple[str, bytes]]:
    box = (len(text) + 8).to_bytes(4, "big") + kind + text
    for found, start, content, stop in list(boxes.boxes(memoryview(frame), 0, len(frame))):
        if start:
            yield f"before {found!r}", frame[:start] + box + frame[start:]
        if found == b"jp2h":
            size = (stop - start + len(box)).to_bytes(4, "big")
            yield "in the header", frame[:start] + size + frame[start + 4 : stop] + box + frame[stop:]
        del content
    if int.from_bytes(frame[frame.index(b"jp2c") - 4 : frame.index(b"jp2c")], "big"):
        yield "behind", frame + box


def in_rle(frame: bytes, text: bytes) -> Iterator[tuple[str, bytes]]:
    text += b"\0" * (len(text) % 2)
    fields = [int.from_bytes(frame[at : at + 4], "little") for at in range(0, 64, 4)]
    yield "behind", frame + text
    moved = b"".join((n + len(text) if 0 < i <= fields[0] else n).to_bytes(4, "little") for i, n in enumerate(fields))
    yield "before the first segment", moved + text + frame[64:]
    if fields[0] < 12:
        yield "header", frame[:52] + text[:12].ljust(12, b"\0") + frame[64:]
    if fields[0] > 1:
        at = fields[2]
        moved = b"".join((n + len(text) if 1 < i <= fields[0] else n).to_bytes(4, "little") for i, n in enumerate(fields))
        yield "between segments", moved + frame[64:at] + text + frame[at:]
