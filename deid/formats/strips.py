"""How much of a TIFF strip or tile is picture: where its packed samples end. Pure.

What lies behind is no pixel and no reader looks at it. A packing whose end cannot be told without a decoder of its own is held.
"""

from __future__ import annotations

import lzma
import zlib
from typing import Protocol

from deid.errors import Held, Unreadable

_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS, _LZMA = 1, 5, 8, 32946, 32773, 34925
_BLOCK = 1 << 20
_CLEAR, _END_CODE, _FIRST, _MOST_CODES = 256, 257, 258, 4097
_NARROWEST, _EDGES = 9, (511, 1023, 2047)  # bits of a code, and from how many codes on they are one more


def used(data: memoryview, compression: int, wanted: int) -> int:
    """How many bytes of a strip make its pixels. `wanted`: how many it unpacks to.

    Raises `Held` where more pixels are packed than the picture has, or nobody can tell.
    """
    if compression == _NONE:
        return min(len(data), wanted)
    if compression in (_DEFLATE, _OLD_DEFLATE):
        return _of_stream(data, zlib.decompressobj(), wanted)
    if compression == _LZMA:
        return _of_stream(data, lzma.LZMADecompressor(), wanted)
    if compression == _PACKBITS:
        return _of_packbits(bytes(data), wanted)
    if compression == _LZW:
        return _of_lzw(bytes(data), wanted)
    raise Held(f"a TIFF packed in a way (compression {compression}) whose end nobody here can tell")


class _Unpacker(Protocol):
    """What zlib and lzma have in common."""

    @property
    def eof(self) -> bool:
        """Whether its stream is at its end."""

    @property
    def unused_data(self) -> bytes:
        """What lies behind that."""

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes:
        """Unpack more."""


def _of_stream(data: memoryview, unpacker: _Unpacker, wanted: int) -> int:
    total, todo = 0, bytes(data)
    try:
        while not unpacker.eof:
            out = unpacker.decompress(todo, _BLOCK)
            todo = getattr(unpacker, "unconsumed_tail", b"")  # of zlib; lzma keeps it to itself
            total += len(out)
            if total > wanted:
                raise Held("a TIFF with more packed than its picture has pixels")
            if not out and not todo:
                break
    except (zlib.error, lzma.LZMAError, EOFError):
        raise Unreadable("a TIFF with damaged pixels") from None
    return len(data) - len(unpacker.unused_data)


def _of_packbits(data: bytes, wanted: int) -> int:
    at = total = 0
    while total < wanted and at < len(data):
        code = data[at]
        if code < 128:
            at, total = at + 2 + code, total + 1 + code
        elif code > 128:
            at, total = at + 2, total + 257 - code
        else:
            at += 1
    if total > wanted:
        raise Held("a TIFF with more packed than its picture has pixels")
    return min(at, len(data))


def _of_lzw(data: bytes, wanted: int) -> int:
    """Where the code that ends a strip lies. Only how long what codes stand for is, is kept, not what it is."""
    lengths = [1] * _CLEAR + [0, 0]
    bits = held = total = last = 0
    width = _NARROWEST
    for at, byte in enumerate(data):
        bits, held = (bits << 8 | byte) & 0xFFFFFF, held + 8
        if held < width:
            continue
        held -= width
        code = bits >> held & ((1 << width) - 1)
        if code == _END_CODE:
            return at + 1
        if code == _CLEAR:
            del lengths[_FIRST:]
            width, last = _NARROWEST, 0
            continue
        if code > len(lengths) or len(lengths) > _MOST_CODES:
            raise Unreadable("a TIFF with damaged pixels")
        size = lengths[code] if code < len(lengths) else last + 1
        if last:
            lengths.append(last + 1)
        last, total = size, total + size
        if total > wanted:
            raise Held("a TIFF with more packed than its picture has pixels")
        width = _NARROWEST + sum(len(lengths) >= edge for edge in _EDGES)
    return len(data)
