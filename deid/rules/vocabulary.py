"""Free text made safe: words of a known vocabulary stay, with numbers, units and separators; all else goes.

Two readings. What a human types (`clean_text`) keeps the words of ``data/vocabulary.txt`` alone, and a profile's. What a
machine writes (`clean_machine`: attributes that table E.1-1 does not list) keeps technical terms and codes as well. In both a
word is kept or dropped whole, a number goes with the word it is joined to, and the file's own identities never stay.
Pure functions on text. PS3.15 E.3.5 (Clean Descriptors Option) asks that identifying text be removed from descriptions.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from pydicom._dicom_dict import DicomDictionary

from deid.rules import phrases
from deid.rules.table import data_text

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_ROUNDS = 8
_LONGEST_CODE = 16

_WORD = re.compile(r"(?<![\d.,])\d+[.,]\d+(?:[a-zA-Z%\u00b5]{1,4}(?![^\W_]))?(?![.,]?\d)|[^\W_]+")
_DECIMAL = re.compile(r"(?!(?:0?\d|1[0-2])[.,](?:19|20)\d\d(?!\d))\d{1,5}[.,]\d{1,6}(?P<unit>[a-z%\u00b5]{1,4})?")
_UID = re.compile(r"(?<![\w.])\d+(?:\.\d+){4,}(?![\w.])")
_ADDRESS = re.compile(r"\S+@\S+|\w{2,8}://\S+")
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TIGHT = re.compile(r"[_\-/.+:=#&]*")
_DATE = re.compile(
    r"(?<![^\W_])(?:\d{1,2}[ ._/\-]\d{1,2}[ ._/\-](?:\d{4}|\d{2})|\d{4}[ ._/\-]\d{1,2}[ ._/\-]\d{1,2})(?!\d)(?:[ ._/\-]+\d+)*"
)
_WHOLE_DATE = re.compile(
    r"(?<!\d)(?:\d{1,2}[ ._/\-]\d{1,2}[ ._/\-](?:19|20)\d\d|(?:19|20)\d\d[ ._/\-]\d{1,2}[ ._/\-]\d{1,2}|(?:19|20)\d{6})(?!\d)"
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


@cache
def technical() -> frozenset[str]:
    """The words machines write: of the names of attributes, and of ``data/technical.txt``. Folded."""
    names = (word for entry in DicomDictionary.values() for word in re.findall(r"[a-z]{3,}", entry[2].casefold()))
    lines = (line for line in data_text("technical.txt").splitlines() if not line.startswith("#"))
    return frozenset(names) | frozenset(word for line in lines for word in line.split())


@lru_cache(maxsize=65536)
def allowed(word: str, extra: frozenset[str] = frozenset()) -> bool:
    """Whether a folded word may stay: known, or a number as sequences carry them."""
    words = shipped()
    if word in words or word in extra or _NUMBERED.fullmatch(word) or _LETTERED.fullmatch(word):
        return True
    if found := _DECIMAL.fullmatch(word):
        return found["unit"] is None or found["unit"] in words or bool(_NUMBERED.fullmatch("1" + found["unit"]))
    if (found := _WITH_DIGITS.fullmatch(word)) and found[2] and (found[2] in words or found[2] in extra):
        return True
    if found := _JOINED.fullmatch(word):
        return found[2] in words
    return False


@lru_cache(maxsize=65536)
def _machine_allowed(word: str, extra: frozenset[str]) -> bool:
    """Whether a word as it was written may stay where machines write: a term, an abbreviation, or a code of short parts."""
    folded = fold(word)
    if allowed(folded, extra) or folded in technical():
        return True
    if not folded.isalnum() or len(folded) > _LONGEST_CODE:
        return False
    if word.isdigit():
        return len(word) <= 4
    return all(_is_piece(piece) for piece in _PIECES.findall(word))


def _is_piece(piece: str) -> bool:
    """Whether a part of a written-together word is a number, a term, or too short to name anybody."""
    if piece.isdigit():
        return len(piece) <= 5
    short = len(piece) <= 2 or (len(piece) == 3 and (piece.isupper() or piece.islower()))
    return short or piece.lower() in technical() or piece.lower() in shipped()


@lru_cache(maxsize=4096)
def clean_text(text: str, extra: frozenset[str] = frozenset(), known: frozenset[str] = frozenset()) -> str:
    """What a human typed with only allowed words, in ASCII. `known` are folded words of this file's identities.

    A year, a run of three or more bare numbers, or anything like a date or a telephone number goes as well.
    """
    return _until_clean(text, lambda word: allowed(fold(word), extra), known, numbers=False)


@lru_cache(maxsize=4096)
def clean_machine(text: str, extra: frozenset[str] = frozenset(), known: frozenset[str] = frozenset()) -> str:
    """What a machine wrote, without words that are no terms. `known` as for `clean_text`."""
    return _until_clean(text, lambda word: _machine_allowed(word, extra), known, numbers=True)


def _until_clean(text: str, may_stay: Callable[[str], bool], known: frozenset[str], *, numbers: bool) -> str:
    # What a dropped word kept apart may look like a date once it stands together: "0,X,0/0".
    for _ in range(_MOST_ROUNDS):
        cleaned = _cleaned(text, may_stay, known, numbers=numbers)
        if cleaned == text:
            return cleaned
        text = cleaned
    return ""


def _cleaned(text: str, may_stay: Callable[[str], bool], known: frozenset[str], *, numbers: bool) -> str:
    dates = _WHOLE_DATE if numbers else _DATE
    searched = dates.sub(phrases.GONE, phrases.without(_ADDRESS.sub(phrases.GONE, _UID.sub(phrases.GONE, text))))
    words = list(_WORD.finditer(searched))
    kept = [_stays(found[0], may_stay, known) for found in words]
    _drop_joined_numbers(searched, words, kept)
    runs: list[list[str]] = [[]]  # kept words with the separator before each; a dropped word starts a new run
    end = 0
    for found, stays in zip(words, kept, strict=True):
        if not stays:
            runs.append([])
            continue
        separator = _SEPARATORS.match(searched, end, found.start())
        joint = "" if end == found.start() else separator[0][:2] if separator else " "
        runs[-1].append((joint if runs[-1] else " ") + (found[0] if found[0].isascii() else fold(found[0])))
        end = found.end()
    parts = [part for run in runs for part in (run if numbers else _without_numbers(run))]
    if searched == text and len(parts) == len(words) and words and text.isascii() and text.isprintable():
        return text.strip(" ")  # nothing went: as it stands
    joined = "".join(parts).strip(" ")
    return "*" + joined if joined and text.startswith("*") else joined


def _stays(word: str, may_stay: Callable[[str], bool], known: frozenset[str]) -> bool:
    folded = fold(word)
    return folded.isascii() and folded not in known and may_stay(word)


def _drop_joined_numbers(text: str, words: list[re.Match[str]], kept: list[bool]) -> None:
    """A number joined to a word that goes says nothing without it, or something else: ``PTV_56`` is no 56."""
    order = range(len(words))
    for step, indices in ((1, order), (-1, reversed(order))):
        for index in indices:
            before = index - step
            if not 0 <= before < len(words) or kept[before] or not kept[index] or not words[index][0][:1].isdigit():
                continue
            first, second = sorted((before, index))
            joint = text[words[first].end() : words[second].start()]
            if _TIGHT.fullmatch(joint) and (joint == "." or _is_bare(words[index][0])):
                kept[index] = False


def _is_bare(word: str) -> bool:
    return not any(sign.isalpha() for sign in word)


def _without_numbers(run: list[str]) -> list[str]:
    """A run of words without any stretch of three or more bare numbers: those are telephone numbers, not parameters."""
    bare = [part[-1:].isdigit() and part.strip(" _-/.+=*:,;()[]#%^&").replace(".", "").isdigit() for part in run]
    kept, start = [], 0
    while start < len(run):
        stop = start
        while stop < len(run) and bare[stop] == bare[start]:
            stop += 1
        if not (bare[start] and stop - start >= 3):
            kept += run[start:stop]
        start = stop
    return kept
