"""What a name says of the value under it: a column's, a key's, an attribute's. Decides by names alone; pure.

DICOM keywords are judged by the dictionary and table E.1-1 of PS3.15, others by `deid/data/names.txt`, and what neither knows
by the words it is made of.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from pydicom.datadict import dictionary_VR, keyword_dict

from deid.rules import table
from deid.rules.policy import NUMERIC_VRS, TEXT_VRS
from deid.rules.vocabulary import fold

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")
_SQUEEZED = re.compile(r"[\W_]+")
_LONGEST = 64


class Meaning(Enum):
    """What becomes of a value under a name."""

    BIRTH = "birth"
    PERSON = "person"
    CODE = "code"
    DATE = "date"
    UID = "uid"
    AGE = "age"
    TEXT = "text"
    TERM = "term"
    UNKNOWN = "unknown"

    @property
    def identifies(self) -> bool:
        """Whether the value points at a person, whatever it is."""
        return self in (Meaning.BIRTH, Meaning.PERSON, Meaning.CODE)


@cache
def _listed() -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    section: set[str] = set()
    for line in table.data_text("names.txt").splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), set())
        elif not line.startswith("#"):
            section |= set(line.split())
    return {name: frozenset(words) for name, words in found.items()}


@cache
def _keywords() -> Mapping[str, int]:
    return {keyword.casefold(): tag for keyword, tag in keyword_dict.items()}


@lru_cache(maxsize=4096)
def meaning(name: str) -> Meaning:
    """What a name says of its values."""
    squeezed = fold(_SQUEEZED.sub("", name))
    if not squeezed or len(name) > _LONGEST:
        return Meaning.UNKNOWN
    for each in (Meaning.TERM, Meaning.BIRTH, Meaning.PERSON, Meaning.CODE, Meaning.DATE, Meaning.AGE, Meaning.TEXT):
        if squeezed in _listed()[each.value]:
            return each
    if "birth" in squeezed or squeezed.endswith("dob"):
        return Meaning.BIRTH
    tag = _keywords().get(squeezed)
    return _of_attribute(tag) if tag is not None else _by_words(name)


def _of_attribute(tag: int) -> Meaning:
    """The meaning of a DICOM attribute, by its VR and its row in table E.1-1."""
    vr = dictionary_VR(tag)
    row = table.load(table.DEFAULT).get(f"{tag:08x}")
    by_vr = {"PN": Meaning.PERSON, "DA": Meaning.DATE, "DT": Meaning.DATE, "UI": Meaning.UID, "AS": Meaning.AGE}
    if vr in by_vr:
        return by_vr[vr]
    if row is None or vr == "TM" or vr in NUMERIC_VRS or "patient_chars" in row.options:
        return Meaning.TERM if vr not in TEXT_VRS or row is None else Meaning.TEXT
    return Meaning.TEXT if "clean_desc" in row.options else Meaning.CODE


def words_of(name: str) -> list[str]:
    """The words of a name, folded: of ``Last Name``, ``lastName`` and ``last_name`` the same."""
    return [fold(word) for word in _WORDS.findall(name)]


def _by_words(name: str) -> Meaning:
    words = words_of(name)
    known = _listed()
    safe = not known["safe"].isdisjoint(words)
    for each in (Meaning.BIRTH, Meaning.PERSON, Meaning.CODE):
        clear = known[each.value].intersection(words)
        if clear and not (safe and clear <= {"name", "names", "id", "site", "station", "user", "author", "contact"}):
            return each
    if not known["date"].isdisjoint(words):
        return Meaning.DATE
    if "age" in words:
        return Meaning.AGE
    return Meaning.TEXT if not known["text"].isdisjoint(words) else Meaning.UNKNOWN
