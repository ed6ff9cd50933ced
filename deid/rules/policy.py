"""From a profile and a SOP class to one verdict per attribute: the one table that both engines use.

Pure: a verdict follows from the attribute's tag, VR and private creator, never from its value. First match wins:
the profile's rules (by tag, by pattern, by VR), our own rules where the standard is silent or leaves a gap, the standard's
table with the chosen options, and the profile's way with unlisted attributes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from pydicom.datadict import dictionary_has_tag, dictionary_keyword, dictionary_VR

from deid.rules import concepts, table

if TYPE_CHECKING:
    from deid.rules.model import Profile, Rule

NUMERIC_VRS = frozenset({"AT", "FL", "FD", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "US", "UV"})
TEXT_VRS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
DATE_VRS = frozenset({"DA", "DT", "TM"})
# Binary attributes of the standard that hold samples, not documents; an OB that is none of these goes.
BULK = frozenset(
    {0x7FE00008, 0x7FE00009, 0x7FE00010, 0x54001010, 0x5400100A, 0x54000110, 0x54000112, 0x00282000}
    | {0x00281201, 0x00281202, 0x00281203, 0x00281204, 0x00281221, 0x00281222, 0x00281223, 0x00281224}
    | {0x00283006, 0x00660023, 0x00660024, 0x00660025, 0x00660026, 0x00660029, 0x00700256, 0x00701808}
)
MOST_SEEN = 20_000
_BYTES = frozenset({"OB", "OW", "OD", "OF", "OL", "OV"})
_BINARY_NUMBERS = NUMERIC_VRS - _BYTES
_SHAPED = frozenset({"AS", "CS", "DS", "IS"})
_WRITTEN_BY_MACHINES = frozenset({"LO", "SH", "UC"})
_ABOUT_PEOPLE = frozenset({0x0010, 0x0012, 0x0032, 0x0038, 0x0040, 0x0400, 0x4008})  # what is typed about them there
_MANUFACTURER = 0x00080070
# UIDs of coding schemes and of their tables: they say what a code means, as class UIDs say what an object is.
_OF_CODES = frozenset({"CodingSchemeUID", "ContextGroupExtensionCreatorUID", "ContextUID", "MappingResourceUID"})
# Names that tools find structures by: kept apart, and with their side.
_LABELS = frozenset({0x30060026, 0x30060085, 0x00620005, 0x00660011})
_UNTOLD_SEX = ("121103", "DCM", "Undetermined sex")
_OPTION_ORDER = {"K": 0, "C": 1}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with an attribute, and the rule that says so.

    `kind`: a way of cleaning that the VR does not say: ``class`` (UIDs of kinds of things), ``age``,
    ``machine`` (text that no human types), ``label`` (names of structures). `means`: the attribute of
    the same meaning, for the value of a content item. `needed`: never left empty. `code`: what stands for a coded value.
    """

    action: str
    rule: str
    vr: str
    value: bytes | None = None
    by_hand: bool = False
    using: str | None = None
    kind: str = ""
    means: int = 0
    needed: bool = False
    code: tuple[str, str, str] | None = None
    unit: str = ""


_METHOD = "de-identification mark"
# Gaps of the table, and places where the archive knows better than a dummy. PS3.15 E.1.1 allows stronger measures.
_OWN: dict[int, tuple[str, str]] = {
    0x00100010: ("E", "identity is the exam code"),
    0x00100020: ("E", "identity is the exam code"),
    0x00120040: ("E", "identity is the exam code"),
    0x00120042: ("E", "identity is the exam code"),
    0x00120020: ("S", "protocol is the study code"),
    0x00100030: ("Z", "birth date"),
    0x00100033: ("X", "birth date"),
    0x00100034: ("X", "date of death"),
    0x00100035: ("X", "calendar of the birth date"),
    0x00880200: ("X", "icon"),
    0x00420010: ("C", "document title"),
    0x00082112: ("C", "references stay, mapped"),
    0x00081140: ("C", "references stay, mapped"),
    0x00081110: ("C", "references stay, mapped"),
    0x00081111: ("C", "references stay, mapped"),
    0x00340007: ("X", "binary time stamp"),
    0x04000310: ("X", "binary time stamp"),
    0x04000520: ("X", "encrypted original attributes"),
    0x04000500: ("X", "encrypted original attributes"),
    0x04000120: ("X", "signature"),
    0xFFFCFFFC: ("X", "padding"),
    0xFFFAFFFA: ("X", "signature"),
    # Written by us, adding to what is there; see `deid.marks`.
    0x00120063: ("C", _METHOD),
}


