"""Values of text headers, each under a key: what they become. Shared by the formats whose header is lines of text.

A key is a name, or a DICOM tag as ITK writes it (``0010|0010``). A value that identifies becomes the exam code.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydicom.datadict import keyword_for_tag

from deid.formats.meaning import Meaning, meaning
from deid.formats.sidecar import GONE, Sidecar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from deid.formats.base import Work

NUMBERS = re.compile(r"[-+0-9.eE,;()\sxX]*|nan|inf", re.IGNORECASE)
_LONGEST_NUMBER = 7
_TAG = re.compile(r"([0-9a-fA-F]{4})[|,]([0-9a-fA-F]{4})")


class Values:
    """Cleans the values of one header."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._sidecar = Sidecar(work, "drop")

    def clean(self, key: str, value: str) -> str | None:
        """A value made clean; None if it goes with its key."""
        if not value.strip():
            return value
        means = self.meaning(key)
        if means is Meaning.BIRTH:
            self._sidecar.value(key, value.strip(), means)
            return None
        if means.identifies:
            self._sidecar.value(key, value.strip(), means)
            return self._work.context.exam
        if NUMBERS.fullmatch(value) and means in (Meaning.TERM, Meaning.UNKNOWN, Meaning.TEXT):
            new = (
                self._sidecar.value(key, value.strip(), Meaning.TERM)
                if len(value.strip()) > 7 and value.strip().isdigit()
                else value
            )
        else:
            new = self._sidecar.value(key, value.strip(), means)
        return None if new is GONE else str(new)

    def meaning(self, key: str) -> Meaning:
        """What a key says."""
        tag = _TAG.fullmatch(key.strip())
        if tag is None:
            return meaning(key)
        keyword = keyword_for_tag(int(tag[1] + tag[2], 16))
        return meaning(keyword) if keyword else Meaning.CODE

    def known(self, text: str) -> str | None:
        """A text if all its words are known; None otherwise."""
        return text if self._work.is_known(text) else None


def sibling(source: Path, endings: Iterable[str]) -> Path | None:
    """The file that is called like this one but for the ending, if there is one."""
    stem = source.with_suffix("") if source.suffix.lower() == ".gz" else source
    for ending in endings:
        for each in (stem.with_suffix(ending), stem.with_suffix(ending.upper())):
            if each != source and each.is_file():
                return each
    return None


def reference(value: str, stem: str, endings: Iterable[str]) -> str | None:
    """The name by which a header's other file will stand beside it; None if it is no single file of these endings."""
    name = value.strip().strip('"').casefold()
    found = next((ending for ending in sorted(endings, key=len, reverse=True) if name.endswith(ending)), None)
    return None if found is None or "%" in name else stem + found
