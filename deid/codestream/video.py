"""Elementary video streams: MPEG-2 by start codes, H.264 and H.265 by NAL units. What decodes the pictures stays.

Containers (transport and program streams, MP4 and others) carry sound, titles and times of their own: they are refused here.
ITU-T H.262 6.2, H.264 7 and annexes B and D, H.265 7 and annexes B and D.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deid.codestream.pieces import Malformed, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_START = re.compile(rb"\x00\x00\x01", re.DOTALL)
_PICTURE, _SLICES, _SEQUENCE, _EXTENSION, _END, _GROUP = 0x00, range(0x01, 0xB0), 0xB3, 0xB5, 0xB7, 0xB8
_USER_DATA = 0xB2
_MPEG_2 = frozenset({_PICTURE, *_SLICES, _SEQUENCE, _EXTENSION, _END, _GROUP})
# Slices, parameter sets, delimiters and ends. Not: supplemental information (6), filler (12), reserved and unspecified.
_H264 = frozenset({1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 14, 15, 19, 20})
_H265 = frozenset({*range(10), *range(16, 22), *range(32, 38)})
_MESSAGES_264, _MESSAGES_265 = frozenset({6}), frozenset({39, 40})
# Supplemental information about timing and display order that holds numbers alone: buffering period, picture timing,
# recovery point, frame packing (stereo).
_NUMBERS = frozenset({0, 1, 6, 45})
_ESCAPED = re.compile(rb"\x00\x00\x03(?=[\x00-\x03]|$)", re.DOTALL)
_UNESCAPED = re.compile(rb"\x00\x00(?=[\x00-\x03])", re.DOTALL)


def strip_mpeg2(data: memoryview) -> Stream:
    """Walk an MPEG-2 video stream: user data goes.

    Raises:
        Malformed: it is none, or lies in a container.
    """
    stream = Stream(data)
    at = 0
    for code, start, stop in _units(data):
        if code in _MPEG_2:
            stream.keep(start, stop, samples=True)
        elif code == _USER_DATA:
            stream.drop("user data", start, stop)
        else:
            raise Malformed("a video stream in a container, which may hold sound and text")
        at = stop
    stream.end(at)
    return stream


def strip_h264(data: memoryview) -> Stream:
    """Walk an H.264 stream: supplemental information goes but for that which holds numbers alone."""
    return _nal(data, _H264, lambda head: head[0] & 0x1F, 1, _MESSAGES_264)


def strip_h265(data: memoryview) -> Stream:
    """Walk an H.265 stream, as `strip_h264`."""
    return _nal(data, _H265, lambda head: head[0] >> 1 & 0x3F, 2, _MESSAGES_265)


def _nal(
    data: memoryview, kept: frozenset[int], kind_of: Callable[[bytes], int], head: int, messages: frozenset[int]
) -> Stream:
    stream, at = Stream(data), 0
    for _, start, stop in _units(data):
        begin = start + (4 if data[start + 2] == 0 else 3)
        first = bytes(data[begin : begin + head])
        if len(first) < head or first[0] & 0x80:
            raise Malformed("a video stream of another kind than the file says")
        kind = kind_of(first)
        if kind in messages:
            new = _numbers_only(bytes(data[begin + head : stop]))
            if new:
                stream.write("SEI", start, stop, bytes(data[start : begin + head]) + new)
            else:
                stream.drop("SEI", start, stop)
        elif kind in kept:
            stream.keep(start, stop, samples=True)
        else:
            stream.drop("unit of no picture", start, stop)
        at = stop
    stream.end(at)
    return stream


def _units(data: memoryview) -> Iterator[tuple[int, int, int]]:
    """(code behind the start code, where the start code begins with its zero byte, end). Zeros at the end stay outside."""
    places = [found.start() for found in _START.finditer(data)]
    if not places or bytes(data[: places[0]]).strip(b"\0"):
        raise Malformed("a video stream in a container, or of another kind than the file says")
    end = len(data)
    while end > places[-1] + 4 and data[end - 1] == 0:
        end -= 1
    begin = [at - 1 if at and data[at - 1] == 0 else at for at in places]
    begin[0] = 0
    for n, at in enumerate(places):
        stop = begin[n + 1] if n + 1 < len(places) else end
        if at + 3 >= len(data):
            raise Malformed("a video stream cut short")
        yield data[at + 3], begin[n], stop


def _numbers_only(payload: bytes) -> bytes:
    """The messages of a unit of supplemental information that hold numbers alone, or nothing (H.264 7.3.2.3)."""
    raw = _ESCAPED.sub(b"\0\0", payload).rstrip(b"\0")
    at, kept = 0, b""
    while at < len(raw) - 1:
        kind, after = _counted(raw, at)
        size, begin = _counted(raw, after)
        if begin + size > len(raw):
            return b""
        if kind in _NUMBERS:
            kept += raw[at : begin + size]
        at = begin + size
    return _UNESCAPED.sub(b"\0\0\3", kept + b"\x80") if kept else b""


def _counted(raw: bytes, at: int) -> tuple[int, int]:
    """A number written as bytes of 255 and a last one; and where it ends."""
    value = 0
    while at < len(raw) and raw[at] == 0xFF:
        value, at = value + 255, at + 1
    return (value + raw[at], at + 1) if at < len(raw) else (value, at)
