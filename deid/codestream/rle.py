"""RLE Lossless (PS3.5 G): a header of 64 bytes and up to 15 segments of PackBits. Nothing lies between or behind them."""

from __future__ import annotations

from itertools import pairwise

from deid.codestream.pieces import Malformed, Size, Stream

_HEADER = 64


def strip(data: memoryview, size: Size) -> Stream:
    """Walk the runs of each segment of a frame up to its last sample; what follows goes.

    Raises:
        Malformed: it is none, or cut short, or of another number of segments than the picture has.
    """
    stream = Stream(data)
    if len(data) < _HEADER:
        raise Malformed("an RLE frame cut short")
    fields = [int.from_bytes(data[at : at + 4], "little") for at in range(0, _HEADER, 4)]
    count, starts = fields[0], fields[1 : fields[0] + 1]
    if count != size.pixel_bytes or starts != sorted(set(starts)) or starts[0] < _HEADER or starts[-1] > len(data):
        raise Malformed("an RLE frame of other segments than the picture has")
    spans, places = [], []
    at = _HEADER
    for start, stop in zip(starts, [*starts[1:], len(data)], strict=True):
        end = start + _run_bytes(bytes(data[start:stop]), size.pixels)
        spans.append((start, end))
        places.append(at)
        at += end - start + (end - start) % 2
    _put(stream, spans, places)
    return stream


def _put(stream: Stream, spans: list[tuple[int, int]], places: list[int]) -> None:
    """Write the header anew if a segment moves, and each segment, padded to an even length with a zero."""
    gaps = [bytes(stream.data[end:start]) for (_, end), (start, _) in pairwise([(0, _HEADER), *spans, (len(stream.data), 0)])]
    if not any(gap.strip(b"\0") for gap in gaps) and not bytes(stream.data[4 + 4 * len(spans) : _HEADER]).strip(b"\0"):
        stream.keep(0, len(stream.data), samples=True)
        return
    words = [len(spans), *places, *([0] * (15 - len(places)))]
    stream.replace(0, _HEADER, b"".join(word.to_bytes(4, "little") for word in words))
    if bytes(stream.data[4 + 4 * len(spans) : _HEADER]).strip(b"\0"):
        stream.note("RLE header", 4 + 4 * len(spans), _HEADER)
    at = _HEADER
    for n, (start, end) in enumerate(spans):
        if at < start:
            stream.drop("bytes between segments", at, start)
        stream.keep(start, end, samples=True)
        at = end
        if (end - start) % 2 and n + 1 < len(spans):
            at = min(end + 1, spans[n + 1][0])
            stream.write("bytes between segments", end, at, b"\0")
    stream.end(at)


def _run_bytes(packed: bytes, pixels: int) -> int:
    """How many bytes of PackBits (G.3) give so many samples."""
    at = done = 0
    try:
        while done < pixels:
            control = packed[at]
            if control < 128:
                done += control + 1
                at += control + 2
            else:
                done += 257 - control if control > 128 else 0
                at += 2 if control > 128 else 1
    except IndexError:
        raise Malformed("an RLE segment cut short") from None
    if at > len(packed) or done > pixels:
        raise Malformed("an RLE segment cut short")
    return at
