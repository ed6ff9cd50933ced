"""Bulk data of a clean data set, at any depth: none is longer than what describes it says, so that nothing hides behind it.

Pixel data of the image itself, icons that a profile keeps, overlays, curves, waveforms, tables of colours and values. What
describes its size in no way, or is too short: of the image and of a waveform that is for a human, of others it goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid.codestream import Malformed, Piece, Removed
from deid.engine.nodes import LUTS, Element, Sequence, find, item_path, lut_bytes, place, tag_text
from deid.engine.scan import NotFast
from deid.engine.spans import Pixels
from deid.pixels import content

if TYPE_CHECKING:
    from collections.abc import Callable

    from deid.engine.nodes import Node, Syntax

PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
OFFSETS, LENGTHS = 0x7FE00001, 0x7FE00002
_REPEATING, _ICON = 0xFF00FFFF, 0x00880200
_OVERLAY, _CURVE = 0x60003000, 0x50003000
_WAVEFORM, _WAVE_BITS, _CHANNELS, _WAVE_SAMPLES = 0x54001010, 0x54001004, 0x003A0005, 0x003A0010
_CURVE_WIDTHS = {0: 2, 1: 2, 2: 4, 3: 8, 4: 4}  # of a value: US, SS, FL, FD, SL (PS3.3-2004 C.10.2)
_CUT = "bytes behind what the element holds"


class Trimmer:
    """Cuts the pixel data of one data set. `nodes` describe the picture, as the file does.

    `looked_at`: a named human has seen the picture; `removed`: what was taken out, with its path; `searched`: what of the
    result may hold text all the same.
    """

    def __init__(
        self, nodes: list[Node], syntax: Syntax, decode: Callable[[bytes], str], prefix: str = "", *, looked_at: bool = False
    ) -> None:
        self._nodes = nodes
        self._syntax = syntax
        self._decode = decode
        self._prefix = prefix
        self._looked_at = looked_at
        self.removed: list[tuple[str, Removed]] = []
        self.searched: list[Piece] = []

    def trim(self, element: Pixels) -> list[Piece] | None:
        """The value of a pixel data element with nothing but the picture in it, or None if it stays as it is.

        Raises:
            NotFast: that cannot be known of this element alone.
        """
        try:
            found = self.cut(element)
        except Malformed:
            raise NotFast from None
        native = not element.undefined
        if found.tables is not None or (native and (element.tables or found.searched)):
            raise NotFast  # tables stood before; a picture that is too short may end where the file is damaged
        return found.pieces

    def cut(self, element: Pixels) -> content.Content:
        """A pixel data element with nothing but the picture in it. `Malformed` if that cannot be told."""
        shape = content.shape(self._nodes, self._syntax, self._decode, content.FLOAT_PIXELS.get(element.tag, 0))
        if element.undefined:
            found = content.encapsulated(element.value, self._syntax.uid, shape, element.tables)
        else:
            swapped = not self._syntax.little and element.vr == "OW" and shape.allocated <= 8
            found = content.native(element.value, shape, swapped=swapped, looked_at=self._looked_at)
        self.removed += [(self._prefix + tag_text(element.tag), each) for each in found.removed]
        self.searched += found.searched
        return found

    def drop(self, nodes: list[Node], node: Element, what: str) -> None:
        """Take a whole element out of a data set."""
        self.removed.append((self._prefix + tag_text(node.tag), Removed(what, node.value)))
        nodes[:] = [each for each in nodes if each is not node]

    def shorten(self, nodes: list[Node], node: Element, size: int) -> None:
        """Cut an element of a data set to a size."""
        extra = node.value[size:]
        if len(extra) > 1 or extra.strip(b"\0"):
            place(nodes, Element(node.tag, node.vr, node.value[:size] + b"\0" * (size % 2)))
            self.removed.append((self._prefix + tag_text(node.tag), Removed(_CUT, extra)))


def as_it_is(clean: list[Node], nodes: list[Node], syntax: Syntax, decode: Callable[[bytes], str]) -> Trimmer:
    """Leave the bulk data of a data set alone, because a human says so: then all of it is searched."""
    done = Trimmer(nodes, syntax, decode)
    done.searched = [node.value for node in clean if node.tag in PIXELS and isinstance(node, Element)]
    return done


def trim(
    clean: list[Node], nodes: list[Node], syntax: Syntax, decode: Callable[[bytes], str], *, looked_at: bool = False
) -> Trimmer:
    """Cut the bulk data of a clean data set, in its place. `nodes`: the original, which describes the picture.

    Raises:
        Malformed: nobody can tell what of the pixel data, or of a waveform, is picture and what is not.
    """
    done = Trimmer(nodes, syntax, decode, looked_at=looked_at)
    for tag in PIXELS:
        node = find(clean, tag)
        if isinstance(node, Element):
            _pixels(clean, node, done)
    _repeating(clean, syntax, done)
    _luts(clean, syntax, done)
    _inner(clean, syntax, decode, done, "")
    return done


def _pixels(clean: list[Node], node: Element, done: Trimmer) -> None:
    """Cut one pixel data element, and set the offset tables right."""
    tables = tuple(each.value for tag in (OFFSETS, LENGTHS) if isinstance(each := find(clean, tag), Element))
    found = done.cut(Pixels(node.tag, node.vr, memoryview(node.value), node.undefined, tables))
    if found.tables is not None:
        for tag, table in zip((OFFSETS, LENGTHS), found.tables, strict=True):
            place(clean, Element(tag, "OV", table))
    if not node.undefined:
        clean[:] = [each for each in clean if each.tag not in (OFFSETS, LENGTHS)]
    if found.pieces is not None:
        place(clean, Element(node.tag, node.vr, b"".join(found.pieces), node.undefined))


def _inner(clean: list[Node], syntax: Syntax, decode: Callable[[bytes], str], done: Trimmer, prefix: str) -> None:
    """Cut what lies in sequences."""
    for node in clean:
        if not isinstance(node, Sequence):
            continue
        for index, item in enumerate(node.items):
            path = item_path(prefix, node.tag, index)
            inside = Trimmer(item.nodes, syntax, decode, path)
            for picture in [each for each in item.nodes if each.tag in PIXELS and isinstance(each, Element)]:
                if node.tag != _ICON:
                    inside.drop(item.nodes, picture, "a picture where none should be")
                    continue
                try:
                    _pixels(item.nodes, picture, inside)
                except Malformed as error:
                    inside.drop(item.nodes, picture, error.reason)
            _repeating(item.nodes, syntax, inside)
            _waveform(item.nodes, syntax, inside)
            _luts(item.nodes, syntax, inside)
            done.removed += inside.removed
            done.searched += inside.searched
            _inner(item.nodes, syntax, decode, done, path)


def _luts(nodes: list[Node], syntax: Syntax, done: Trimmer) -> None:
    """Cut tables of colours and values."""
    for node in [each for each in nodes if each.tag in LUTS and isinstance(each, Element)]:
        about = find(nodes, LUTS[node.tag])
        size = lut_bytes(about.value, little=syntax.little) if isinstance(about, Element) else 0
        if size:
            done.shorten(nodes, node, size)
        else:
            done.drop(nodes, node, "of no size that it says")


def _waveform(nodes: list[Node], syntax: Syntax, done: Trimmer) -> None:
    """Cut the samples of one multiplex group (PS3.3 C.10.9)."""
    node = find(nodes, _WAVEFORM)
    if isinstance(node, Element):
        channels, samples, bits = (_number(nodes, tag, syntax) for tag in (_CHANNELS, _WAVE_SAMPLES, _WAVE_BITS))
        size = channels * samples * bits // 8
        if not size or len(node.value) < size:
            raise Malformed("a waveform shorter than it says")
        done.shorten(nodes, node, size)


def _repeating(nodes: list[Node], syntax: Syntax, done: Trimmer) -> None:
    """Cut overlays and curves that a profile keeps (PS3.3 C.9.2; C.10.2 of 2004)."""
    for node in list(nodes):
        kind, base = node.tag & _REPEATING, node.tag & 0xFFFF0000
        if kind not in (_OVERLAY, _CURVE) or not isinstance(node, Element):
            continue
        if kind == _OVERLAY:
            rows, columns = (_number(nodes, base | element, syntax) for element in (0x10, 0x11))
            frames = find(nodes, base | 0x15)
            count = bytes(frames.value).strip(b" \0") if isinstance(frames, Element) else b"1"
            size = (rows * columns * (int(count) if count.isdigit() and len(count) < 9 else 0) + 7) // 8
        else:
            axes, points, width = (_number(nodes, base | element, syntax) for element in (0x05, 0x10, 0x103))
            size = axes * points * _CURVE_WIDTHS.get(width, 0)
        if not size or len(node.value) < size:
            done.drop(nodes, node, "of no size that it says")
        else:
            done.shorten(nodes, node, size)


def _number(nodes: list[Node], tag: int, syntax: Syntax) -> int:
    node = find(nodes, tag)
    if not isinstance(node, Element) or len(node.value) not in (2, 4):
        return 0
    return int.from_bytes(node.value, "little" if syntax.little else "big")
