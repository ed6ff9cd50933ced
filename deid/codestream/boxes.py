"""Boxes of the JP2 family and of JPEG XL: a length, four letters, a content. Only the boxes named here pass.

ISO/IEC 15444-1 I, 18181-2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid.codestream.pieces import Malformed, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Inside = Callable[[Stream, int, int], int]

_HEADER = b"jp2h"
_KEPT = frozenset({b"jP  ", b"ftyp"})
_KEPT_IN_HEADER = frozenset({b"ihdr", b"bpcc", b"pclr", b"cmap", b"cdef"})
_COLOUR = b"colr"
_SRGB, _GREY = 16, 17
_XL_KEPT = frozenset({b"JXL ", b"ftyp", b"jxll", b"jxlc", b"jxlp"})
_FIXED = {b"jP  ": 12, b"JXL ": 12, b"ihdr": 22, b"jxll": 9}


def boxes(data: memoryview, at: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """(kind, start, where its content begins, end) of the boxes in a span. `Malformed` if they do not fill it."""
    while at < end:
        if at + 8 > end:
            raise Malformed("boxes with something behind them")
        size, kind = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8])
        head = 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        stop = end if size == 0 else at + size
        if stop < at + head or stop > end:
            raise Malformed("a box cut short")
        yield kind, at, at + head, stop
        at = stop


def strip_jp2(stream: Stream, inside: Inside) -> None:
    """Keep what shows the picture of a JP2 file; `inside` walks its codestream. The result is one picture and no more."""
    done = False
    data = stream.data
    for kind, start, content, stop in _padded(data):
        if done:
            stream.drop("box", start, stop)
        elif kind == b"jp2c":
            inner = Stream(data[content:stop])
            inner.end(inside(inner, 0, stop - content))
            stream.take(inner)
            packed = inner.clean()
            size = b"\0\0\0\0" if not int.from_bytes(data[start : start + 4], "big") else (len(packed) + 8).to_bytes(4, "big")
            stream.replace(start, stop, size + b"jp2c" + packed)
            done = True
        elif kind == _HEADER:
            stream.replace(start, stop, _jp2_header(stream, content, stop))
        elif kind == b"ftyp":
            stream.write("file type", start, stop, b"\0\0\0\x14ftypjp2 \0\0\0\0jp2 ")
        elif kind in _KEPT and _FIXED[kind] == stop - start:
            stream.keep(start, stop)
        else:
            stream.drop(f"box {_name(kind)}", start, stop)
    if not done:
        raise Malformed("a JP2 file without a picture")
    stream.end(len(data))


def strip_xl(stream: Stream) -> None:
    """Keep what shows the picture of a JPEG XL file."""
    data, shown = stream.data, False
    for kind, start, _, stop in _padded(data):
        if kind not in _XL_KEPT or _FIXED.get(kind, stop - start) != stop - start:
            stream.drop(f"box {_name(kind)}", start, stop)
        elif kind == b"ftyp":
            stream.write("file type", start, stop, b"\0\0\0\x14ftypjxl \0\0\0\0jxl ")
        else:
            stream.keep(start, stop)
            shown = shown or kind in (b"jxlc", b"jxlp")
    if not shown:
        raise Malformed("a JPEG XL file without a picture")
    stream.end(len(data))


def _padded(data: memoryview) -> Iterator[tuple[bytes, int, int, int]]:
    """The boxes of a frame, which may have a byte of padding behind them (PS3.5 A.4)."""
    end = len(data)
    padded = 1 if end and data[end - 1] == 0 and not _fills(data, end) and _fills(data, end - 1) else 0
    yield from boxes(data, 0, end - padded)


def _fills(data: memoryview, end: int) -> bool:
    try:
        return sum(1 for _ in boxes(data, 0, end)) > 0
    except Malformed:
        return False


def _jp2_header(stream: Stream, at: int, end: int) -> bytes:
    """The JP2 header box with sizes, palette and channels, and a colour space by number: a profile holds names."""
    data, kept = stream.data, []
    channels = 1
    for kind, start, content, stop in boxes(data, at, end):
        if kind == b"ihdr":
            channels = int.from_bytes(data[content + 8 : content + 10], "big")
        known = kind in _KEPT_IN_HEADER and _FIXED.get(kind, stop - start) == stop - start
        if known or (kind == _COLOUR and data[content] == 1 and stop - content == 7):
            kept.append(bytes(data[start:stop]))
        else:
            stream.note(f"box {_name(kind)}", start, stop)
            if kind == _COLOUR:
                space = _GREY if channels < 3 else _SRGB
                kept.append(b"\0\0\0\x0fcolr\1\0\0" + space.to_bytes(4, "big"))
    content_ = b"".join(kept)
    return (len(content_) + 8).to_bytes(4, "big") + _HEADER + content_


def _name(kind: bytes) -> str:
    """A box's four letters, if they are letters of the standards: others may spell anything."""
    known = {b"uuid", b"xml ", b"asoc", b"uinf", b"jp2i", b"res ", b"Exif", b"jbrd", b"brob", b"jumb", b"colr", b"free"}
    return kind.decode().strip() if kind in known else "of another kind"