def _hex(tag: int) -> str:
    return f"{tag:08x}"


class Policy:
    """The compiled profile for one SOP class."""

    def __init__(self, profile: Profile, sop_class: str, file_type: str = "") -> None:
        self.profile = profile
        self._rows = table.load(profile.standard)
        self._types = table.attribute_types().get(sop_class, {})
        self._rules = tuple(
            rule
            for rule in profile.rules
            if (not rule.sop_classes or sop_class in rule.sop_classes) and (not rule.file_types or file_type in rule.file_types)
        )
        self._options = set(profile.options)
        self._options -= {"full_dates", "modified_dates"}
        self._options |= {"shift": {"modified_dates"}, "keep": {"full_dates"}}.get(profile.dates, set())
        self._required = table.required(sop_class)
        self._seen: dict[tuple[int, str], Verdict] = {}
        self._seen_concepts: dict[tuple[int, int, str, str], Verdict] = {}
        self._seen_private: dict[tuple[int, str, bytes], Verdict] = {}
        self.stay: set[tuple[int, str]] = set()  # (tag, VR) an engine found to stay whatever the value; a cache
        self._safe = {(s.creator, s.group, s.element): s for s in table.safe_private()}

    def standard(self, tag: int, vr: str) -> Verdict:
        """The verdict on an attribute of an even group. `vr` is the file's, or ``UN`` when it says none."""
        key = (tag, vr)
        verdict = self._seen.get(key)
        if verdict is None:
            if len(self._seen) >= MOST_SEEN:
                self._seen.clear()
            verdict = self._decide(tag, vr)
            if verdict.action == "C" and tag in _LABELS:
                verdict = replace(verdict, kind="label")
            if verdict.action == "C" and tag in self._required and verdict.using is None:
                verdict = replace(verdict, needed=True)
            self._seen[key] = verdict
        return verdict

    def concept(self, means: int, tag: int, vr: str, unit: str = "") -> Verdict:
        """The verdict on the value `tag` of a content item whose concept is what the attribute `means` says.

        `unit`: the code of the unit that a number is measured in.
        """
        key = (means, tag, vr, unit)
        verdict = self._seen_concepts.get(key)
        if verdict is None:
            if len(self._seen_concepts) >= MOST_SEEN:
                self._seen_concepts.clear()
            verdict = self._seen_concepts[key] = replace(self._decide_concept(means, tag, vr), unit=unit)
        return verdict

    def _decide_concept(self, means: int, tag: int, vr: str) -> Verdict:
        meant = self.standard(means, dictionary_VR(means))
        own = self.standard(tag, vr)
        rule = f"as {dictionary_keyword(means)}: {meant.rule}"
        if own.action == "X" or tag == concepts.UID:
            return own
        if meant.action in "KCU":
            if means == concepts.AGE and tag in concepts.NUMBERS and tag != concepts.NUMBER:
                return Verdict("X", rule, own.vr, means=means)  # says the same again, in floating point
            if means == concepts.AGE and tag != concepts.MEASURED:
                return Verdict("C", rule, own.vr, kind="age", means=means, needed=True)
            return own if meant.action != "K" or own.vr not in TEXT_VRS else Verdict("K", rule, own.vr, means=means)
        if tag == concepts.CODE:
            return Verdict("D", rule, own.vr, means=means, code=_UNTOLD_SEX) if means == concepts.SEX else own
        if tag == concepts.MEASURED:
            return Verdict("Z", rule, own.vr, means=means)
        if own.vr == "PN" or (meant.action == "E" and own.vr in TEXT_VRS):
            return Verdict("E", rule, own.vr, means=means)
        return Verdict("D", rule, own.vr, means=means)

    def _decide(self, tag: int, file_vr: str) -> Verdict:
        known, fits = self._vr(tag, file_vr)
        if known == "SQ" != file_vr and file_vr != "UN":
            return Verdict("X", "not the sequence it should be", file_vr)
        if file_vr == "SQ" != known and known != "UN":
            return Verdict("X", "a sequence where none should be", file_vr)
        for rule in self._rules:
            if rule.creator is None and _matches(rule, tag, known):
                value = None if rule.value is None else rule.value.encode()
                action = "C" if rule.action == "K" and known in _SHAPED else rule.action
                return Verdict(action, rule.label, known, value, by_hand=True)
        verdict = self._by_standard(tag, known)
        if not fits and verdict.action == "K":
            return Verdict("C", f"{verdict.rule}, but text", known)
        return verdict

    def _by_standard(self, tag: int, known: str) -> Verdict:
        group = tag >> 16
        if tag & 0xFFFF == 0 or group < 8:
            return Verdict("X", "group length or foreign group", known)
        if 0x5000 <= group <= 0x501E or 0x6000 <= group <= 0x60FF:
            return Verdict("X", "curve or overlay", known)
        if tag in _OWN:
            action, label = _OWN[tag]
            return Verdict(action, label, known, kind="machine" if label == _METHOD else "")
        row = self._rows.get(_hex(tag))
        if row is not None:
            return self._listed(row, tag, known)
        return self._unlisted(tag, known)

    def _vr(self, tag: int, file_vr: str) -> tuple[str, bool]:
        """(the VR to go by, whether the file's fits the dictionary).

        The dictionary's where it names one; the file's where the dictionary leaves a choice. Where numbers should be and the
        file says it is text, it is text; where a code should be and the file says free text, it is free text.
        """
        row = self._rows.get(_hex(tag))
        if not dictionary_has_tag(tag):
            return (row.vr if row is not None and row.vr != "-" else "UN"), True
        choices = dictionary_VR(tag).split(" or ")
        vr: str = file_vr if file_vr in choices else choices[-1]
        if file_vr in (vr, "UN") or (vr in _BYTES and file_vr in _BYTES):
            return ("OB" if vr == "OB" and file_vr == "OW" and tag not in BULK else vr), True
        if vr in NUMERIC_VRS or (vr == "OB" and tag in BULK):
            if file_vr in NUMERIC_VRS or file_vr in _SHAPED | DATE_VRS | {"UI", "PN"}:
                return file_vr, file_vr in NUMERIC_VRS
            return ("LT", False) if file_vr in TEXT_VRS | {"AE", "UR"} else (vr, False)
        if vr in ("DS", "IS") and file_vr in NUMERIC_VRS:
            return file_vr, True
        if vr in ("CS", "AE", "UR") and file_vr in TEXT_VRS:
            return "LO", False
        return vr, True

    def _listed(self, row: table.Row, tag: int, vr: str) -> Verdict:
        chosen = [(option, row.options[option]) for option in row.options if option in self._options]
        if chosen:
            option, action = min(chosen, key=lambda pair: _OPTION_ORDER[pair[1]])
            if option == "patient_chars" and vr in TEXT_VRS:
                action = "C"  # what is typed about a patient is text first
            if vr in DATE_VRS or (action == "K" and vr in _SHAPED):
                action = "C"  # moved by nothing where dates are kept; but what has not the shape of its VR still goes
            return Verdict(action, f"{self.profile.standard} {option}", vr)
        action = table.resolve(row.basic, self._types.get(tag))
        if vr in DATE_VRS and self.profile.dates == "shift" and action == "D":
            action = "C"
        if vr == "SQ" and action in "DU":
            action = "C"  # a sequence keeps its items; each attribute in them is handled by its own row
        return Verdict(action, f"{self.profile.standard} {row.basic}", vr)

    def _unlisted(self, tag: int, vr: str) -> Verdict:
        if self.profile.unlisted == "deny" and not _needed(tag):
            return Verdict("X", "unlisted", vr)
        if vr == "SQ":
            return Verdict("C", "unlisted sequence", vr)
        if vr == "UI":
            if names_a_kind(tag):
                return Verdict("U", "a class, if it is one", vr, kind="class")
            return Verdict("U", "unlisted UID", vr)
        if vr in NUMERIC_VRS or (vr in ("OB", "UN") and tag in BULK):
            return Verdict("K", "unlisted", vr)
        if vr in _WRITTEN_BY_MACHINES and tag >> 16 not in _ABOUT_PEOPLE:
            return Verdict("C", f"unlisted {vr}", vr, kind="machine", needed=tag == _MANUFACTURER)
        if vr in TEXT_VRS or vr in DATE_VRS or vr in ("AS", "CS", "DS", "IS"):
            return Verdict("C", f"unlisted {vr}", vr)
        return Verdict("E" if vr == "PN" else "X", f"unlisted {vr}", vr)

    def private(self, tag: int, vr: str, creator: bytes) -> Verdict:
        """The verdict on an element of a private block: by the block's creator, never by its number."""
        key = (tag & 0xFFFF00FF, vr, creator)
        verdict = self._seen_private.get(key)
        if verdict is None:
            if len(self._seen_private) >= MOST_SEEN:  # a bound on memory: creators and tags are the file's to choose
                self._seen_private.clear()
            verdict = self._seen_private[key] = self._decide_private(tag, vr, creator.decode("latin-1").strip(" \0"))
        return verdict

    def _decide_private(self, tag: int, vr: str, creator: str) -> Verdict:
        group, element = tag >> 16, tag & 0xFF
        for rule in self._rules:
            if rule.creator == creator and _matches(rule, tag & 0xFFFF00FF, vr):
                value = None if rule.value is None else rule.value.encode()
                return Verdict(rule.action, rule.label, vr, value, by_hand=True, using=rule.using)
        if "safe_private" in self._options:
            safe = self._safe.get((creator, group, element))
            if safe is not None:
                effective = safe.vr if vr == "UN" else vr
                if safe.using is not None and effective == safe.vr:
                    return Verdict("C", "safe private, cleaned from within", effective, using=safe.using)
                if not _alike(safe.vr, effective) or effective in ("OB", "UN"):
                    return Verdict("X", "private, of another VR than the table's", vr)
                action = "K" if effective in NUMERIC_VRS else "U" if effective == "UI" else "C"
                return Verdict(action, "safe private", effective, kind="machine")
        return Verdict("X", "private", vr)


