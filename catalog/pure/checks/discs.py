"""Whether what the index of a disc names is there, and whether more is there than it names.

Names of files go in and may tell whose they are: findings hold numbers alone, and the names stay with the staged bytes.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from catalog.pure.checks.model import Finding, Severity, counted

_CHECK = "disc"
_CALLED = 10
_VERSION = re.compile(r";\d+$")


@dataclass(frozen=True, slots=True)
class Disc:
    """The index of a disc: the staged file's number, the folder it stands in, and the files it names, as it names them."""

    index: int
    folder: str
    named: Sequence[str]


def missing(disc: Disc, there: Iterable[str]) -> list[tuple[int, str]]:
    """Return which of the files that an index names are not there, counted from 1.

    Args:
        there: the names of the batch's files, with their folders.
    """
    known = {_key(name) for name in there}
    return [(number, name) for number, name in enumerate(disc.named, 1) if _key(_within(disc, name)) not in known]


def unnamed(disc: Disc, images: Iterable[str]) -> int:
    """Return how many DICOM files lie in the folder of an index, or below it, that it does not name."""
    named = {_key(_within(disc, name)) for name in disc.named}
    folder = _key(f"{disc.folder}/") if disc.folder else ""
    return sum(1 for name in images if (key := _key(name)).startswith(folder) and key not in named)


def findings_of(disc: Disc, lacking: Sequence[tuple[int, str]], extra: int) -> Iterator[Finding]:
    """Say what is missing and what is too much."""
    if lacking:
        count = len(lacking)
        which = ", ".join(str(number) for number, _ in lacking[:_CALLED]) + (", ..." if count > _CALLED else "")
        yield Finding(
            _CHECK, Severity.WARNING,
            f"{counted(count, 'file')} of the {len(disc.named)} that this index of a disc names "
            f"{'is' if count == 1 else 'are'} missing (by its order: {which}): copy the whole disc again, or accept what "
            "is there",
            disc.index,
        )  # fmt: skip
    if extra:
        yield Finding(
            _CHECK, Severity.NOTE,
            f"{counted(extra, 'DICOM file')} beside this index of a disc {'is' if extra == 1 else 'are'} not named by it; "
            f"{'it is' if extra == 1 else 'they are'} checked and accepted like the others",
            disc.index,
        )  # fmt: skip


def _within(disc: Disc, name: str) -> str:
    return f"{disc.folder}/{name}" if disc.folder else name


def _key(name: str) -> str:
    """Return a name without what discs add and systems change: capitals, versions, a dot at the end (ISO 9660)."""
    return "/".join(_VERSION.sub("", part).rstrip(".") for part in name.casefold().split("/"))
