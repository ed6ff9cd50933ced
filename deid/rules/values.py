"""One element's value made clean: (verdict, VR, bytes) -> bytes. Pure but for what it notes in the file's ledger.

The two engines call `Values.clean` with the same arguments for the same element and so cannot disagree on a value.
None means: the element goes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from deid import dates
from deid.mapping import is_registered
from deid.rules import ages, concepts, fitting, structures, vocabulary
from deid.rules.policy import DATE_VRS, NUMERIC_VRS, TEXT_VRS

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping as Map

    from deid.mapping import Mapping
    from deid.rules.policy import Verdict

_CODE = re.compile(rb"[A-Z0-9 _\\]*")
_CODED = re.compile(rb"[A-Z0-9 _.\-+/\\]*")
_UID = re.compile(r"[0-9.]{1,64}")
_LONG_DIGITS = re.compile(rb"\d{6}")
_OFFSET = re.compile(rb"[+-]\d{4}[ \0]*")
_TIMEZONE = 0x00080201
_INSTANCE_CREATOR = 0x00080014
_DUMMIES = {"AE": b"REMOVED", "AS": b"000Y", "CS": b"REMOVED", "DA": b"19000101", "DS": b"0", "IS": b"0", "TM": b"000000"}
_DUMMIES |= {"DT": b"19000101000000", "UR": b"urn:removed", "OB": b"\0\0", "UN": b"\0\0"}
_DUMMIES |= dict.fromkeys(("LO", "LT", "SH", "ST", "UC", "UT"), b"REMOVED")
_BINARY = NUMERIC_VRS | {"OB", "UN"}


@dataclass(slots=True, repr=False)
class Ledger:
    """What happened to one file so far: actions for the report, removed values for the leak check, names of structures.

    `loose_uids`: removed, but they may well name a kind of thing that stays elsewhere: those of private elements and of makers.
    """

    actions: list[tuple[str, str, str, str]] = field(default_factory=list)
    names: set[bytes] = field(default_factory=set)
    codes: set[bytes] = field(default_factory=set)
    dates: set[bytes] = field(default_factory=set)
    births: set[bytes] = field(default_factory=set)
    uids: set[bytes] = field(default_factory=set)
    loose_uids: set[bytes] = field(default_factory=set)
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class Values:
    """Cleans values of one file: `exam` and `study` codes, the subject's shift in `days`, words never to keep.

    `formats`: what cleans private formats from within, by the name that a rule has for it. `numbers`: the patient's own.
    """

    mapping: Mapping
    exam: bytes
    study: bytes
    days: int
    date_mode: str
    words: frozenset[str]
    known: frozenset[str]
    decode: Callable[[bytes], str]
    ledger: Ledger
    formats: Map[str, Callable[[bytes, Values], bytes | None]] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()

    def clean(self, verdict: Verdict, tag: int, value: bytes) -> bytes | None:
        """The new value of an element that is no sequence; the same object if it stays as it is."""
        action = verdict.action
        if action == "K":
            return self._kept(verdict.vr, value)
        if action == "X":
            return None
        if action == "Z":
            return b"" if value else value
        if verdict.using is not None:
            return self.formats[verdict.using](value, self)
        if verdict.value is not None:
            return verdict.value
        if action in "ES":
            return self.exam if action == "E" else self.study
        if action == "U":
            return self._class_uids(value) if verdict.kind == "class" else self._uids(value)
        if action == "D":
            return self._dummy(verdict.vr, value)
        new = self._cleaned(verdict, tag, value)
        if verdict.needed and new is not None and not new.strip(b" \0\\") and value.strip(b" \0\\"):
            return self._dummy(verdict.vr, value)
        return new

    def note(self, verdict: Verdict, tag: int, path: str, old: bytes, *, kept: bool) -> None:
        """Record what was done to a value; what identified someone is searched for in the result."""
        action = "X" if not kept and verdict.action not in "XZ" else verdict.action
        self.ledger.actions.append((path, action, verdict.rule, self.mapping.fingerprint(old) if old else ""))
        if old:
            self.remember(verdict.vr, verdict.means or tag, old)

    def remember(self, vr: str, tag: int, old: bytes) -> None:
        """Note a removed value that identifies, for the leak check."""
        ledger = self.ledger
        if vr == "PN" or tag == concepts.NAME:
            ledger.names.add(old)
        elif tag == concepts.BIRTH:
            ledger.births.add(old[:8])
        elif vr == "DA":
            ledger.dates.add(old)
        elif vr == "DT":
            ledger.dates.add(old[:8])
        elif vr == "UI":
            (ledger.loose_uids if tag >> 16 & 1 or tag == _INSTANCE_CREATOR else ledger.uids).add(old)
        elif tag in IDENTIFIERS:
            ledger.codes.add(old)

    def class_uid(self, uid: str) -> str:
        """A UID that says what kind of thing something is. It stays if the registry knows it, or if nobody is named in it.

        Vendors' own classes are in no registry. Under the standard's root there are none.
        """
        if is_registered(uid) or not uid:
            return uid
        parts = uid.split(".")
        personal = any(part in self.numbers for part in parts)
        if personal or not _UID.fullmatch(uid) or not self.mapping.is_foreign(uid):
            return self.mapping.uid(uid)
        return uid

    def _class_uids(self, value: bytes) -> bytes:
        text = value.decode("latin-1").rstrip(" \0")
        new = "\\".join(self.class_uid(part.strip(" \0")) for part in text.split("\\"))
        return value if new == text else new.encode("latin-1")

    def _uids(self, value: bytes) -> bytes:
        text = value.decode("latin-1")
        new = "\\".join(self.mapping.uid(part) for part in text.split("\\"))
        return value if new == text.rstrip(" \0") else new.encode("latin-1")

    def _kept(self, vr: str, value: bytes) -> bytes | None:
        """A value that stays if it is what its VR says."""
        if vr == "AS":
            return self._age(value)
        return value if vr not in _BINARY or fitting.fits(vr, value) else None

    def _dummy(self, vr: str, value: bytes) -> bytes:
        if vr == "UI":
            return self._uids(value)
        if vr == "PN":
            return self.exam
        return _DUMMIES.get(vr) or bytes(fitting.WIDTHS.get(vr, 8))

    def _cleaned(self, verdict: Verdict, tag: int, value: bytes) -> bytes | None:
        vr = verdict.vr
        if verdict.kind == "age":
            return self._coded_age(verdict, value)
        if vr in DATE_VRS:
            return self._dates(vr, value)
        if vr in TEXT_VRS:
            if tag == _TIMEZONE and _OFFSET.fullmatch(value):
                return value
            return self._text(verdict, value)
        if vr == "CS":
            return value if tag in STRUCTURE and _CODE.fullmatch(value.rstrip(b" \0")) else self._coded(verdict, value)
        if vr in ("DS", "IS"):
            return self._numbers(tag, value)
        if vr == "AS":
            return self._age(value)
        if vr == "UI":
            return self._uids(value)
        if vr == "PN":
            return self.exam
        return self._kept(vr, value) if vr in NUMERIC_VRS else None

    def _dates(self, vr: str, value: bytes) -> bytes:
        if self.date_mode == "keep":
            days = 0
        elif self.date_mode == "shift":
            days = self.days
        else:
            return b""
        new = [dates.shift(vr, part, days) for part in value.split(b"\\")]
        joined = b"\\".join(part or b"" for part in new)
        return value if joined == value.rstrip(b" \0") else joined

    def _text(self, verdict: Verdict, value: bytes) -> bytes:
        text = self.decode(value)
        parts = [text] if verdict.vr in ("LT", "ST", "UT") else text.split("\\")
        new = [self._words(verdict.kind, part) for part in parts]
        joined = "\\".join(new) if any(new) else ""
        encoded = joined.encode("ascii")
        return value if encoded == value.rstrip(b" \0") else encoded

    def _words(self, kind: str, part: str) -> str:
        if kind == "label":
            return structures.named(part.strip(" \0"), self.ledger.labels, self.words, self.known)
        if kind != "machine":
            return vocabulary.clean_text(part, self.words, self.known)
        return vocabulary.clean_machine(part, self.words, _no_terms(self.known))

    def _coded(self, verdict: Verdict, value: bytes) -> bytes:
        plain = _CODE.fullmatch(value.rstrip(b" \0")) and not _LONG_DIGITS.search(value)
        if plain and not (self.known and self._knows(value)):
            return value
        return self._text(verdict, value).upper()

    def _knows(self, value: bytes) -> bool:
        """Whether a coded value holds a word of this file's identities that is not a term anyway."""
        words = re.split(r"[\W_]+", value.decode("latin-1").casefold())
        return any(len(word) > 3 and word in self.known and not vocabulary.allowed(word) for word in words)

    def _numbers(self, tag: int, value: bytes) -> bytes:
        """DS or IS: what is no number goes. So does the patient's own number, but where numbers count things."""
        if fitting.are_numbers(value) and (not self.numbers or is_counting(tag) or not self._names_patient(value)):
            return value
        parts = value.split(b"\\")
        new = [fitting.number(part) for part in parts]
        if any(part is None for part in new):
            return b""
        if self.numbers and not is_counting(tag):
            new = [b"0" if part and self._is_identifier(part) else part for part in new]
        joined = b"\\".join(part or b"" for part in new)
        return value if joined == value else joined

    def _names_patient(self, value: bytes) -> bool:
        text = value.decode("latin-1")
        return any(number in text for number in self.numbers)

    def _is_identifier(self, part: bytes) -> bool:
        text = part.strip(b" \0+-").partition(b".")[0].decode("latin-1")
        return text in self.numbers

    def _age(self, value: bytes) -> bytes:
        new = ages.capped(value)
        return value if new == value.rstrip(b" \0") else new

    def _coded_age(self, verdict: Verdict, value: bytes) -> bytes:
        """The age of a content item: a text, or a number in a coded unit."""
        if verdict.vr in TEXT_VRS:
            return self._age(value)
        if verdict.vr not in ("DS", "IS"):
            return b""
        try:
            capped = ages.capped_number(float(value.strip(b" \0")), verdict.unit)
        except ValueError:
            return b""
        return value if capped is None else b"%d" % capped


