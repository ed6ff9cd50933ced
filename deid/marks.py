"""What a clean file must say of itself (PS3.15 E.1.1, PS3.3 C.12.1.1.1 and C.7.1.1): written, or added to what is there.

Works on a clean top-level data set; decides nothing about the file's own values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid.engine.nodes import Element, Item, Sequence, find, place

if TYPE_CHECKING:
    from deid.engine.nodes import Node
    from deid.rules.model import Profile

_METHOD = b"ArchiMed PS3.15 Basic Application Level Confidentiality Profile"
_CODES = {
    "uids": ("113110", "Retain UIDs Option"),
    "device": ("113109", "Retain Device Identity Option"),
    "institution": ("113112", "Retain Institution Identity Option"),
    "patient_chars": ("113108", "Retain Patient Characteristics Option"),
    "full_dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "modified_dates": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "clean_desc": ("113105", "Clean Descriptors Option"),
    "clean_struct": ("113104", "Clean Structured Content Option"),
    "clean_graph": ("113103", "Clean Graphics Option"),
    "safe_private": ("113111", "Retain Safe Private Option"),
}
_BASIC = ("113100", "Basic Application Confidentiality Profile")
_PIXELS = ("113101", "Clean Pixel Data Option")
VALUES = frozenset(value.encode() for value, _ in (_BASIC, _PIXELS, *_CODES.values()))
"""The code values we write: numbers, which somebody's ID may happen to be."""
_LONGITUDINAL = {"shift": b"MODIFIED", "keep": b"UNMODIFIED", "remove": b"REMOVED"}


def codes(profile: Profile, *, masked: bool = False) -> list[tuple[str, str]]:
    """The codes of CID 7050 that a profile stands for. `masked`: pixels were blanked in this file."""
    options = set(profile.options) - {"full_dates", "modified_dates"}
    options |= {"shift": {"modified_dates"}, "keep": {"full_dates"}}.get(profile.dates, set())
    return [_BASIC, *([_PIXELS] if masked else []), *sorted(_CODES[option] for option in options)]


def mark(nodes: list[Node], profile: Profile, exam: bytes, *, masked: bool = False) -> None:
    """Write the marks into a clean top-level data set. `masked`: pixels were blanked in it."""
    place(nodes, Element(0x00100010, "PN", exam))
    place(nodes, Element(0x00100020, "LO", exam))
    place(nodes, Element(0x00120062, "CS", b"YES"))
    old = find(nodes, 0x00120063)
    methods = [part for part in (old.value if isinstance(old, Element) else b"").rstrip(b" \0").split(b"\\") if part]
    if _METHOD not in methods:
        methods.append(_METHOD)
    place(nodes, Element(0x00120063, "LO", b"\\".join(methods)))
    place(nodes, _code_sequence(find(nodes, 0x00120064), codes(profile, masked=masked)))
    place(nodes, Element(0x00280303, "CS", _LONGITUDINAL[profile.dates]))


def _code_sequence(old: Node | None, wanted: list[tuple[str, str]]) -> Sequence:
    items = list(old.items) if isinstance(old, Sequence) else []
    there = {node.value.strip(b" \0") for item in items for node in item.nodes if isinstance(node, Element)}
    for value, meaning in wanted:
        if value.encode() not in there:
            elements: list[Node] = [
                Element(0x00080100, "SH", value.encode()),
                Element(0x00080102, "SH", b"DCM"),
                Element(0x00080104, "LO", meaning.encode()[:64]),
            ]
            items.append(Item(elements))
    return Sequence(0x00120064, items)
