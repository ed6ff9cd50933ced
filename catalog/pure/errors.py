"""The one exception tree of the archive, apart from programming errors.

Every message is a sentence for its reader that says what is wrong and what to do, and holds no identity. Faces translate the
class, never the text: an errno, an HTTP or DIMSE status, an exit status.
"""


class ArchimedError(Exception):
    """Base of everything a face must translate; its text may be shown to the user."""


class NotFound(ArchimedError):
    """Nothing there for this principal: it does not exist, or it is not granted (docs/laws.md, law 2)."""


class Refused(ArchimedError):
    """The principal may not do this, or the thing's state does not allow it."""


class Sealed(Refused):
    """It belongs to a batch that is sealed: it can be read and not be changed."""


class Elsewhere(Refused):
    """It cannot be moved there, for it would go from one batch to another: copy it, then remove it here."""


class Invalid(ArchimedError):
    """A value given from outside cannot be used."""


class TooLong(Invalid):
    """A name is longer than any file system takes."""


class Conflict(ArchimedError):
    """Somebody else was first, or the thing exists already."""


class NotEmpty(Conflict):
    """A folder that should go still holds something."""


class NotADirectory(ArchimedError):
    """A file was used as a folder."""


class IsADirectory(ArchimedError):
    """A folder was used as a file."""


class OutOfSpace(ArchimedError):
    """The disk or the quota is full; nothing already there was hurt."""


class ConfigError(ArchimedError):
    """The configuration cannot be used; `problems` holds every fault found, not only the first."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Unreadable(ArchimedError):
    """A staged file is not what it should be: not DICOM, truncated, hostile. Says what, never a value of the file."""


class Held(ArchimedError):
    """A file may not be published as it is: identity left behind, burned-in text suspected, type not allowed."""


class Damaged(ArchimedError):
    """Stored bytes are not what the catalogue says they are."""


class Unavailable(ArchimedError):
    """A part the answer depends on (the database, the disk) does not answer now; trying again may help."""


class Away(Unavailable):
    """A peer does not answer now; trying again after `seconds` may help."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds
