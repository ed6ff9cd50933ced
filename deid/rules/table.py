"""The standard's tables as data (PS3.15 table E.1-1 and E.3.10-1, PS3.3 attribute types). Loading and look-up only.

The data files in ``deid/data`` say in their first lines where they come from. A further edition is a further file
``e1-1-<edition>.txt``, here or in a package of the site's own that an entry point names; a profile pins one by
``standard = "<edition>"``. A profile that pins none gets `DEFAULT`, whatever else is installed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from importlib.metadata import EntryPoint

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
DEFAULT = "2026c"
GROUP = "archimed.deid.editions"
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,15}")
_TAG = re.compile(r"[0-9a-fx]{8}|ggggeeee")
_VR = re.compile(r"[A-Z]{2}|-")
_BASIC = frozenset({"X", "Z", "D", "U", "X/Z", "X/D", "Z/D", "X/Z/D", "X/Z/U*"})
_COLUMNS = 5
_FEWEST_ROWS = 300


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
    """A private attribute that is safe: group, element within its block, whose block, and what cleans it from within."""

    group: int
    element: int
    vr: str
    creator: str
    meaning: str
    using: str | None = None


def data_text(name: str) -> str:
    """A data file of the package."""
    return (resources.files("deid") / "data" / name).read_text(encoding="utf-8")


def data_rows(name: str) -> Iterator[list[str]]:
    """The lines of a data file that are no comments, by column."""
    for line in data_text(name).splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")


@cache
def _texts() -> Mapping[str, Callable[[], str]]:
    """How to read the table of each edition. A site's own package cannot take the place of a shipped one."""
    found = {}
    for entry in entry_points(group=GROUP):
        if _NAME.fullmatch(entry.name):
            found[entry.name] = partial(_site_text, entry)
    for name in (each.name for each in (resources.files("deid") / "data").iterdir()):
        if name.startswith("e1-1-") and name.endswith(".txt"):
            found[name[5:-4]] = partial(data_text, name)
    return found


def _site_text(entry: EntryPoint) -> str:
    return (resources.files(entry.load()) / f"e1-1-{entry.name}.txt").read_text(encoding="utf-8")


def editions() -> tuple[str, ...]:
    """The editions of table E.1-1 that a profile can pin, oldest first."""
    return tuple(sorted(_texts()))


def provenance(edition: str) -> str:
    """What the file of an edition says of itself."""
    lines = _texts()[edition]().splitlines()
    return "\n".join(line.lstrip("# ") for line in lines if line.startswith("#"))


@cache
def load(edition: str) -> Mapping[str, Row]:
    """Table E.1-1 of an edition, by tag. A table that cannot be used is a fault of the installation: ValueError."""
    try:
        text = _texts()[edition]()
    except (ImportError, AttributeError, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the table of edition {edition} cannot be read ({type(error).__name__})") from None
    table, problems = parse(text)
    if problems:
        raise ValueError(f"the table of edition {edition}: {problems[0]}")
    return table


def parse(text: str) -> tuple[dict[str, Row], list[str]]:
    """The rows of a table's text, and everything that is wrong with it, by line."""
    table: dict[str, Row] = {}
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        row, problem = _row(line.split("\t"))
        if row is None:
            problems.append(f"line {number}: {problem}")
        elif row.tag in table:
            problems.append(f"line {number}: {row.tag} was there before")
        else:
            table[row.tag] = row
    if not problems and len(table) < _FEWEST_ROWS:
        problems.append(f"{len(table)} rows: no edition of the table has so few")
    if not problems and "ggggeeee" not in table:
        problems.append("there is no row ggggeeee, for private attributes")
    return table, problems


def _row(cells: list[str]) -> tuple[Row | None, str]:
    if len(cells) != _COLUMNS:
        return None, f"{len(cells)} columns instead of tag, VR, basic profile, options and name, parted by tabs"
    tag, vr, basic, options, name = cells
    chosen = {} if options == "-" else dict(pair.partition("=")[::2] for pair in options.split(","))
    if not _TAG.fullmatch(tag):
        return None, f"{tag!r} is no tag of eight lower-case digits (x: any), nor ggggeeee"
    if not _VR.fullmatch(vr):
        return None, f"{vr!r} is no VR"
    if basic not in _BASIC:
        return None, f"{basic!r} is no code of the basic profile"
    for option, action in chosen.items():
        if option not in OPTIONS:
            return None, f"{option!r} is none of the options {', '.join(OPTIONS)}"
        if action not in ("K", "C"):
            return None, f"{option} = {action!r} is neither K nor C"
    return Row(tag, vr, basic, chosen, name), ""


@cache
def attribute_types() -> Mapping[str, Mapping[int, str]]:
    """By SOP class UID: the type (1, 1C, 2, 2C) of each attribute that has a combined code."""
    found = {}
    for classes, types in data_rows("types.txt"):
        by_tag = {int(tag, 16): kind for tag, kind in (pair.split(":") for pair in types.split())}
        for uid in classes.split(","):
            found[UID_ROOT + uid] = by_tag
    return found


@cache
def required(sop_class: str) -> frozenset[int]:
    """The attributes of type 1 or 1C of a SOP class whose values are text, and those in items of any class."""
    found: set[int] = set()
    for classes, tags in data_rows("required.txt"):
        if classes == "*" or sop_class.removeprefix(UID_ROOT) in classes.split(","):
            found.update(int(tag, 16) for tag in tags.split())
    return frozenset(found)


@cache
def safe_private() -> tuple[SafePrivate, ...]:
    """The private attributes of table E.3.10-1, and those of ours that conversion and processing need."""
    standard = [
        SafePrivate(int(group, 16), int(element, 16), vr, creator, meaning)
        for group, element, vr, creator, meaning in data_rows("safe-private.txt")
    ]
    ours = [
        SafePrivate(int(group, 16), int(element, 16), vr, creator, meaning, None if using == "-" else using)
        for group, element, vr, creator, using, meaning in data_rows("vendors.txt")
    ]
    return (*standard, *ours)


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