def _alike(wanted: str, vr: str) -> bool:
    """Whether a private element of VR `vr` may be what the table says is `wanted`: numbers are numbers, texts texts."""
    kinds = (_BINARY_NUMBERS | {"DS", "IS"}, TEXT_VRS | {"CS"}, frozenset({"SQ"}), DATE_VRS, frozenset({"UI"}))
    return wanted == vr or any(wanted in kind and vr in kind for kind in kinds)


def names_a_kind(tag: int) -> bool:
    """Whether the UIDs of an attribute name kinds of things, as SOP classes and coding schemes do, and no single thing."""
    if not dictionary_has_tag(tag):
        return False
    keyword = dictionary_keyword(tag)
    return "ClassUID" in keyword or "ClassesInStudy" in keyword or "TransferSyntax" in keyword or keyword in _OF_CODES


def _needed(tag: int) -> bool:
    """Under ``unlisted = "deny"``: what no image can be read without stays (image pixel, identification of the class)."""
    group = tag >> 16
    return group in (0x0028, 0x7FE0) or tag in (0x00080005, 0x00080008, 0x00080016, 0x00080060, 0x00200013, 0x00200011)


def _matches(rule: Rule, tag: int, vr: str) -> bool:
    if rule.vr is not None and rule.vr != vr:
        return False
    return rule.tag is None or (tag & rule.mask) == (rule.tag & rule.mask)


@lru_cache(maxsize=256)
def compiled(profile: Profile, sop_class: str, file_type: str) -> Policy:
    """The policy of a profile for a SOP class and a file type (``DCM_MR``), compiled once."""
    return Policy(profile, sop_class, file_type)
