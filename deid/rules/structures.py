"""Names of structures (ROI names, segment labels): those of the nomenclature stay, the rest become numbered pseudonyms.

Tools find structures by name, so within one set different names stay different and a side stays a side. Pure functions; which
names a set has had so far is the caller's to keep. The words are data (``data/structures.txt``, AAPM TG-263).
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from deid.rules import phrases, vocabulary
from deid.rules.table import data_text

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_PARTS = re.compile(r"[^\W_]+")
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SIDE = re.compile(r"(?<![^\W_])(L|R|LT|RT|LEFT|RIGHT|LI|RE|LINKS|RECHTS|GAUCHE|DROITE?)(?![^\W_])", re.IGNORECASE)
_SEPARATORS = re.compile(r"[ _\-~^+/.!()]{0,3}")
_LONGEST, _LONGEST_NUMBER = 64, 5


@cache
def _words() -> frozenset[str]:
    lines = (line for line in data_text("structures.txt").splitlines() if not line.startswith(("#", "[")))
    return frozenset(word for line in lines for word in line.split())


def _allowed(part: str, extra: frozenset[str], known: frozenset[str]) -> bool:
    folded = vocabulary.fold(part)
    if not folded.isascii() or folded in known:
        return False
    if folded in _words() or folded in extra or vocabulary.allowed(folded):
        return True
    pieces = _PIECES.findall(part)
    if "".join(pieces) != part:
        return False
    return all(_is_part(piece.lower(), extra, known) for piece in pieces)


def _is_part(piece: str, extra: frozenset[str], known: frozenset[str]) -> bool:
    if piece.isdigit():
        return len(piece) <= _LONGEST_NUMBER
    return piece not in known and (piece in _words() or piece in extra or vocabulary.allowed(piece))


def cleaned(name: str, extra: frozenset[str], known: frozenset[str]) -> str:
    """The parts of a name that the nomenclature knows; empty where nothing is left that says what it is."""
    text = phrases.without(name)
    out, end, joined = "", 0, False
    for found in _PARTS.finditer(text):
        if not _allowed(found[0], extra, known):
            joined = False
            continue
        between = _SEPARATORS.fullmatch(text, end, found.start()) if joined else None
        out += ("" if not out else between[0] if between else "_") + found[0]
        end, joined = found.end(), True
    words = [part for part in _PARTS.findall(out) if not part.isdigit() and not _SIDE.fullmatch(part)]
    return out[:_LONGEST] if words else ""


def named(name: str, so_far: MutableMapping[str, str], extra: frozenset[str], known: frozenset[str]) -> str:
    """The name that stands for `name` in a set whose names so far are `so_far` (old -> new), where it is added."""
    if not name.strip():
        return ""
    found = so_far.get(name)
    if found is None:
        taken = set(so_far.values())
        base = cleaned(name, extra, known)
        if not base:
            side = _SIDE.search(name)
            letter = "" if side is None else "_L" if side[0][0] in "lLgG" else "_R"
            count = sum(each.startswith("ROI_") for each in taken) + 1
            base = f"ROI_{count}{letter}"
        found, number = base, 2
        while found in taken:
            found, number = f"{base[: _LONGEST - 4]}_{number}", number + 1
        so_far[name] = found
    return found
