"""Whether catalogue, staging and store are of one age: a decision over frozen values (docs/laws.md, law 12).

Each of the three places carries a mark. The catalogue's own is the truth as long as it is the newest. May live here: what marks
say and what follows from comparing them. Not: how they are read and written; that is `catalog/generation.py`.
"""

from dataclasses import dataclass
from enum import StrEnum

FIRST = 1
"""The generation of a catalogue whose places were never marked: new, or made by a release without marks."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a place knows of the archive it belongs to.

    `archive` is the archive's random id (32 hexadecimal digits). `generation` grows while the archive works. `entry` is the
    number of the newest entry of the audit at that moment (0: none yet), `chained` that entry's hash in hexadecimal digits.
    """

    archive: str
    generation: int
    entry: int = 0
    chained: str = ""


class Age(StrEnum):
    """How a place stands to the catalogue."""

    SAME = "same"
    UNMARKED = "unmarked"
    """It has no mark, though the catalogue's places were marked: a new folder, or another archive's."""
    NEWER = "newer"
    """It has seen changes that the catalogue does not know: the catalogue is an older copy."""
    OLDER = "older"
    """It has missed changes that the catalogue knows: the place is an older copy."""
    FOREIGN = "foreign"
    """It belongs to another archive."""


def age_of(place: Mark | None, catalogue: Mark, *, shares_history: bool) -> Age:
    """Compare a place with the catalogue.

    A mark is written to the places after the catalogue has committed it, so a crash leaves a place one generation behind, and
    never ahead.

    Args:
        place: what the place says; None if it says nothing.
        catalogue: what the catalogue says.
        shares_history: whether the catalogue's audit has the place's newest entry, with the same hash.
    """
    if place is None:
        return Age.UNMARKED if catalogue.generation > FIRST else Age.SAME
    if place.archive != catalogue.archive:
        return Age.FOREIGN
    if place.generation > catalogue.generation or place.entry > catalogue.entry or not shares_history:
        return Age.NEWER
    if place.generation < catalogue.generation - 1:
        return Age.OLDER
    return Age.SAME


def problem(what: str, age: Age, *, has_content: bool) -> str:
    """Return in one sentence what is wrong with a place and what to do; '' if nothing is.

    Args:
        what: the place, e.g. "the store".
        age: how it stands to the catalogue.
        has_content: whether it holds files.
    """
    way = "`archimed restore`, or `archimed init --adopt` if all three places are to go on as they are now"
    if age is Age.NEWER:
        return (
            f"the catalogue is older than {what}: it lacks changes that {what} has seen. Bring back the newest catalogue, or"
            f" use {way}"
        )
    if age is Age.OLDER:
        return f"{what} is older than the catalogue: files may be missing from it. Bring back its newest copy, or use {way}"
    if age is Age.FOREIGN:
        return f"{what} belongs to another archive than the catalogue. Correct the configuration, or use {way}"
    if age is Age.UNMARKED and has_content:
        return f"{what} holds files and the catalogue does not know whose. Correct the configuration, or use {way}"
    return ""
