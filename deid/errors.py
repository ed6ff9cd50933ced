"""What can go wrong here. Only the errors that leave this package may live in this module.

No message may hold a value of the file: no name, identifier, date, original UID or file name. Whoever raises one of these
while handling another error does it ``from None``, so that no chained message carries a value out either.
"""

from __future__ import annotations

CERTAIN = "certain"
HEURISTIC = "heuristic: a reviewer can overrule it"


class DeidError(Exception):
    """Base of every error this package raises on purpose."""


class Unreadable(DeidError):
    """The input is not a file we can read whole: not DICOM, cut short, or built to harm."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"unreadable: {reason}")


class Held(DeidError):
    """The file could be read but may not go on until a human has looked at it.

    `certain`: an identity is in it, and nobody may let it go on. Else a heuristic says so, and a named human who has
    looked can overrule it with a reason. The text says which it is.
    """

    def __init__(self, reason: str, tag_path: str | None = None, *, certain: bool = False) -> None:
        self.reason = reason
        self.tag_path = tag_path
        self.certain = certain
        place = f" at {tag_path}" if tag_path else ""
        super().__init__(f"held: {reason}{place} ({CERTAIN if certain else HEURISTIC})")


class ProfileError(DeidError):
    """A profile that cannot be used. `problems` names all of them, each with its line."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))
