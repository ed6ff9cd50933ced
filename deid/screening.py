"""Would a file be held for what its pixels show or its sound tells? Decided from its headers, before anything is cleaned.

Reads the file as `Cleaner` does and asks the same rules; what only decoding can tell is not known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid import pixels
from deid.engine import safe, scan
from deid.engine.nodes import Element, find
from deid.facts import MODALITY, SOP_CLASS, WANTED, facts
from deid.sound import WAVEFORMS, sound
from deid.suspicion import OVERLAYS, hidden_overlay, suspicion

if TYPE_CHECKING:
    from pathlib import Path

    from deid.engine.nodes import Node, Syntax
    from deid.rules.model import Profile

_TOP = WANTED | pixels.WANTED


def burned_in(profile: Profile, source: Path) -> str | None:
    """Why an image or a waveform would be held until a human has looked or listened, or None.

    A mask rule that is for the image and fits it takes the reason away; one that does not fit is the reason. None also for
    what cannot be read: that is somebody else's to report.
    """
    try:
        try:
            nodes, syntax = _scanned(source)
        except scan.NotFast:
            nodes, syntax = safe.read(source)
        return _doubt(profile, nodes, syntax)
    except Exception:  # noqa: BLE001  whether the file can be read is reported elsewhere, and errors here may hold its values
        return None


def _scanned(source: Path) -> tuple[list[Node], Syntax]:
    """The top-level elements that decide. `NotFast` if it takes more than these."""
    opened = scan.open_file(scan.mapped(source))
    tags = scan.tags(opened)
    if any(tag == WAVEFORMS or tag >> 24 == OVERLAYS for tag in tags):
        raise scan.NotFast
    nodes: list[Node] = list(scan.top_level(opened, _TOP))
    nodes += [Element(tag, "OW", b"") for tag in sorted(tags) if tag in pixels.PIXELS]
    return nodes, opened.syntax


def _doubt(profile: Profile, nodes: list[Node], syntax: Syntax) -> str | None:
    known = facts(nodes)
    if heard := sound(nodes, known.text(SOP_CLASS), known.text(MODALITY), known.decode):
        return f"a voice may be heard: {heard}"
    if not any(find(nodes, tag) is not None for tag in pixels.PIXELS):
        return None
    if hidden_overlay(nodes):
        return "an overlay is in the unused bits of its pixels"
    seen = pixels.seen(nodes, known.decode, syntax)
    try:
        return None if pixels.covered(profile.masks, nodes, seen, syntax, known.decode) else suspicion(seen)
    except pixels.Unfit as unfit:
        return unfit.reason
