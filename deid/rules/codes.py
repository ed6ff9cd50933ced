"""Coded concepts (PS3.3 8.8): a code of a public scheme stays as it is, with the public meaning instead of what somebody typed.

Pure functions on one item's elements. Meanings come from pydicom's copy of PS3.16. Of a code it does not know the value stays
if it has the scheme's shape, and the meaning if it is made of terms; else the code says itself what it means: a code without
a meaning is no code (type 1).
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from deid.rules import concepts, vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUE, SCHEME, VERSION, MEANING = 0x00080100, 0x00080102, 0x00080103, 0x00080104
LAST = LONG_VALUE = 0x00080119
ELEMENTS = frozenset({VALUE, SCHEME, MEANING, LONG_VALUE})
_ANY = re.compile(r"(?=.*\d)(?!.*[A-Za-z]{6})(?!.*\d{9})[A-Za-z0-9][A-Za-z0-9.\-/:_ ]{0,23}|[A-Za-z]{1,4}")
_UNIT = re.compile(r"(?!.*[A-Za-z]{9})(?!.*\d{5})[A-Za-z0-9.%/()\[\]{}'*^+\-\"_]{1,64}")
# The public schemes of PS3.16 table 8-1, but those that number people and places (NPI, UPIN, USPS).
_SHAPES = {
    "DCM": re.compile(r"\d{5,6}"),
    "SCT": re.compile(r"\d{6,18}"),
    "LN": re.compile(r"\d{1,7}-\d|LA\d{1,6}-\d|LP\d{1,6}-\d"),
    "UCUM": _UNIT,
    "FMA": re.compile(r"\d{4,6}"),
    "RADLEX": re.compile(r"RID\d{1,6}|RPID\d{1,6}"),
    "UMLS": re.compile(r"C\d{7}"),
    "NCIt": re.compile(r"C\d{3,7}"),
    "MDC": re.compile(r"\d{1,2}:\d{1,6}|\d{1,8}|MDC_[A-Z0-9_]{2,48}"),
    "SCPECG": re.compile(r"\d{1,3}(?:-\d{1,3}){0,2}"),
    "IBSI": re.compile(r"[A-Z0-9]{4}"),
    "BI": re.compile(r"(?:BI-RADS )?[A-Za-z0-9]{1,4}(?:\.[A-Za-z0-9]{1,4}){0,3}"),
    "RFC5646": re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,4}){0,3}"),
    "ISO3166_1": re.compile(r"[A-Z]{2,3}"),
    "ISO639_1": re.compile(r"[a-z]{2}"),
    "ISO639_2": re.compile(r"[a-z]{3}"),
}
_SHAPES |= dict.fromkeys(("SRT", "SNM3", "99SDM", "SNM", "SDM"), re.compile(r"[A-Z]\d?-[0-9A-Z]{4,6}|[A-Z]\d?-[A-Z0-9]{1,6}"))
_SHAPES |= {"RFC3066": _SHAPES["RFC5646"], "LOINC": _SHAPES["LN"], "NCIT": _SHAPES["NCIt"]}
_OTHERS = """
ACR BARI C4 C5 CD4 CDCREC DCMUID HI HPC I10 I10C I10P I11 I9 I9C ICDO3 JC8 JJ1017 MAYOASRG MDDX MGI MSH NDC NEU NICIP NYUMCCG
PATHLEX POS PUBCHEM_CID RADELEMENT RO RXNORM TA TNM UBERON UMDNS UNS ZFIN HL7 IHE OPENEHR
"""
_SHAPES |= dict.fromkeys(_OTHERS.split(), _ANY) | {"ITIS_TSN": re.compile(r"[A-Z]?\d{1,13}")}
_ALIASES = {"SNM3": "SRT", "99SDM": "SRT", "LOINC": "LN", "NCIT": "NCIt"}
_WORDS = re.compile(r"[^\W_]+")


@cache
def _public(scheme: str) -> Mapping[str, str]:
    """Code value -> meaning of a scheme, as pydicom knows it. Loaded when the first code is met."""
    from pydicom.sr._concepts_dict import concepts as known  # late: large, and many files hold no codes

    if scheme == "SRT":
        from pydicom.sr._snomed_dict import mapping

        current = _public("SCT")
        return {old: current[new] for old, new in mapping["SRT"].items() if new in current}
    by_keyword: Any = known.get(scheme, {})
    return {value: entry[0] for by_code in by_keyword.values() for value, entry in by_code.items()}


@cache
def _terms() -> frozenset[str]:
    """The words of all public meanings: what the meaning of a code we do not know may be made of."""
    from pydicom.sr._concepts_dict import concepts as known

    by_keyword: Any = known
    meanings = (entry[0] for scheme in by_keyword.values() for by_code in scheme.values() for entry in by_code.values())
    return frozenset(word for meaning in meanings for word in re.findall(r"[a-z]{3,}", meaning.casefold()))


def replacements(values: Mapping[int, bytes], known: frozenset[str] = frozenset()) -> dict[int, bytes]:
    """For an item that is a code of a public scheme: the values its code elements shall have. Else nothing.

    `values`: those of the item's elements that are among `TOLD`. `known`: folded words of the file's identities.
    """
    if SCHEME not in values:
        return {}
    scheme, tag = text(values, SCHEME), VALUE if text(values, VALUE) else LONG_VALUE
    value, shape = text(values, tag), _SHAPES.get(scheme)
    if shape is None or not value:
        return {}
    meaning = _public(_ALIASES.get(scheme, scheme)).get(value)
    if meaning is None:
        if not shape.fullmatch(value) or _names(value, known):
            return {}
        typed = text(values, MEANING)
        meaning = typed if typed and vocabulary.clean_machine(typed, _terms(), known) == typed else value
    meaning = meaning if meaning.isascii() else value
    return {tag: value.encode(), SCHEME: scheme.encode(), MEANING: meaning.encode()[:64]}


def _names(value: str, known: frozenset[str]) -> bool:
    """Whether a code's value has a word of the file's identities in it."""
    return any(len(word) > 2 and word in known for word in _WORDS.findall(value.casefold()))


def meant(values: Mapping[int, bytes]) -> int:
    """The tag of the attribute that a concept name means (see `rules.concepts`), 0 if none. `values` as for `replacements`."""
    if not values:
        return 0
    value = text(values, VALUE) or text(values, LONG_VALUE)
    return concepts.attribute(text(values, SCHEME), value, text(values, MEANING)) or 0


def unit(values: Mapping[int, bytes]) -> str:
    """The code of a unit."""
    return text(values, VALUE)


def text(values: Mapping[int, bytes], tag: int) -> str:
    """A value of an item as text."""
    return values.get(tag, b"").decode("latin-1").strip(" \0")