@lru_cache(maxsize=256)
def _no_terms(known: frozenset[str]) -> frozenset[str]:
    """The words of a file's identities that are no terms: a phantom called Siemens makes no maker of it unknown."""
    return frozenset(word for word in known if not vocabulary.allowed(word))


def is_counting(tag: int) -> bool:
    """Whether a number of this attribute counts or refers: of images, series, frames, items. One may well equal an ID."""
    return tag >> 16 in _COUNTING_GROUPS or tag in _COUNTING


_COUNTING_GROUPS = frozenset({0x0020, 0x0028, 0x0054})
_COUNTING = frozenset({0x00081160, 0x00081161, 0x00082122, 0x00082124, 0x00082128, 0x00082142, 0x00082143, 0x00082144})
# Coded attributes without which nothing else can be read.
STRUCTURE = frozenset({0x00080005, 0x00080060, 0x00280004, 0x00080301, 0x00080064, 0x0040A040})
# Attributes whose value, wherever it turns up again in the file, points at a person, a visit or a machine.
IDENTIFIERS = frozenset(
    {0x00100020, 0x00101000, 0x00101001, 0x00100021, 0x00101040, 0x00102154, 0x00102155, 0x00101090, 0x00101050}
    | {0x00080050, 0x00200010, 0x00380010, 0x00380060, 0x00402016, 0x00402017, 0x00401001, 0x00400253, 0x00401002}
    | {0x00080080, 0x00080081, 0x00081010, 0x00181000, 0x00181002, 0x00081040, 0x00080092, 0x00080094, 0x00400242}
    | {0x00321064, 0x00120040, 0x00120042, 0x00101005, 0x00101060, 0x00400009, 0x00400512, 0x00400551, 0x001021F0}
)
