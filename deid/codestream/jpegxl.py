"""JPEG XL (ISO/IEC 18181): the boxes around a codestream.

The codestream itself is one stream of bits: it has no segments for text, and its end cannot be told without decoding it.
"""

from __future__ import annotations

from deid.codestream import boxes
from deid.codestream.pieces import Malformed, Stream

_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"


def strip(data: memoryview) -> Stream:
    """Walk a file of boxes, or take a codestream as it is.

    Raises:
        Malformed: it is none, or cut short.
    """
    stream = Stream(data)
    if bytes(data[:12]) == _CONTAINER:
        boxes.strip_xl(stream)
    elif bytes(data[:2]) == b"\xff\x0a":
        stream.keep_coded(0, len(data))
    else:
        raise Malformed("a JPEG XL stream that does not begin as one")
    return stream
