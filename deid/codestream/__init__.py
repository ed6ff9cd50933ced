"""Compressed pictures, walked by their own structure: what decoding needs stays, everything else is cut and reported. Pure.

Nothing is decoded; decoding the result gives the same samples. Knows no DICOM but transfer syntaxes (`strip`), no file and no
policy. One module a family: `jpeg` (all processes, and JPEG-LS), `jpeg2000` (and HTJ2K), `jpegxl`, `rle`, `video`, `plain`;
`boxes` for those that lie in boxes. Each takes a view of one stream and gives a `Stream` or raises `Malformed`.
"""

from __future__ import annotations

from deid.codestream import jpeg, jpeg2000, jpegxl, plain, rle, video
from deid.codestream.pieces import Malformed, Piece, Removed, Size, Stream

_ROOT = "1.2.840.10008.1.2."
_JPEG = frozenset({*range(50, 67), 70, 80, 81})
_JPEG_2000 = frozenset({90, 91, 92, 93, 201, 202, 203})
_JPEG_XL = frozenset({110, 111, 112})
_VIDEO = {100: video.strip_mpeg2, 101: video.strip_mpeg2} | dict.fromkeys(range(102, 107), video.strip_h264)
_VIDEO |= {107: video.strip_h265, 108: video.strip_h265}
_BY_SIZE = {
    _ROOT + "5": rle.strip,
    _ROOT + "1.98": plain.strip_native,
    _ROOT + "8.1": plain.strip_deflated,
}

__all__ = ["Malformed", "Piece", "Removed", "Size", "Stream", "is_video", "strip"]


def _number(syntax: str) -> int:
    """The family's number below ``1.2.840.10008.1.2.4``, or -1. Fragmentable video (``.100.1``) counts as its own kind."""
    family, _, rest = syntax.removeprefix(_ROOT + "4.").partition(".")
    return int(family) if family.isdecimal() and syntax.startswith(_ROOT + "4.") and rest in ("", "1") else -1


def is_video(syntax: str) -> bool:
    """Whether all fragments of this transfer syntax are one stream."""
    return _number(syntax) in _VIDEO


def strip(syntax: str, frame: memoryview, size: Size) -> Stream:
    """One frame, or a whole video, without what is no picture. `size` serves the formats that do not say theirs.

    Raises:
        Malformed: it is not what the transfer syntax says, or nothing here can walk that syntax.
    """
    number = _number(syntax)
    if number in _JPEG:
        return jpeg.strip(frame)
    if number in _JPEG_2000:
        return jpeg2000.strip(frame)
    if number in _VIDEO:
        return _VIDEO[number](frame)
    if syntax in _BY_SIZE:
        return _BY_SIZE[syntax](frame, size)
    if number in _JPEG_XL:
        return jpegxl.strip(frame)
    raise Malformed("compressed by a method that nothing here can look through")
