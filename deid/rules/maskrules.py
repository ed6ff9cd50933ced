"""Mask rules: which kind of picture, and what of it is blanked. Pure; the pixels are elsewhere.

The profile's ``[[mask]]`` tables come first, in their order, then those shipped in ``data/masks.toml``; the first that
matches counts. A rule says one thing: ``blank`` these rectangles, ``keep`` only these, ``keep = "regions"`` (what the
ultrasound device framed), or ``hold = true``: a human shall look, whatever a later rule says.
"""

from __future__ import annotations

import tomllib
from functools import cache
from typing import TYPE_CHECKING, Any

from deid.rules import signatures
from deid.rules.model import MaskRule, Rect
from deid.rules.table import data_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from deid.rules.lines import Lines

_KEYS = ("blank", "keep", "hold", "why")
_ACTIONS = ("blank", "keep", "hold")
_LARGEST = 1 << 16
BY_REGIONS = "regions"


def parse(raw: Sequence[Mapping[str, Any]], lines: Lines) -> tuple[tuple[MaskRule, ...], list[tuple[int, str]]]:
    """The ``[[mask]]`` tables of a profile, and all problems with their lines."""
    problems: list[tuple[int, str]] = []
    rules = []
    for index, entry in enumerate(raw):
        section = f"mask#{index}"

        def wrong(key: str, what: str, section: str = section) -> None:
            problems.append((lines.of(section, key), f"[[mask]]: {what}"))

        rule = _rule(entry, f"profile line {lines.of(section, '')}", wrong)
        if rule is not None:
            rules.append(rule)
    return tuple(rules), problems


def _rule(entry: Mapping[str, Any], label: str, wrong: Callable[[str, str], None]) -> MaskRule | None:
    signature = signatures.parse(entry, _KEYS, wrong)
    chosen = [key for key in _ACTIONS if key in entry]
    if len(chosen) != 1:
        wrong(chosen[1] if chosen else "", "must say one of blank, keep and hold")
        return None
    if signature is None:
        return None
    if chosen == ["hold"]:
        if entry["hold"] is not True:
            wrong("hold", "hold can only be true")
        return MaskRule(label, signature)
    keep = chosen == ["keep"]
    if keep and entry["keep"] == BY_REGIONS:
        return MaskRule(label, signature, None, keep=True)
    rects = _rects(entry[chosen[0]])
    if not rects:
        allowed = ', or "regions" for what an ultrasound device framed' if keep else ""
        wrong(chosen[0], f"{chosen[0]} must be a list of [left, top, width, height] in pixels, of some size{allowed}")
        return None
    return MaskRule(label, signature, rects, keep=keep)


def _rects(value: object) -> tuple[Rect, ...]:
    """The rectangles of a TOML value; none if one of them is none."""
    if not isinstance(value, list):
        return ()
    rects = []
    for entry in value:
        if not isinstance(entry, list) or len(entry) != 4 or not all(type(n) is int and 0 <= n <= _LARGEST for n in entry):
            return ()
        rect = Rect(*entry)
        if not rect.width or not rect.height:
            return ()
        rects.append(rect)
    return tuple(rects)


@cache
def shipped() -> tuple[MaskRule, ...]:
    """The rules of ``data/masks.toml``."""

    def wrong(key: str, what: str) -> None:
        raise ValueError(f"data/masks.toml: {key}: {what}")

    entries = tomllib.loads(data_text("masks.toml")).get("mask", [])
    rules = (_rule(entry, entry["why"], wrong) for entry in entries)
    return tuple(rule for rule in rules if rule is not None)


def find(own: Sequence[MaskRule], headers: Mapping[str, str], *, framed: bool) -> MaskRule | None:
    """The rule for a picture with these headers. `framed`: it describes regions; a rule that keeps them needs some."""
    rules = (rule for rule in (*own, *shipped()) if framed or rule.rects is not None)
    return next((rule for rule in rules if rule.signature.matches(headers)), None)
