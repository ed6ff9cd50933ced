"""The look at a result's file, which is kept as it is: what in it may say whose it is. Used by checks and by publishing alike.

May live here: asking what reads the file. Not: what follows from it.
"""

from dataclasses import dataclass
from pathlib import Path

from catalog.gate.deidentification import Cleaner
from catalog.pure.checks import sidecars

_LARGEST = 64 << 20
"""Bytes of a file that is looked through; larger ones are volumes and recordings, whose headers alone could be read."""


@dataclass(frozen=True, slots=True)
class ResultLook:
    """What was seen: `people` may say who it is, `dates` may be moved ones. Kinds of things and names of keys, never values."""

    people: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()


NOTHING_SEEN = ResultLook()


def look(path: Path, name: str, exam: str, cleaner: Cleaner | None) -> ResultLook:
    """Look through a file of a result.

    Args:
        path: where it is staged.
        name: what it is called.
        exam: code of its exam, which identifies nobody.
        cleaner: of its study; None: only the keys of JSON are looked at.

    Raises:
        OSError: it cannot be read.
    """
    people: dict[str, None] = {}
    dates: dict[str, None] = {}
    if name.lower().endswith(".json") and path.stat().st_size <= sidecars.LARGEST:
        for key in sidecars.identifying_keys(path.read_bytes(), exam):
            (people if sidecars.is_of_person(key) else dates)[key] = None
    if cleaner is not None and path.stat().st_size <= _LARGEST:
        for seen in cleaner.look(path, name):
            if not (people and seen.what.startswith("a value that names somebody")):  # the keys say more
                (dates if seen.is_date else people)[seen.what] = None
    return ResultLook(tuple(people), tuple(dates))
