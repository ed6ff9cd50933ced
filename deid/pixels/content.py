"""What lies in a pixel data element beside the picture: bytes behind it, segments of text in compressed frames (PS3.5 8).

Native data is cut to the size that the image pixel module gives; compressed frames are walked by `deid.codestream`, and put
together again with offset tables that are right. What cannot be told apart raises `Malformed`. Nothing is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from deid import codestream
from deid.codestream import Malformed, Piece, Removed, Size
from deid.engine.nodes import ITEM, Element, find

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from deid.engine.nodes import Node, Syntax

_SAMPLES, _PHOTOMETRIC, _FRAMES = 0x00280002, 0x00280004, 0x00280008
_ROWS, _COLUMNS, _ALLOCATED = 0x00280010, 0x00280011, 0x00280100
FLOAT_PIXELS = {0x7FE00008: 32, 0x7FE00009: 64}
# Samples for two pixels where colours are shared (PS3.3 C.7.6.3.1.2)
_SHARED = {"YBR_FULL_422": 4, "YBR_PARTIAL_422": 4, "YBR_PARTIAL_420": 3}
_BEHIND = "bytes behind the picture"
_TABLE = "offset table"
_ITEM = b"\xfe\xff\x00\xe0"
_JPEG_SYNTAX, _JPEG_2000_SYNTAX = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"
_LARGEST_OFFSET = 1 << 32


@dataclass(frozen=True, slots=True)
class Shape:
    """What the image pixel module says of the size of a picture; 0 where it says nothing that can be."""

    rows: int
    columns: int
    frames: int
    samples: int
    allocated: int
    photometric: str

    @property
    def frame_bits(self) -> int:
        """Bits of one native frame. `Malformed` if that cannot be told."""
        if not (self.rows and self.columns and self.frames and self.samples and self.allocated):
            raise Malformed("the picture does not say how large it is")
        pixels = self.rows * self.columns
        if self.photometric in _SHARED and self.samples == 3:
            return (pixels * _SHARED[self.photometric] * self.allocated + 1) // 2
        return pixels * self.samples * self.allocated

    @property
    def native(self) -> int:
        """Bytes of all frames; frames of single bits follow each other without a gap (PS3.5 8.1.1)."""
        return (self.frame_bits * self.frames + 7) // 8

    @property
    def size(self) -> Size:
        """One frame, for the walkers."""
        bits = self.frame_bits
        return Size(self.rows * self.columns, self.samples * ((self.allocated + 7) // 8), (bits + 7) // 8)


@dataclass(slots=True)
class Content:
    """A pixel data element with nothing but the picture. `pieces` is its value, without delimiter, or None: as it was.

    `tables`: the values of the Extended Offset Table and its lengths, if they must be others. `searched`: what of the
    result may hold text all the same; for the leak check.
    """

    pieces: list[Piece] | None = None
    removed: list[Removed] = field(default_factory=list)
    searched: list[Piece] = field(default_factory=list)
    tables: tuple[bytes, bytes] | None = None


def shape(nodes: list[Node], syntax: Syntax, decode: Callable[[bytes], str], allocated: int = 0) -> Shape:
    """The shape that a data set describes. `allocated`: bits of a sample that the element itself fixes."""

    def number(tag: int, default: int) -> int:
        node = find(nodes, tag)
        if not isinstance(node, Element) or not node.value:
            return default
        return int.from_bytes(node.value[:2], "little" if syntax.little else "big") if len(node.value) == 2 else 0

    def text(tag: int) -> str:
        node = find(nodes, tag)
        return decode(node.value[:16]).strip(" \0") if isinstance(node, Element) else ""

    frames = text(_FRAMES) or "1"
    return Shape(
        rows=number(_ROWS, 0),
        columns=number(_COLUMNS, 0),
        frames=int(frames) if frames.isascii() and frames.isdecimal() and len(frames) < 10 else 0,
        samples=number(_SAMPLES, 1),
        allocated=allocated or number(_ALLOCATED, 0),
        photometric=text(_PHOTOMETRIC),
    )


def native(data: memoryview, shape: Shape, *, swapped: bool = False, looked_at: bool = False) -> Content:
    """Native pixel data, cut to its size. `swapped`: bytes that lie in big-endian words.

    `looked_at`: a human has seen what there is of the picture: one of no size, or shorter than it says, is then searched as a
    whole, and stays as it is.

    Raises:
        Malformed: it is shorter than the picture, or looks as if it had more frames than it says.
    """
    size = len(data)
    try:
        whole = shape.native
        if size < whole:
            raise Malformed("the pixel data is shorter than the picture")
    except Malformed:
        if not looked_at:
            raise
        return Content(searched=[data])
    even = whole + whole % 2
    if not looked_at and size > even and shape.frame_bits % 8 == 0 and size // 2 * 16 in _multiples(shape.frame_bits, size):
        raise Malformed("the pixel data holds more frames than the picture says")
    pad = even if even == whole else whole - 1 if swapped else whole
    if size == even and not any(data[pad : pad + 1] if pad < even else b""):
        return Content()
    pieces: list[Piece] = [data[:pad]] if pad == even else [data[:pad], b"\0", data[pad + 1 : even]]
    extra = bytes(data[even:]) if pad == even else bytes(data[pad : pad + 1]) + bytes(data[even:])
    return Content(pieces, [Removed(_BEHIND, extra)])


def _multiples(frame_bits: int, size: int) -> tuple[int, int]:
    """The bits of as many whole frames as would fill the element, also with a byte of padding."""
    frames = size * 8 // frame_bits
    return frames * frame_bits, frames * frame_bits + 8


def encapsulated(data: memoryview, uid: str, shape: Shape, tables: tuple[bytes, ...] = ()) -> Content:
    """Compressed frames: `data` are the items without their delimiter, `tables` the Extended Offset Table and its lengths.

    Raises:
        Malformed: the frames cannot be told apart, or one of them cannot be walked.
    """
    table, fragments = items(data)
    video = codestream.is_video(uid)
    frames = [fragments] if video else grouped(data, table, fragments, shape.frames, tables)
    found, made, size = Content(), list[_Frame](), _size(shape)
    for group in frames:
        stream = codestream.strip(_walked_as(data, group, uid), _joined(data, group), size)
        found.removed += stream.removed
        found.searched += stream.searched
        made.append(_Frame(group, stream.pieces if stream.changed or not group else None))
    starts, lengths, pieces = _laid_out(data, made)
    right = _table(starts, table, video=video)
    wrong_tables = bool(tables) and not _fit(tables, starts, lengths)
    if right == table and not wrong_tables and not any(frame.pieces is not None for frame in made):
        return found
    if right != table and not any(frame.pieces is not None for frame in made):
        found.removed.append(Removed(_TABLE, bytes(table)))
    found.pieces = [_ITEM + len(right).to_bytes(4, "little") + right, *pieces]
    found.tables = _tables(starts, lengths) if wrong_tables else None
    return found


@dataclass(frozen=True, slots=True)
class _Frame:
    """The fragments of one frame, by where their values begin and end, and what its walk gave if it changed."""

    fragments: Sequence[tuple[int, int]]
    pieces: Sequence[Piece] | None


def items(data: memoryview) -> tuple[memoryview, list[tuple[int, int]]]:
    """The offset table, and where each fragment's value begins and ends (PS3.5 A.4)."""
    spans, at = [], 0
    while at + 8 <= len(data):
        tag = int.from_bytes(data[at : at + 2], "little") << 16 | int.from_bytes(data[at + 2 : at + 4], "little")
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        if tag != ITEM or end > len(data):
            break
        spans.append((at + 8, end))
        at = end
    if at != len(data) or len(spans) < 2:
        raise Malformed("the compressed frames do not lie in items")
    return data[spans[0][0] : spans[0][1]], spans[1:]


