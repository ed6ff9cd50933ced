"""JPEG 2000 and HTJ2K: main header, tile-parts, and the boxes of a JP2 file around them.

Comments go from the main header; in a tile-part they become zeros of the same length, because lengths of tile-parts stand in
several places. ISO/IEC 15444-1 A and I, 15444-2 A, 15444-15.
"""

from __future__ import annotations

from deid.codestream import boxes
from deid.codestream.pieces import Malformed, Stream

_SOC, _SIZ, _SOT, _SOD, _EOC = 0x4F, 0x51, 0x90, 0x93, 0xD9
_COM = 0x64
_SIZE_OF = {0x50: (6, None), 0x51: (38, 16384 * 3 + 38), 0x90: (10, 10)}
# What decoding needs: sizes, coding and quantisation styles, regions, order changes, lengths, packed headers, places of
# components, capabilities; and the transforms of part 2.
_MAIN = frozenset({0x50, 0x51, 0x52, 0x53, 0x55, 0x56, 0x57, 0x59, 0x5C, 0x5D, 0x5E, 0x5F, 0x60, 0x63, *range(0x70, 0x7A)})
_TILE = frozenset({0x52, 0x53, 0x58, 0x5C, 0x5D, 0x5E, 0x5F, 0x61, *range(0x70, 0x7A)})
_JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"


def strip(data: memoryview) -> Stream:
    """Walk a codestream, or a JP2 file that holds one.

    Raises:
        Malformed: it is none, or cut short, or holds something of no known structure.
    """
    stream = Stream(data)
    if bytes(data[:12]) == _JP2:
        boxes.strip_jp2(stream, _codestream)
    else:
        stream.end(_codestream(stream, 0, len(data)))
    return stream


def _codestream(stream: Stream, at: int, end: int) -> int:
    """Walk the codestream in a span; gives where it ends."""
    data = stream.data
    if bytes(data[at : at + 4]) != b"\xff\x4f\xff\x51":
        raise Malformed("a JPEG 2000 stream that does not begin as one")
    stream.keep(at, at + 2)
    at = _header(stream, at + 2, end, in_tile=False)
    while bytes(data[at : at + 2]) == b"\xff\x90":
        at = _tile_part(stream, at, end)
    if bytes(data[at : at + 2]) != b"\xff\xd9":
        raise Malformed("a JPEG 2000 stream without an end")
    stream.keep(at, at + 2)
    return at + 2


def _header(stream: Stream, at: int, end: int, *, in_tile: bool) -> int:
    """Walk the marker segments of a header; gives where the next tile-part, the samples or the end begin."""
    data = stream.data
    while True:
        if at + 4 > end or data[at] != 0xFF:
            raise Malformed("a JPEG 2000 stream cut short within a header")
        marker = data[at + 1]
        if marker == _SOD or (marker in (_SOT, _EOC) and not in_tile):
            return at
        stop = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if stop < at + 4 or stop > end:
            raise Malformed("a JPEG 2000 stream cut short within a segment")
        what = "COM" if marker == _COM else f"segment FF{marker:02X}"
        if marker in (_TILE if in_tile else _MAIN):
            stream.keep(at, stop)
        elif not in_tile:
            stream.drop(what, at, stop)
        else:
            # An empty binary comment of the same length
            stream.write(what, at, stop, b"\xff\x64" + bytes(data[at + 2 : at + 4]) + bytes(stop - at - 4))
        at = stop


def _tile_part(stream: Stream, at: int, end: int) -> int:
    """Walk one tile-part; gives where it ends. Its samples are not looked into."""
    data = stream.data
    if at + 12 > end or bytes(data[at + 2 : at + 4]) != b"\0\x0a":
        raise Malformed("a JPEG 2000 stream cut short within a header")
    length = int.from_bytes(data[at + 6 : at + 10], "big")
    stream.keep(at, at + 12)
    samples = _header(stream, at + 12, end, in_tile=True)
    stop = at + length if length else _last(data, samples, end)
    if stop < samples + 2 or stop > end:
        raise Malformed("a JPEG 2000 stream cut short within its samples")
    stream.keep_coded(samples, stop)
    return stop


def _last(data: memoryview, at: int, end: int) -> int:
    """Where the last tile-part ends that does not say so: at the end of the codestream (15444-1 A.4.2)."""
    tail = bytes(data[at:end])
    found = tail.find(b"\xff\xd9")  # no two bytes of samples are above FF8F (A.1)
    if found < 0:
        raise Malformed("a JPEG 2000 stream without an end")
    return at + found
