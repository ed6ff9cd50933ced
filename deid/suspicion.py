"""May this image carry burned-in text? Rules on headers only; no pixel is looked at here.

A reason means: held until a mask rule covers it, or a named human has approved the pixels. PS3.15 E.3.1 (Clean Pixel Data).
The rules are data: ``data/suspicion.toml``.
"""

from __future__ import annotations

import tomllib
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from deid.engine.nodes import Element
from deid.rules import signatures
from deid.rules.table import data_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deid.engine.nodes import Node
    from deid.rules.signatures import Signature

OVERLAYS = 0x60
"""The first byte of the groups of overlays."""
_OVERLAY_BITS, _OVERLAY_DATA = 0x60000100, 0x3000


@cache
def _rules() -> tuple[tuple[Signature, str], ...]:
    def wrong(key: str, what: str) -> None:
        raise ValueError(f"data/suspicion.toml: {key}: {what}")

    entries = tomllib.loads(data_text("suspicion.toml"))["suspect"]
    found = ((signatures.parse(entry, ("why",), wrong), entry["why"]) for entry in entries)
    return tuple((signature, why) for signature, why in found if signature is not None)


def suspicion(headers: Mapping[str, str]) -> str | None:
    """Why the pixels of an image may show an identity, or None. `headers` as `signatures.seen` gives them."""
    return _reason(tuple(headers.items()))


@lru_cache(maxsize=1024)
def _reason(headers: tuple[tuple[str, str], ...]) -> str | None:
    """Cached: the files of a series have these headers in common."""
    known = dict(headers)
    return next((why for signature, why in _rules() if signature.matches(known)), None)


def hidden_overlay(nodes: list[Node]) -> bool:
    """Whether an overlay lies in bits of the pixels that are not stored samples (retired; PS3.3 C.9.2, 2004): text, often."""
    tags = {node.tag for node in nodes}
    return any(
        node.tag & 0xFF00FFFF == _OVERLAY_BITS
        and isinstance(node, Element)
        and bytes(node.value[:2]) not in (b"\1\0", b"\0\1")
        and node.tag & 0xFFFF0000 | _OVERLAY_DATA not in tags
        for node in nodes
    )
