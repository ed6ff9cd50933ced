"""The regions of an ultrasound picture (PS3.3 C.8.5.5): where the device itself says that it put image, trace or scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid.engine.nodes import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, Element, Item, Sequence, find
from deid.engine.scan import Headers, NotFast, Opened
from deid.rules.model import Rect

if TYPE_CHECKING:
    from deid.engine.nodes import Node, Syntax

REGIONS = 0x00186011
_CORNERS = (0x00186018, 0x0018601A, 0x0018601C, 0x0018601E)


def regions(nodes: list[Node], syntax: Syntax) -> list[Rect]:
    """The regions of a top-level data set that frame anything. The maximum corner belongs to the region."""
    node = find(nodes, REGIONS)
    if isinstance(node, Element) and node.vr == "SQ":
        node = _parsed(node, syntax)
    if not isinstance(node, Sequence):
        return []
    found = []
    for item in node.items:
        corners = [find(item.nodes, tag) for tag in _CORNERS]
        left, top, right, bottom = (_number(corner, syntax) for corner in corners)
        if left is None or top is None or right is None or bottom is None or right < left or bottom < top:
            continue
        found.append(Rect(left, top, right - left + 1, bottom - top + 1))
    return found


def _number(node: Node | None, syntax: Syntax) -> int | None:
    if not isinstance(node, Element) or len(node.value) != 4:
        return None
    return int.from_bytes(node.value, "little" if syntax.little else "big")


def _parsed(node: Element, syntax: Syntax) -> Sequence:
    """The items of a sequence that the fast engine handed over as bytes; nested sequences are of no interest here."""
    headers = Headers(Opened(memoryview(node.value), 0, syntax))
    items: list[Item] = []
    at, end = 0, headers.end
    while at < end:
        tag, size = headers.item(at, end)
        at += 8
        if tag == SEQUENCE_END:
            break
        stop = end if size == UNDEFINED else at + size
        if tag != ITEM or stop > end:
            raise NotFast
        elements: list[Node] = []
        while at < stop:
            if size == UNDEFINED and headers.item(at, stop)[0] == ITEM_END:
                at += 8
                break
            inner, vr, value, length = headers.element(at, stop)
            at = headers.skip(value, length, stop)
            if vr != "SQ":
                elements.append(Element(inner, vr, node.value[value:at]))
        items.append(Item(sorted(elements, key=lambda element: element.tag)))
    return Sequence(REGIONS, items)
