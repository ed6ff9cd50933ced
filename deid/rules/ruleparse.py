"""The ``[[rule]]`` tables of a profile: which elements one means, what it does with them, and whether it may.

A rule may make a profile laxer than the standard, for whoever signs it; but no rule may keep the patient's name, ID or birth
date, touch what marks a clean file, or keep an original identity of an object.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from pydicom._dicom_dict import DicomDictionary
from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword

from deid.rules.lines import Lines, nearest
from deid.rules.model import ACTIONS, Rule
from deid.rules.policy import DATE_VRS, NUMERIC_VRS, TEXT_VRS

if TYPE_CHECKING:
    from collections.abc import Callable

_KEYS = ("tag", "vr", "action", "value", "sop_class", "file_type", "allow", "using", "why")
_WORDS = {word: code for code, word in ACTIONS.items()} | {"uid": "U", "exam": "E", "study": "S", "map": "U"}
_VRS = NUMERIC_VRS | TEXT_VRS | DATE_VRS | {"AE", "AS", "CS", "DS", "IS", "OB", "PN", "SQ", "UI", "UN", "UR"}
_PERSON = {0x00100010, 0x00100020, 0x00100030}
_MARKS = {0x00120062, 0x00120063, 0x00120064, 0x00280303, 0x00080016}
_OBJECTS = {0x00080018, 0x0020000D, 0x0020000E}
_TAG = re.compile(r"\(([0-9A-Fa-fx]{4}),([0-9A-Fa-fx]{4})\)(?:@(.+))?")
USING = ("csa", "ge_protocol", "ge_user_data")
"""Private formats that can be cleaned from within (see `deid.rules.values`)."""
_EXACT, _BLOCK = 0xFFFFFFFF, 0xFFFF00FF


@dataclass(frozen=True, slots=True)
class Place:
    """Elements: `tag` under `mask`, within the private blocks of `creator` if one is named."""

    tag: int
    mask: int
    creator: str | None


@cache
def _keywords() -> tuple[str, ...]:
    return tuple(entry[4] for entry in DicomDictionary.values() if entry[4])


@cache
def _sop_classes() -> dict[str, str]:
    found = {entry[4]: uid for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class" and entry[4]}
    return found | {uid: uid for uid in found.values()}


def parse_tag(text: str) -> tuple[Place | None, str]:
    """``EchoTime``, ``(0018,0081)``, ``(60xx,3000)`` or ``(0019,xx0C)@SIEMENS MR HEADER``; or what is wrong with it."""
    found = _TAG.fullmatch(text)
    if found is None:
        tag = tag_for_keyword(text)
        if tag is not None:
            return Place(tag, _EXACT, None), ""
        if text.startswith("("):
            return None, f"{text!r} is not of the form (gggg,eeee), x for any digit, with @CREATOR if private"
        return None, f"unknown attribute {text!r}{nearest(text, _keywords())}"
    digits, creator = (found[1] + found[2]).lower(), found[3]
    tag = int(digits.replace("x", "0"), 16)
    mask = int("".join("0" if d == "x" else "f" for d in digits), 16)
    private = digits[3] != "x" and int(digits[3], 16) & 1
    if private and creator is None:
        return None, f"{text!r} is private: say whose by @CREATOR, as block numbers differ from file to file"
    if creator is not None and not private:
        return None, f"{text!r} is not private: no @CREATOR"
    if creator is not None:
        if mask & 0xFFFF0000 != 0xFFFF0000 or mask & 0xFF00:
            return None, f"{text!r}: a private element is (gggg,xxee)@CREATOR, as the block is found by its creator"
        return Place(tag, mask, creator), ""
    return Place(tag, mask, None), ""


def parse_rules(raw: list[dict[str, Any]], lines: Lines) -> tuple[tuple[Rule, ...], list[tuple[int, str]]]:
    """All rules, the most specific first, and all problems with their lines."""
    problems: list[tuple[int, str]] = []
    rules = []
    for index, entry in enumerate(raw):
        section = f"rule#{index}"

        def wrong(key: str, what: str, section: str = section) -> None:
            problems.append((lines.of(section, key), what))

        rule = _rule(entry, lines.of(section, ""), wrong)
        if rule is not None:
            rules.append(rule)
    rules.sort(key=_breadth)
    return tuple(rules), problems


def _breadth(rule: Rule) -> tuple[bool, bool, int]:
    """What is narrower comes first: of one class or type, by tag, by more digits of the tag."""
    anywhere = not (rule.sop_classes or rule.file_types)
    return anywhere, rule.tag is None, -rule.mask.bit_count()


def _rule(entry: dict[str, Any], line: int, wrong: Callable[[str, str], None]) -> Rule | None:
    for key in entry:
        if key not in _KEYS:
            wrong(key, f"unknown key {key!r} in [[rule]]{nearest(key, _KEYS)}")
    place = _place(entry, wrong)
    vr = entry.get("vr")
    if vr is not None and vr not in _VRS:
        wrong("vr", f"{vr!r} is no value representation")
        return None
    action = _action(entry, wrong)
    value = _value(entry, action, wrong)
    classes = _classes(entry, wrong)
    types = _listed(entry, "file_type", wrong)
    if entry.get("allow", "sequence_names") != "sequence_names":
        wrong("allow", "allow knows one list, 'sequence_names': the shipped vocabulary with this profile's words")
    using = _using(entry, place, action, wrong)
    if action is None or (place is None and vr is None):
        return None
    if place is not None and (problem := _forbidden(place, action)):
        wrong("action", problem)
        return None
    tag, mask, creator = (place.tag, place.mask, place.creator) if place else (None, 0, None)
    return Rule(action, f"profile line {line}", tag, mask, creator, vr, classes, types, value, line, using)


def _place(entry: dict[str, Any], wrong: Callable[[str, str], None]) -> Place | None:
    text = entry.get("tag")
    if text is None:
        if "vr" not in entry:
            wrong("", "a [[rule]] needs a tag or a vr")
        return None
    place, problem = parse_tag(text) if isinstance(text, str) else (None, "tag must be a string")
    if problem:
        wrong("tag", problem)
    return place


def _action(entry: dict[str, Any], wrong: Callable[[str, str], None]) -> str | None:
    text = entry.get("action")
    if text is None:
        wrong("", "a [[rule]] needs an action")
        return None
    known = (*ACTIONS, *_WORDS)
    if not isinstance(text, str) or text not in known:
        wrong("action", f"unknown action {text!r}{nearest(str(text), known)}")
        return None
    return text if text in ACTIONS else _WORDS[text]


def _value(entry: dict[str, Any], action: str | None, wrong: Callable[[str, str], None]) -> str | None:
    value = entry.get("value")
    if value is None:
        return None
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or len(value) > 64:
        wrong("value", "value must be up to 64 printable ASCII characters")
    elif action not in ("D", None):
        wrong("value", "only action = 'dummy' takes a value")
    else:
        return value
    return None


def _using(entry: dict[str, Any], place: Place | None, action: str | None, wrong: Callable[[str, str], None]) -> str | None:
    using = entry.get("using")
    if using is None:
        return None
    if using not in USING:
        wrong("using", f"using = {using!r}: no cleaning of that name is installed; there is {', '.join(map(repr, USING))}")
    elif action not in ("C", None):
        wrong("using", "only action = 'clean' takes using")
    elif place is None or place.creator is None:
        wrong("using", f"using = {using!r} is for private elements: name one by its tag and @CREATOR")
    else:
        return str(using)
    return None


def _listed(entry: dict[str, Any], key: str, wrong: Callable[[str, str], None]) -> frozenset[str]:
    value = entry.get(key, [])
    value = [value] if isinstance(value, str) else value
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return frozenset(value)
    wrong(key, f"{key} must be a string or a list of strings")
    return frozenset()


def _classes(entry: dict[str, Any], wrong: Callable[[str, str], None]) -> frozenset[str]:
    known = _sop_classes()
    found = set()
    for name in _listed(entry, "sop_class", wrong):
        if name in known:
            found.add(known[name])
        elif re.fullmatch(r"[0-9]+(\.[0-9]+)+", name):
            found.add(name)
        else:
            wrong("sop_class", f"unknown SOP class {name!r}{nearest(name, known)}")
    return frozenset(found)


def _forbidden(place: Place, action: str) -> str | None:
    """Why a rule may not be, or None."""

    def touches(tags: set[int]) -> bool:
        return place.creator is None and any(tag & place.mask == place.tag & place.mask for tag in tags)

    if touches(_PERSON) and action not in "XZDE":
        return "no profile may keep the patient's name, ID or birth date"
    if touches(_MARKS) or (place.creator is None and place.mask >> 16 and place.tag >> 16 == 2):
        return "what marks a clean file, and its file meta information, are always ours"
    if touches(_OBJECTS) and action != "U":
        return "an object's own UIDs are always mapped"
    if place.mask == _EXACT and dictionary_has_tag(place.tag):
        vr = dictionary_VR(place.tag)
        if action == "U" and vr != "UI":
            return f"only UIDs can be mapped; this attribute is {vr}"
        if action in "ES" and vr not in ("LO", "SH", "PN", "LT", "ST", "UT", "UC"):
            return f"a code cannot stand in an attribute of {vr}"
    return None
