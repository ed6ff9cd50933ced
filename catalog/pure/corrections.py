"""Correcting what is archived: what can be corrected, and where it stands afterwards. Bytes never change, places do."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from catalog.pure.names import folded, series_name, unique_name


class Correction(StrEnum):
    """What can be corrected."""

    RENAME_EXAM = "rename_exam"
    MOVE_SERIES = "move_series"
    DESCRIBE_SERIES = "describe_series"


class CorrectionState(StrEnum):
    """Where a correction stands: queued until its job did it or refused it, and that is final."""

    QUEUED = "queued"
    DONE = "done"
    REFUSED = "refused"


class Place(NamedTuple):
    """Where a series stands in its study."""

    exam: str
    series: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A series that stands elsewhere now; `imports` are the ids of those that its files came with.

    `description` is the series' new description, None where it stays.
    """

    imports: tuple[str, ...]
    was: Place
    now: Place
    description: str | None = None


def described_name(number: int, file_type: str, description: str, others: Iterable[str]) -> str:
    """Return the folder name of a series with another description, among the other names of its exam."""
    return unique_name(series_name(number, file_type, description), {folded(name) for name in others})


def moved_name(name: str, others: Iterable[str]) -> str:
    """Return the folder name of a series that comes to an exam with these names."""
    return unique_name(name, {folded(other) for other in others})


def corrected(names: Collection[str], place: Place, corrections: Iterable[Moved]) -> tuple[Place, str | None]:
    """Return where a series' files of an import stand after all corrections, and its description if one of them changed it.

    Args:
        names: what the import is called.
        place: where its manifest says that they stand.
        corrections: in the order in which they were made.
    """
    description = None
    for correction in corrections:
        if correction.was == place and not set(names).isdisjoint(correction.imports):
            place = correction.now
            description = correction.description if correction.description is not None else description
    return place, description
