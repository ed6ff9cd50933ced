"""The headers of a file by which a kind of picture is recognised. Reads nodes only; matching is in `rules.signatures`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid.engine.nodes import Element, find
from deid.rules.signatures import HEADERS, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from deid.engine.nodes import Node, Syntax

_LONGEST = 256


def seen(nodes: list[Node], decode: Callable[[bytes], str], syntax: Syntax) -> dict[str, str]:
    """The headers of a top-level data set that signatures look at."""
    found: dict[str, str] = {}
    for keyword, tag in HEADERS.items():
        node = find(nodes, tag)
        if isinstance(node, Element):
            if keyword in NUMBERS:
                found[keyword] = str(int.from_bytes(node.value[:2], "little" if syntax.little else "big"))
            else:
                found[keyword] = decode(node.value[:_LONGEST]).strip(" \0")
    return found
