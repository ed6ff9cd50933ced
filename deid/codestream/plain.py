"""Frames that are compressed by DEFLATE, or not at all, and lie in fragments all the same (PS3.5 A.4.11, A.4.12)."""

from __future__ import annotations

import zlib

from deid.codestream.pieces import Malformed, Size, Stream

_STEP = 1 << 20


def strip_native(data: memoryview, size: Size) -> Stream:
    """Keep a frame's own bytes."""
    stream = Stream(data)
    if len(data) < size.native:
        raise Malformed("a frame shorter than the picture")
    stream.keep(0, size.native, samples=True)
    stream.end(size.native)
    return stream


def strip_deflated(data: memoryview, size: Size) -> Stream:
    """Keep a DEFLATE stream (RFC 1951) that gives one frame; it is inflated to find its end, and not kept so."""
    stream = Stream(data)
    inflater, grown, todo = zlib.decompressobj(wbits=-15), 0, bytes(data)
    try:
        while not inflater.eof and grown <= size.native + 1:
            step = inflater.decompress(todo, _STEP)
            todo = inflater.unconsumed_tail
            grown += len(step)
            if not step and not todo and not inflater.eof:
                raise Malformed("a deflated frame cut short")
    except zlib.error:
        raise Malformed("a deflated frame that cannot be inflated") from None
    if not size.native <= grown <= size.native + size.native % 2:
        raise Malformed("a deflated frame of another size than the picture")
    end = len(data) - len(inflater.unused_data)
    stream.keep(0, end, samples=True)
    stream.end(end)
    return stream
