"""Free text made safe: words of a known vocabulary stay, with numbers, units and separators; all else goes.

Pure functions on text. The vocabulary is data (``deid/data/vocabulary.txt``); a profile adds words. PS3.15 E.3.5 (Clean
Descriptors Option) asks that identifying text be removed from descriptions; keeping only what is known not to identify
is its strict reading.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

from deid.rules import phrases
from deid.rules.table import data_text

_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_DATE = re.compile(
    r"(?<![^\W_])(?:\d{1,2}[ ._/\-]\d{1,2}[ ._/\-](?:\d{4}|\d{2})|\d{4}[ ._/\-]\d{1,2}[ ._/\-]\d{1,2})(?!\d)(?:[ ._/\-]+\d+)*"
)
_UNIT = r"(?:mm|cm|um|ms|ns|s|sec|min|t|deg|hz|khz|mhz|kv|kvp|kev|ma|mas|ml|mg|d|ch|dir|dirs|vol|vols|x|nex|nsa|shot|echo|w|m)"
_NUMBERED = re.compile(rf"\d{{1,4}}{_UNIT}|\d{{1,3}}(?:x\d{{1,3}}){{1,3}}{_UNIT}?|\d{{1,3}}|\d{{1,2}}00")
_LETTERED = re.compile(r"(?:[btpvrscfieazxyn]|te|tr|ti|pd|fa|sl|gr|mb|ch|ve|vb|va|vd|xa|mr|ct|ge|se|kv|ph)\d{1,4}[a-z]?\d{0,2}")
_WITH_DIGITS = re.compile(r"(\d{0,3})([a-z]+?)(\d{0,3}d?\d?)")
_JOINED = re.compile(r"(t1|t2|pd|ax|sag|cor|tra|axial)(t1|t2|pd|[a-z]+)")
_SEPARATORS = re.compile(r"[ _\-/.+=*:,;()\[\]#%^&]+")


def fold(text: str) -> str:
    """Lower case without accents, for comparing."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


@cache
def shipped() -> frozenset[str]:
    """The shipped words, folded."""
    lines = (line for line in data_text("vocabulary.txt").splitlines() if not line.startswith(("#", "[")))
    return frozenset(fold(word) for line in lines for word in line.split())


@lru_cache(maxsize=65536)
def allowed(word: str, extra: frozenset[str] = frozenset()) -> bool:
    """Whether a folded word may stay: known, or a number as sequences carry them."""
    words = shipped()
    if word in words or word in extra or _NUMBERED.fullmatch(word) or _LETTERED.fullmatch(word):
        return True
    if (found := _WITH_DIGITS.fullmatch(word)) and found[2] and (found[2] in words or found[2] in extra):
        return True
    if found := _JOINED.fullmatch(word):
        return found[2] in words
    return False


@lru_cache(maxsize=1024)
def clean_text(text: str, extra: frozenset[str] = frozenset(), known: frozenset[str] = frozenset()) -> str:
    """`text` with only allowed words, in ASCII. `known` are folded words of this file's identities: they never stay.

    A year, a run of three or more bare numbers, or anything like a date or a telephone number goes as well.
    """
    text = _DATE.sub(phrases.GONE, phrases.without(text))
    runs: list[list[str]] = [[]]  # kept words with the separator before each; a dropped word starts a new run
    end = 0
    for found in _WORD.finditer(text):
        word = fold(found[0])
        if not word.isascii() or word in known or not allowed(word, extra):
            runs.append([])
            continue
        separator = _SEPARATORS.match(text, end, found.start())
        joint = separator[0][:2] if separator and runs[-1] else " "
        runs[-1].append(joint + (found[0] if found[0].isascii() else word))
        end = found.end()
    kept = "".join(part for run in runs for part in _without_numbers(run)).strip(" ")
    return "*" + kept if kept and text.startswith("*") else kept


def _without_numbers(run: list[str]) -> list[str]:
    """A run of words without any stretch of three or more bare numbers: those are telephone numbers, not parameters."""
    bare = [part[-1:].isdigit() and part.strip(" _-/.+=*:,;()[]#%^&").isdigit() for part in run]
    kept, start = [], 0
    while start < len(run):
        stop = start
        while stop < len(run) and bare[stop] == bare[start]:
            stop += 1
        if not (bare[start] and stop - start >= 3):
            kept += run[start:stop]
        start = stop
    return kept
