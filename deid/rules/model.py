"""What a profile says, once validated. Frozen data only: parsing is in `rules.parse`, use in `rules.policy`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from deid.rules.signatures import Signature

Unlisted = Literal["vr", "deny"]
DateMode = Literal["shift", "keep", "remove"]

ATTESTABLE = ("CSV", "TSV", "JSON", "TEXT", "MAT", "HDF5", "PNG", "JPEG", "TIFF", "PDF", "OFFICE", "RAW")
"""Types of file that only a profile's author can vouch for: no rule of ours can tell whether they identify."""

ACTIONS = {
    "K": "keep",
    "X": "remove",
    "Z": "empty",
    "D": "dummy",
    "U": "map UID",
    "C": "clean",
    "E": "exam code",
    "S": "study code",
}


class Rect(NamedTuple):
    """A rectangle in pixels from the top left corner of the picture. Never of negative size or place."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One ``[[rule]]`` of a profile, or one of our own. What it matches: `tag` under `mask`, a private creator, a VR.

    `using`: the cleaning of a private format of its own, instead of the VR's.
    """

    action: str
    label: str
    tag: int | None = None
    mask: int = 0xFFFFFFFF
    creator: str | None = None
    vr: str | None = None
    sop_classes: frozenset[str] = frozenset()
    file_types: frozenset[str] = frozenset()
    value: str | None = None
    line: int = 0
    using: str | None = None


@dataclass(frozen=True, slots=True)
class Extract:
    """One header the archive files as metadata: a standard keyword, or a private element by creator."""

    name: str
    tag: int
    creator: str | None = None


@dataclass(frozen=True, slots=True)
class MaskRule:
    """One rule. `rects` of None: the regions the file describes, kept. No `rects` at all: held."""

    label: str
    signature: Signature
    rects: tuple[Rect, ...] | None = ()
    keep: bool = False

    @property
    def holds(self) -> bool:
        """Whether the rule asks for a human instead of blanking anything."""
        return self.rects == ()


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A study's de-identification profile. Equal text means equal hash means equal treatment, for one `deid.VERSION`."""

    text: str = field(repr=False)
    standard: str
    options: frozenset[str]
    unlisted: Unlisted = "vr"
    dates: DateMode = "shift"
    words: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()
    extract: tuple[Extract, ...] = ()
    masks: tuple[MaskRule, ...] = ()
    attest: frozenset[str] = frozenset()
    subject: str = ""

    def subject_of(self, exam: str) -> str:
        """The subject an exam code stands for: the group of the pattern `subject`; without one, or a match, the code itself."""
        found = re.fullmatch(self.subject, exam) if self.subject else None
        return exam if found is None else found[1] or exam

    @property
    def hash(self) -> str:
        """SHA-256 of the profile's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()
