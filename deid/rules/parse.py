"""Profiles from TOML: read, checked whole, every problem listed at once with its line and the nearest known word.

Only the checking of profile text may live here. What a profile means is in `rules.policy`.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from deid.errors import ProfileError
from deid.rules import maskrules, table
from deid.rules.lines import Lines, nearest
from deid.rules.model import ATTESTABLE, DateMode, Extract, Profile, Rule, Unlisted
from deid.rules.ruleparse import parse_rules, parse_tag
from deid.rules.vocabulary import fold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deid.rules.model import MaskRule

# "expect" is not read here: what a study expects of an exam has nothing to do with identities.
_TOP = ("schema", "standard", "options", "unlisted", "words", "dates", "extract", "rule", "mask", "attest", "expect", "subject")
_MODES: Final[tuple[DateMode, ...]] = ("shift", "keep", "remove")
_UNLISTED: Final[tuple[Unlisted, ...]] = ("vr", "deny")
_MODE_OPTION: Final[Mapping[DateMode, str]] = {"shift": "modified_dates", "keep": "full_dates"}
_TOML_PLACE = re.compile(r"\(at line (\d+), column \d+\)")


def examples() -> Mapping[str, str]:
    """The shipped profiles by name: the default and the worked examples, as text to start from."""
    folder = resources.files("deid") / "data" / "profiles"
    files = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return {f.name.removesuffix(".toml"): f.read_text(encoding="utf-8") for f in files if f.name.endswith(".toml")}


@cache
def load_profile(text: str | None = None) -> Profile:
    """A profile from its text; None gives the safe default. Raises `ProfileError` with all that is wrong."""
    text = table.data_text("profiles/default.toml") if text is None else text
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = place[1] if place else str(text.count("\n") + 1)
        raise ProfileError([f"line {line}: not TOML: {_TOML_PLACE.sub('', str(error)).strip()}"]) from None
    return _Reader(raw, Lines(text)).profile(text)


class _Reader:
    """Reads one parsed document; `problems` grows, and nothing stops at the first."""

    def __init__(self, raw: dict[str, Any], lines: Lines) -> None:
        self._raw = raw
        self._lines = lines
        self.problems: list[tuple[int, str]] = []

    def profile(self, text: str) -> Profile:
        for key in self._raw:
            if key not in _TOP:
                self._wrong("", key, f"unknown key {key!r}{nearest(key, _TOP)}")
        if self._raw.get("schema") != 1:
            self._wrong("", "schema", "schema must be 1, the only one there is")
        standard = self._standard()
        unlisted = self._choice("", "unlisted", self._raw.get("unlisted"), _UNLISTED, "vr")
        options = self._options()
        mode = self._mode(options)
        words = self._words()
        rules = self._rules()
        extract = self._extract()
        masks = self._masks()
        attest = self._attest()
        subject = self._subject()
        if self.problems:
            raise ProfileError([f"line {line}: {what}" for line, what in sorted(set(self.problems))])
        return Profile(text, standard, options, unlisted, mode, words, rules, extract, masks, attest, subject)

    def _wrong(self, section: str, key: str, what: str, *, containing: str = "") -> None:
        self.problems.append((self._lines.of(section, key, containing), what))

    def _choice(self, section: str, key: str, value: Any, known: tuple[Any, ...], default: Any) -> Any:
        if value is None:
            return default
        if value not in known:
            choices = ", ".join(repr(k) for k in known)
            self._wrong(section, key, f"{key} = {value!r} is none of {choices}{nearest(str(value), known)}")
            return default
        return value

    def _strings(self, section: str, key: str, value: Any) -> list[str]:
        if isinstance(value, list) and all(isinstance(v, str) for v in value):
            return value
        self._wrong(section, key, f"{key} must be a list of strings")
        return []

    def _standard(self) -> str:
        edition: str = self._choice("", "standard", self._raw.get("standard"), table.editions(), table.DEFAULT)
        try:
            table.load(edition)
        except ValueError as error:
            self._wrong("", "standard", str(error))
        return edition

    def _options(self) -> frozenset[str]:
        found = set()
        for option in self._strings("", "options", self._raw.get("options", [])):
            if option == "uids":
                what = "option 'uids': the archive keeps no original UID, they are always mapped"
                self._wrong("", "options", what, containing=option)
            elif option in table.OPTIONS:
                found.add(option)
            else:
                what = f"unknown option {option!r}{nearest(option, table.OPTIONS)}"
                self._wrong("", "options", what, containing=option)
        return frozenset(found)

    def _mode(self, options: frozenset[str]) -> DateMode:
        section = self._table("dates", ("mode",))
        modes = {mode for mode, option in _MODE_OPTION.items() if option in options}
        if len(modes) > 1:
            self._wrong("", "options", "full_dates and modified_dates exclude each other", containing="full_dates")
        default: DateMode = next(iter(modes)) if len(modes) == 1 else "remove"
        mode: DateMode = self._choice("dates", "mode", section.get("mode"), _MODES, default)
        for option_mode, option in _MODE_OPTION.items():
            if option in options and mode != option_mode:
                self._wrong("dates", "mode", f"mode = {mode!r} contradicts the option {option!r}, which means {option_mode!r}")
        wanted = _MODE_OPTION.get(mode)
        if wanted and wanted not in options and "mode" in section:
            self._wrong("dates", "mode", f"mode = {mode!r} needs the option {wanted!r}, so that the file says it")
        return mode

    def _table(self, name: str, known: tuple[str, ...]) -> dict[str, Any]:
        section = self._raw.get(name, {})
        if not isinstance(section, dict):
            self._wrong("", name, f"{name} must be a table: [{name}]")
            return {}
        for key in section:
            if key not in known:
                self._wrong(name, key, f"unknown key {key!r} in [{name}]{nearest(key, known)}")
        return section

    def _words(self) -> frozenset[str]:
        found = set()
        for word in self._strings("", "words", self._raw.get("words", [])):
            folded = fold(word)
            if len(folded) < 2 or not (folded.isascii() and folded.isalnum()):
                self._wrong("", "words", f"{word!r} is not one word of letters and digits", containing=word)
            found.add(folded)
        return frozenset(found)

    def _attest(self) -> frozenset[str]:
        found = self._strings("", "attest", self._raw.get("attest", []))
        for name in found:
            if name not in ATTESTABLE:
                what = f"{name!r} is no type of file to attest{nearest(name, ATTESTABLE)}"
                self._wrong("", "attest", what, containing=name)
        return frozenset(found)

    def _subject(self) -> str:
        pattern = self._raw.get("subject", "")
        try:
            if not isinstance(pattern, str) or (pattern and re.compile(pattern).groups != 1):
                self._wrong("", "subject", "subject must be a pattern with one group: what the exam codes of a subject share")
                return ""
        except re.error as error:
            self._wrong("", "subject", f"subject is no regular expression: {error}")
            return ""
        return pattern

    def _tables(self, name: str) -> list[dict[str, Any]]:
        raw = self._raw.get(name, [])
        if isinstance(raw, list) and all(isinstance(entry, dict) for entry in raw):
            return raw
        self._wrong("", name, f"{name}s must be written as [[{name}]]")
        return []

    def _rules(self) -> tuple[Rule, ...]:
        rules, problems = parse_rules(self._tables("rule"), self._lines)
        self.problems += problems
        return rules

    def _masks(self) -> tuple[MaskRule, ...]:
        masks, problems = maskrules.parse(self._tables("mask"), self._lines)
        self.problems += problems
        return masks

    def _extract(self) -> tuple[Extract, ...]:
        section = self._table("extract", ("fields",))
        found = []
        for name in self._strings("extract", "fields", section.get("fields", [])):
            place, problem = parse_tag(name)
            if problem:
                self._wrong("extract", "fields", problem, containing=name)
            elif place is not None and place.mask not in (0xFFFFFFFF, 0xFFFF00FF):
                self._wrong("extract", "fields", f"{name!r} names more than one element", containing=name)
            elif place is not None:
                found.append(Extract(name, place.tag, place.creator))
        return tuple(found)
