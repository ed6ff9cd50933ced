"""Bulk data of a clean data set, at any depth: none is longer than what describes it says, so that nothing hides behind it.

Pixel data of the image itself, pictures in sequences (icons that a profile keeps), overlays, curves and waveforms. What
describes its size in no way, or is too short: of the image and of a waveform that is for a human, of others it goes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deid import marks
from deid.codestream import Malformed, Piece, Removed
from deid.engine.nodes import Element, Sequence, item_path, tag_text
from deid.pixels import content

if TYPE_CHECKING:
    from collections.abc import Callable

    from deid.engine.nodes import Node, Syntax

PIXEL_DATA, OFFSETS, LENGTHS = 0x7FE00010, 0x7FE00001, 0x7FE00002
_REPEATING = 0xFF00FFFF
_OVERLAY, _CURVE = 0x60003000, 0x50003000
_WAVEFORM, _WAVE_BITS, _CHANNELS, _WAVE_SAMPLES = 0x54001010, 0x54001004, 0x003A0005, 0x003A0010
_CURVE_WIDTHS = {0: 2, 1: 2, 2: 4, 3: 8, 4: 4}  # of a value: US, SS, FL, FD, SL (PS3.3-2004 C.10.2)
_CUT = "bytes behind what the element holds"


@dataclass(slots=True)
class Trimmed:
    """What was taken out of the bulk data of a data set, each with its path; and what of the result must be searched."""

    removed: list[tuple[str, Removed]] = field(default_factory=list)
    searched: list[Piece] = field(default_factory=list)


def trim(clean: list[Node], nodes: list[Node], syntax: Syntax, decode: Callable[[bytes], str]) -> Trimmed:
    """Cut the bulk data of a clean data set, in its place. `nodes`: the original, which describes the picture.

    Raises:
        Malformed: nobody can tell what of the pixel data, or of a waveform, is picture and what is not.
    """
    done = Trimmed()
    shape_of = _Shapes(nodes, syntax, decode)
    for tag in (PIXEL_DATA, *content.FLOAT_PIXELS):
        node = marks.find(clean, tag)
        if isinstance(node, Element):
            _pixels(clean, node, shape_of, done)
    _repeating(clean, syntax, done, "")
    _inner(clean, syntax, decode, done, "")
    return done


@dataclass(frozen=True, slots=True)
class _Shapes:
    nodes: list[Node]
    syntax: Syntax
    decode: Callable[[bytes], str]

    def of(self, tag: int) -> content.Shape:
        return content.shape(self.nodes, self.syntax, self.decode, content.FLOAT_PIXELS.get(tag, 0))


def _pixels(clean: list[Node], node: Element, shapes: _Shapes, done: Trimmed, prefix: str = "") -> None:
    """Cut one pixel data element, and set the offset tables right."""
    shape, value = shapes.of(node.tag), memoryview(node.value)
    if node.undefined:
        old = [marks.find(clean, tag) for tag in (OFFSETS, LENGTHS)]
        tables = (old[0].value, old[1].value) if isinstance(old[0], Element) and isinstance(old[1], Element) else None
        found = content.encapsulated(value, shapes.syntax.uid, shape, tables)
        if found.tables is not None:
            for tag, table in zip((OFFSETS, LENGTHS), found.tables, strict=True):
                marks.place(clean, Element(tag, "OV", table))
    else:
        swapped = not shapes.syntax.little and node.vr == "OW" and shape.allocated <= 8
        found = content.native(value, shape, swapped=swapped)
    done.removed += [(prefix + tag_text(node.tag), each) for each in found.removed]
    done.searched += found.searched
    if found.pieces is not None:
        marks.place(clean, Element(node.tag, node.vr, b"".join(found.pieces), node.undefined))


def _inner(clean: list[Node], syntax: Syntax, decode: Callable[[bytes], str], done: Trimmed, prefix: str) -> None:
    """Cut what lies in sequences."""
    for node in clean:
        if not isinstance(node, Sequence):
            continue
        for index, item in enumerate(node.items):
            inner = item_path(prefix, node.tag, index)
            shapes = _Shapes(item.nodes, syntax, decode)
            for tag in (PIXEL_DATA, *content.FLOAT_PIXELS):
                picture = marks.find(item.nodes, tag)
                if isinstance(picture, Element):
                    try:
                        _pixels(item.nodes, picture, shapes, done, inner)
                    except Malformed as error:
                        _drop(item.nodes, picture, error.reason, done, inner)
            _repeating(item.nodes, syntax, done, inner)
            _waveform(item.nodes, syntax, done, inner)
            _inner(item.nodes, syntax, decode, done, inner)


def _drop(nodes: list[Node], node: Element, what: str, done: Trimmed, prefix: str) -> None:
    done.removed.append((prefix + tag_text(node.tag), Removed(what, node.value)))
    nodes[:] = [each for each in nodes if each is not node]


def _waveform(nodes: list[Node], syntax: Syntax, done: Trimmed, prefix: str) -> None:
    """Cut the samples of one multiplex group (PS3.3 C.10.9)."""
    node = marks.find(nodes, _WAVEFORM)
    if isinstance(node, Element):
        channels, samples, bits = (_number(nodes, tag, syntax) for tag in (_CHANNELS, _WAVE_SAMPLES, _WAVE_BITS))
        size = channels * samples * bits // 8
        if not size or len(node.value) < size:
            raise Malformed("a waveform shorter than it says")
        _cut(nodes, node, size, done, prefix)


def _repeating(nodes: list[Node], syntax: Syntax, done: Trimmed, prefix: str) -> None:
    """Cut overlays and curves that a profile keeps (PS3.3 C.9.2; C.10.2 of 2004)."""
    for node in list(nodes):
        kind, base = node.tag & _REPEATING, node.tag & 0xFFFF0000
        if kind not in (_OVERLAY, _CURVE) or not isinstance(node, Element):
            continue
        if kind == _OVERLAY:
            rows, columns = (_number(nodes, base | element, syntax) for element in (0x10, 0x11))
            frames = marks.find(nodes, base | 0x15)
            count = bytes(frames.value).strip(b" \0") if isinstance(frames, Element) else b"1"
            size = (rows * columns * (int(count) if count.isdigit() and len(count) < 9 else 0) + 7) // 8
        else:
            axes, points, kind = (_number(nodes, base | element, syntax) for element in (0x05, 0x10, 0x103))
            size = axes * points * _CURVE_WIDTHS.get(kind, 0)
        if not size or len(node.value) < size:
            _drop(nodes, node, "of no size that it tells", done, prefix)
        else:
            _cut(nodes, node, size, done, prefix)


def _cut(nodes: list[Node], node: Element, size: int, done: Trimmed, prefix: str) -> None:
    extra = node.value[size:]
    if len(extra) > 1 or extra.strip(b"\0"):
        marks.place(nodes, Element(node.tag, node.vr, node.value[:size] + b"\0" * (size % 2)))
        done.removed.append((prefix + tag_text(node.tag), Removed(_CUT, extra)))


def _number(nodes: list[Node], tag: int, syntax: Syntax) -> int:
    node = marks.find(nodes, tag)
    if not isinstance(node, Element) or len(node.value) not in (2, 4):
        return 0
    return int.from_bytes(node.value, "little" if syntax.little else "big")
