"""Where a key of a TOML text stands, and what a mistyped word may have meant. For error messages only; pure."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEADER = re.compile(r"\s*\[\[?\s*([A-Za-z0-9_.\-]+)\s*\]\]?")
_KEY = re.compile(r"""\s*["']?([A-Za-z0-9_\-]+)["']?\s*=""")


class Lines:
    """Line numbers of sections and keys. The nth ``[[rule]]`` is the section ``rule#n``, from 0."""

    def __init__(self, text: str) -> None:
        self._text = text.splitlines()
        self._at: dict[tuple[str, str], int] = {}
        counts: dict[str, int] = {}
        section = ""
        for number, line in enumerate(self._text, 1):
            if found := _HEADER.match(line):
                name = found[1]
                if line.lstrip().startswith("[["):
                    section = f"{name}#{counts.get(name, 0)}"
                    counts[name] = counts.get(name, 0) + 1
                else:
                    section = name
                self._at.setdefault((section, ""), number)
                self._at.setdefault(("", name), number)
            elif found := _KEY.match(line):
                self._at.setdefault((section, found[1]), number)

    def of(self, section: str, key: str, containing: str = "") -> int:
        """The line of a key, or of the first line from there on with `containing`; else of its section, else 1."""
        line = self._at.get((section, key)) or self._at.get((section, "")) or 1
        if containing:
            for number in range(line, len(self._text) + 1):
                if containing in self._text[number - 1]:
                    return number
        return line


def nearest(word: str, known: Iterable[str]) -> str:
    """``: did you mean 'x'?`` or nothing."""
    by_folded = {k.lower(): k for k in known}
    close = difflib.get_close_matches(word.lower(), list(by_folded), 1, 0.6)
    return f": did you mean {by_folded[close[0]]!r}?" if close else ""
