"""Content items follow the attribute of the same meaning (PS3.3 C.17.3, PS3.16 TID 1001 to 1011).

A birth date may stand in (0010,0030), or in a content item whose concept name is (121031, DCM): the rule is the same. Pure;
the table is ``data/concepts.txt``, and a name in words decides where the scheme is somebody's own.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from deid.rules.table import data_rows
from deid.rules.vocabulary import fold

if TYPE_CHECKING:
    from collections.abc import Mapping

CONCEPT_NAME = 0x0040A043
MEASURED, UNITS = 0x0040A300, 0x004008EA
TEXT, CODE, NUMBER, PERSON = 0x0040A160, 0x0040A168, 0x0040A30A, 0x0040A123
DATE, TIME, MOMENT, UID = 0x0040A121, 0x0040A122, 0x0040A120, 0x0040A124
NUMBERS = frozenset({NUMBER, 0x0040A161, 0x0040A162, 0x0040A163})
VALUES = frozenset({TEXT, CODE, PERSON, DATE, TIME, MOMENT, UID, MEASURED}) | NUMBERS
"""The attributes of a content item that hold its value."""
BIRTH, AGE, SEX, NAME = 0x00100030, 0x00101010, 0x00100040, 0x00100010
_ALIASES = {"99SDM": "SRT", "SNM3": "SRT", "LOINC": "LN", "NCIT": "NCIt", "SNOMED-CT": "SCT", "SNOMED": "SCT"}
_WORDS = re.compile(r"[^\W_]+")
_SUBJECT = r"(?:the )?(?:patient|subject|participant|proband|person|client|member|mother|fetus|father)s?(?: s)? "
_MEANINGS = {
    BIRTH: (
        rf"(?:{_SUBJECT})?(?:birth ?(?:date|day|year)|(?:date|year|day) of birth|dob|born)",
        r"geburtsdatum|date de naissance",
    ),
    AGE: (rf"(?:{_SUBJECT})?(?:age|alter)(?: (?:at|in|of|on) .*)?",),
    SEX: (rf"(?:{_SUBJECT})?(?:sex|gender|geschlecht|sexe)",),
    NAME: (
        rf"{_SUBJECT}(?:(?:family|given|first|last|full|birth|maiden) )?name",
        r"surname|(?:family|given|first|last|maiden) name|nachname|vorname",
    ),
    0x00100020: (
        rf"{_SUBJECT}(?:id|identifier|number|no|identification)",
        r"mrn|medical record (?:number|no|id)|ssn|social security number|patientid",
    ),
    0x00101040: (
        rf"(?:{_SUBJECT})?(?:home |street |postal )?(?:address|telephone(?: number)?|phone(?: number)?)",
        rf"(?:{_SUBJECT})?e ?mail(?: address)?",
    ),
    0x00081070: (
        r"(?:person )?observers? name|operators?(?: s)? name|radiologist|physician|technologist|technician|operator",
        r"(?:referring|attending|reading|performing|requesting) (?:physician|doctor)s?(?: s)?(?: name)?",
    ),
    0x00080080: (r"(?:institution|hospital|clinic|organi[sz]ation)(?: name)?",),
    0x00080050: (r"accession(?: (?:number|no))?",),
}
_NAMED = tuple((tag, re.compile("|".join(patterns))) for tag, patterns in _MEANINGS.items())


@cache
def _table() -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for scheme, values, tag, _ in data_rows("concepts.txt"):
        found |= dict.fromkeys(((scheme, value) for value in values.split()), int(tag, 16))
    return found


@cache
def _retired() -> Mapping[str, str]:
    """SNOMED-RT codes -> SNOMED CT. Loaded when the first is met: it is large."""
    from pydicom.sr._snomed_dict import mapping

    found: Mapping[str, str] = mapping["SRT"]
    return found


@lru_cache(maxsize=4096)
def attribute(scheme: str, value: str, meaning: str) -> int | None:
    """The tag of the attribute that a concept means, or None if it is none of the patient or the people around.

    The words count where the scheme is not public: of a public code its number says what is meant.
    """
    scheme = _ALIASES.get(scheme, scheme)
    if scheme == "SRT":
        scheme, value = "SCT", _retired().get(value, value)
    known = _table().get((scheme, value))
    if known is not None:
        return known
    words = " ".join(_WORDS.findall(fold(meaning.replace("'", " "))))
    return next((tag for tag, pattern in _NAMED if pattern.fullmatch(words)), None)