def grouped(
    data: memoryview,
    table: memoryview,
    fragments: list[tuple[int, int]],
    count: int,
    tables: tuple[bytes, ...] = (),
) -> list[list[tuple[int, int]]]:
    """The fragments of each frame: by their number, by an offset table, or by how frames begin.

    Raises:
        Malformed: nothing tells them apart.
    """
    begin = [n for n, (start, _) in enumerate(fragments) if bytes(data[start : start + 4]).startswith(_BEGINNINGS)]
    if count == 1 and len(begin) < 2:
        return [fragments]
    if count == len(fragments):
        return [[fragment] for fragment in fragments]
    base = fragments[0][0] - 8
    places = {start - 8 - base: n for n, (start, _) in enumerate(fragments)}
    for width, offsets in ((4, bytes(table)), (8, tables[0] if tables else b"")):
        starts = [int.from_bytes(offsets[at : at + width], "little") for at in range(0, len(offsets), width)]
        if len(starts) == count and starts[0] == 0 and all(start in places for start in starts) and _ascending(starts):
            return _cut(fragments, [places[start] for start in starts])
    if len(begin) == count and begin[0] == 0:
        return _cut(fragments, begin)
    raise Malformed("the compressed frames cannot be told apart")


_BEGINNINGS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")


def _ascending(numbers: list[int]) -> bool:
    return all(before < after for before, after in pairwise(numbers))


