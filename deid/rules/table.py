"""The standard's tables as data (PS3.15 table E.1-1 and E.3.10-1, PS3.3 attribute types). Loading and look-up only.

The data files in ``deid/data`` say in their first lines where they come from. A further edition is a further file
``e1-1-<edition>.txt``; a profile pins one by ``standard = "<edition>"``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OPTIONS = (
    "uids",
    "device",
    "institution",
    "patient_chars",
    "full_dates",
    "modified_dates",
    "clean_desc",
    "clean_struct",
    "clean_graph",
    "safe_private",
)
UID_ROOT = "1.2.840.10008."


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute of table E.1-1. `tag` is eight hex digits, ``x`` for any digit, or ``ggggeeee``."""

    tag: str
    vr: str
    basic: str
    options: Mapping[str, str]
    name: str


@dataclass(frozen=True, slots=True)
class SafePrivate:
    """A private attribute the standard calls safe: group, element within its block, and whose block."""

    group: int
    element: int
    vr: str
    creator: str
    meaning: str


def data_text(name: str) -> str:
    """A data file of the package."""
    return (resources.files("deid") / "data" / name).read_text(encoding="utf-8")


def _rows(name: str) -> Iterator[list[str]]:
    for line in data_text(name).splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")


@cache
def editions() -> tuple[str, ...]:
    """The editions of table E.1-1 that are shipped, oldest first."""
    names = (entry.name for entry in (resources.files("deid") / "data").iterdir())
    return tuple(sorted(n[5:-4] for n in names if n.startswith("e1-1-") and n.endswith(".txt")))


@cache
def load(edition: str) -> Mapping[str, Row]:
    """Table E.1-1 of an edition, by tag."""
    table = {}
    for tag, vr, basic, options, name in _rows(f"e1-1-{edition}.txt"):
        chosen = dict(pair.split("=") for pair in options.split(",")) if options != "-" else {}
        table[tag] = Row(tag, vr, basic, chosen, name)
    return table


@cache
def attribute_types() -> Mapping[str, Mapping[int, str]]:
    """By SOP class UID: the type (1, 1C, 2, 2C) of each attribute that has a combined code."""
    found = {}
    for classes, types in _rows("types.txt"):
        by_tag = {int(tag, 16): kind for tag, kind in (pair.split(":") for pair in types.split())}
        for uid in classes.split(","):
            found[UID_ROOT + uid] = by_tag
    return found


@cache
def safe_private() -> tuple[SafePrivate, ...]:
    """The private attributes of table E.3.10-1."""
    return tuple(
        SafePrivate(int(group, 16), int(element, 16), vr, creator, meaning)
        for group, element, vr, creator, meaning in _rows("safe-private.txt")
    )


def resolve(code: str, kind: str | None) -> str:
    """A combined code (``X/Z``, ``Z/D``, ...) made one action by the attribute's type (PS3.15 E.1.1).

    Type 1 needs a value, type 2 may be empty, type 3 and attributes foreign to the SOP class go. ``U*`` means: the sequence
    stays and the UIDs in it are mapped, which we always prefer, for references to go on pointing at the right images.
    """
    if "/" not in code:
        return code
    if "U*" in code:
        return "C"
    choices = code.split("/")
    wanted = {"1": "D", "2": "Z"}.get((kind or "3")[0], "X")
    order = {"X": "XZD", "Z": "ZDX", "D": "DZX"}[wanted]
    return next(action for action in order if action in choices)
