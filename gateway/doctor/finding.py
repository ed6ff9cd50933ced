"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How bad it is: wrong means that something does not work, or is open to others, or soon will be."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `says` what was found, `mend` what to do about it (empty if all is well)."""

    check: str
    grade: Grade
    says: str
    mend: str = ""


def good(check: str, says: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(check, Grade.GOOD, says)


def doubtful(check: str, says: str, mend: str) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(check, Grade.DOUBTFUL, says, mend)


def wrong(check: str, says: str, mend: str) -> Finding:
    """Return a finding that must be mended."""
    return Finding(check, Grade.WRONG, says, mend)