def _cut(fragments: list[tuple[int, int]], starts: list[int]) -> list[list[tuple[int, int]]]:
    return [fragments[start:stop] for start, stop in zip(starts, [*starts[1:], len(fragments)], strict=True)]


def _size(shape: Shape) -> Size:
    """The size of a frame for the walkers that need it; nothing where the picture does not say, which they refuse."""
    try:
        return shape.size
    except Malformed:
        return Size(0, 0, 0)


def _walked_as(data: memoryview, group: Sequence[tuple[int, int]], uid: str) -> str:
    """The transfer syntax to walk a frame by: where the file names an uncompressed one, what the frame begins as."""
    if uid.startswith("1.2.840.10008.1.2.") and uid not in ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"):
        return uid
    begin = bytes(data[group[0][0] : group[0][0] + 4]) if group else b""
    return _JPEG_SYNTAX if begin.startswith(b"\xff\xd8\xff") else _JPEG_2000_SYNTAX if begin == _BEGINNINGS[1] else uid


def _joined(data: memoryview, group: Sequence[tuple[int, int]]) -> memoryview:
    if len(group) == 1:
        return data[group[0][0] : group[0][1]]
    return memoryview(b"".join(data[start:end] for start, end in group))


def _laid_out(data: memoryview, frames: list[_Frame]) -> tuple[list[int], list[int], list[Piece]]:
    """(where each frame begins behind the offset table, its length, the items): a frame that changed is one fragment."""
    starts, lengths, at = [], [], 0
    pieces: list[Piece] = []
    for frame in frames:
        starts.append(at)
        if frame.pieces is not None:
            length = sum(map(len, frame.pieces))
            pieces += [_ITEM + (length + length % 2).to_bytes(4, "little"), *frame.pieces, b"\0" * (length % 2)]
            at += 8 + length + length % 2
        else:
            first, last = frame.fragments[0][0] - 8, frame.fragments[-1][1]
            pieces.append(data[first:last])
            length = sum(end - start for start, end in frame.fragments)
            at += last - first
        lengths.append(length)
    return starts, lengths, pieces


def _table(starts: list[int], old: memoryview, *, video: bool) -> bytes:
    """The Basic Offset Table: none where there was none, else where the frames lie now."""
    if video:
        return b"" if any(old) else bytes(old[:4])
    if not len(old) or starts[-1] >= _LARGEST_OFFSET:
        return b""
    return b"".join(start.to_bytes(4, "little") for start in starts)


def _fit(tables: tuple[bytes, ...], starts: list[int], lengths: list[int]) -> bool:
    """Whether an Extended Offset Table is right; a frame's byte of padding may count or not."""
    if len(tables) != 2 or len(tables[1]) != 8 * len(lengths) or tables[0] != _tables(starts, lengths)[0]:
        return False
    lengths_said = [int.from_bytes(tables[1][8 * n : 8 * n + 8], "little") for n in range(len(lengths))]
    return all(length - 1 <= said <= length for said, length in zip(lengths_said, lengths, strict=True))


def _tables(starts: list[int], lengths: list[int]) -> tuple[bytes, bytes]:
    """The Extended Offset Table and its lengths (PS3.3 C.7.6.3.1.8)."""
    return b"".join(n.to_bytes(8, "little") for n in starts), b"".join(n.to_bytes(8, "little") for n in lengths)
