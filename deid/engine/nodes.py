"""A data set as a plain tree, independent of who parsed it, and its encoding (PS3.5 7). No decision may live here."""

from __future__ import annotations

import struct
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence as Seq

UNDEFINED = 0xFFFFFFFF
LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_NUL_PADDED = frozenset({"UI", "OB", "UN", "OW"})
LUTS = {0x00281201: 0x00281101, 0x00281202: 0x00281102, 0x00281203: 0x00281103, 0x00281204: 0x00281104, 0x00283006: 0x00283002}
"""Tables of a picture's colours and values, each with what describes it: entries, the first, bits (PS3.3 C.7.6.3.1.5)."""
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


@dataclass(frozen=True, slots=True)
class Element:
    """One element that is no sequence. `undefined`: encapsulated pixel data, `value` holds its fragments."""

    tag: int
    vr: str
    value: bytes = field(repr=False)
    undefined: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a sequence."""

    nodes: list[Node] = field(default_factory=list)
    undefined: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence; `vr` is ``SQ``."""

    tag: int
    items: list[Item]
    undefined: bool = False
    vr: str = "SQ"


Node: TypeAlias = Element | Sequence


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a data set is encoded."""

    uid: str
    implicit: bool
    little: bool
    deflated: bool = False


def place(nodes: list[Node], new: Node) -> None:
    """Put an element in its place, over one of the same tag."""
    at = bisect_left(nodes, new.tag, key=lambda node: node.tag)
    if at < len(nodes) and nodes[at].tag == new.tag:
        nodes[at] = new
    else:
        nodes.insert(at, new)


def find(nodes: list[Node], tag: int) -> Node | None:
    """The element of a tag."""
    at = bisect_left(nodes, tag, key=lambda node: node.tag)
    return nodes[at] if at < len(nodes) and nodes[at].tag == tag else None


def replaced(tag: int, code: tuple[str, str, str] | None) -> Sequence:
    """What stands for a sequence whose items go: one code (value, scheme, meaning), or nothing."""
    if code is None:
        return Sequence(tag, [])
    value, scheme, meaning = (part.encode() for part in code)
    elements: list[Node] = [
        Element(0x00080100, "SH", value),
        Element(0x00080102, "SH", scheme),
        Element(0x00080104, "LO", meaning[:64]),
    ]
    return Sequence(tag, [Item(elements)])


@lru_cache(maxsize=1 << 14)
def tag_text(tag: int) -> str:
    """``(gggg,eeee)``."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def item_path(prefix: str, tag: int, index: int) -> str:
    """The prefix of what stands in an item: ``(0008,1140)[1].``."""
    return f"{prefix}{tag_text(tag)}[{index + 1}]."


class Writer:
    """Encodes nodes. `chunks` is the result; `spans` says where each value came to lie, for the leak check."""

    def __init__(self, syntax: Syntax, *, spans: bool = False) -> None:
        self._implicit = syntax.implicit
        order = "<" if syntax.little else ">"
        self._tag = struct.Struct(order + "HH").pack
        self._u32 = struct.Struct(order + "L").pack
        self._u16 = struct.Struct(order + "H").pack
        self.chunks: list[bytes] = []
        self.spans: list[tuple[int, int, str, str]] | None = [] if spans else None
        self._at = 0

    def write(self, nodes: Seq[Node], prefix: str = "") -> None:
        """Append the encoding of `nodes`."""
        for node in nodes:
            if isinstance(node, Sequence):
                self._sequence(node, prefix)
            else:
                self._element(node, prefix)

    def _put(self, data: bytes) -> None:
        self.chunks.append(data)
        self._at += len(data)

    def _header(self, tag: int, vr: str, length: int) -> bytes:
        start = self._tag(tag >> 16, tag & 0xFFFF)
        if self._implicit:
            return start + self._u32(length)
        if vr in LONG_VRS:
            return start + vr.encode() + b"\0\0" + self._u32(length)
        if length > 0xFFFE:  # PS3.5 6.2.2: what does not fit its VR's length field is UN
            return start + b"UN\0\0" + self._u32(length)
        return start + vr.encode() + self._u16(length)

    def _element(self, node: Element, prefix: str) -> None:
        value = node.value
        if node.undefined:
            self._put(self._header(node.tag, node.vr, UNDEFINED))
            self._put(value)
            self._put(self._tag(0xFFFE, 0xE0DD) + self._u32(0))
            return
        if len(value) & 1:
            value += b"\0" if node.vr in _NUL_PADDED else b" "
        self._put(self._header(node.tag, node.vr, len(value)))
        if self.spans is not None:
            self.spans.append((self._at, self._at + len(value), prefix + tag_text(node.tag), node.vr))
        self._put(value)

    def _sequence(self, node: Sequence, prefix: str) -> None:
        if node.undefined:
            self._put(self._header(node.tag, "SQ", UNDEFINED))
            self._items(node, prefix)
            self._put(self._tag(0xFFFE, 0xE0DD) + self._u32(0))
        else:
            self._counted(partial(self._header, node.tag, "SQ"), partial(self._items, node, prefix))

    def _items(self, node: Sequence, prefix: str) -> None:
        for index, item in enumerate(node.items):
            inner = item_path(prefix, node.tag, index) if self.spans is not None else ""
            if item.undefined:
                self._put(self._item(UNDEFINED))
                self.write(item.nodes, inner)
                self._put(self._tag(0xFFFE, 0xE00D) + self._u32(0))
            else:
                self._counted(self._item, partial(self.write, item.nodes, inner))

    def _item(self, length: int) -> bytes:
        return self._tag(0xFFFE, 0xE000) + self._u32(length)

    def _counted(self, header: Callable[[int], bytes], body: Callable[[], None]) -> None:
        """A header that carries the length of what follows it: its place is kept free until that is known."""
        place = len(self.chunks)
        length = len(header(0))
        self.chunks.append(b"")
        self._at += length
        start = self._at
        body()
        self.chunks[place] = header(self._at - start)


def lut_bytes(descriptor: bytes, *, little: bool) -> int:
    """The most bytes a table can have that is described so; 0 if that is no description."""
    if len(descriptor) != 6:
        return 0
    return 2 * (int.from_bytes(descriptor[:2], "little" if little else "big") or 1 << 16)
