"""Whether a value is what a key of a query asks for (PS3.4 C.2.2.2). Pure: text in, yes or no out.

    nothing            anything (universal matching)
    1.2.3\\1.2.4        one of these (list of UID matching; taken for all kinds of values)
    a*b?               with wildcards, in text
    20080101-20081231  from, to, or both, in dates and times (range matching)

Patients' names are compared without regard to case, all else exactly.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from catalog.pure.errors import Invalid


class Level(StrEnum):
    """Query/Retrieve Level (0008,0052)."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


UNIQUE = {
    Level.PATIENT: "PatientID", Level.STUDY: "StudyInstanceUID", Level.SERIES: "SeriesInstanceUID",
    Level.IMAGE: "SOPInstanceUID",
}  # fmt: skip
"""The unique key of each level (PS3.4 C.6.1.1)."""

_RANGES = frozenset({"DA", "TM", "DT"})
_NUMBERS = frozenset({"IS", "DS", "US", "SS", "UL", "SL", "FL", "FD", "UV", "SV"})
_UNMATCHED = frozenset({"SQ", "OB", "OW", "OF", "OD", "OL", "OV", "UN", "AT"})


@dataclass(frozen=True, slots=True)
class Key:
    """What is asked of one attribute: its value representation, and the values that will do; none: any."""

    vr: str
    wanted: tuple[str, ...] = ()

    def matches(self, values: Sequence[str]) -> bool:
        """Whether one of an attribute's values is what is asked for; an attribute without a value matches only "any"."""
        if not self.wanted or self.vr in _UNMATCHED or set(self.wanted) == {"*"}:
            return True
        return any(_matches(self.vr, wanted, value) for wanted in self.wanted for value in values)


@dataclass(frozen=True, slots=True)
class Query:
    """A C-FIND, C-GET or C-MOVE as its identifier has it: keys by DICOM keyword."""

    level: Level
    keys: Mapping[str, Key]

    def wanted(self, keyword: str) -> tuple[str, ...]:
        """Return the values that will do for an attribute; none: any."""
        key = self.keys.get(keyword)
        return key.wanted if key is not None else ()

    def matches(self, values: Mapping[str, Sequence[str]]) -> bool:
        """Whether attributes are what is asked for; those that are not in `values` do not count."""
        return all(key.matches(values[keyword]) for keyword, key in self.keys.items() if keyword in values)


def _exactly(wanted: str) -> bool:
    return not ("*" in wanted or "?" in wanted)


def require_keys(query: Query, root: Level, *, retrieve: bool = False) -> None:
    """Check that a query is hierarchical: one value for the unique key of each level above its own (PS3.4 C.4.1.3).

    Args:
        query: the query.
        root: the level that the information model begins with.
        retrieve: the unique key of its own level needs a value, too.

    Raises:
        Invalid: it is not.
    """
    levels = list(Level)
    if levels.index(query.level) < levels.index(root):
        raise Invalid("this information model has no such level")
    for level in levels[levels.index(root) : levels.index(query.level)]:
        wanted = query.wanted(UNIQUE[level])
        if len(wanted) != 1 or not _exactly(wanted[0]):
            raise Invalid(f"the query needs one {UNIQUE[level]}")
    own = query.wanted(UNIQUE[query.level])
    if retrieve and not (own and all(map(_exactly, own))):
        raise Invalid(f"the request needs a {UNIQUE[query.level]}")


def _matches(vr: str, wanted: str, value: str) -> bool:
    if vr in _RANGES and "-" in wanted:
        return _in_range(wanted, value)
    if vr in _NUMBERS:
        return _number(wanted) == _number(value) if _number(wanted) is not None else wanted == value
    if vr == "UI" or _exactly(wanted):
        return wanted.casefold() == value.casefold() if vr == "PN" else wanted == value
    return _pattern(wanted, ignore_case=vr == "PN").fullmatch(value) is not None


def _in_range(wanted: str, value: str) -> bool:
    first, _, last = wanted.partition("-")
    if not value:
        return False
    # A shorter value means the whole of it: 2008 is up to its last moment.
    return first.strip() <= value and (not last.strip() or value[: len(last.strip())] <= last.strip())


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _pattern(wanted: str, *, ignore_case: bool) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in re.sub(r"\*+", "*", wanted))
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))
