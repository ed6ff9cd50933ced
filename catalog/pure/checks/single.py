"""Rules on one file alone."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from catalog.pure.checks.model import CheckedFile, Finding, Rule, Severity


class FileRule(Rule, ABC):
    """A rule that says at most one thing of a file, whatever the others are."""

    def see(self, file: CheckedFile) -> Iterator[Finding]:
        """Say it."""
        if message := self.message(file):
            yield self.says(message, file.file, file.series)

    @abstractmethod
    def message(self, file: CheckedFile) -> str:
        """Return what is to be said of a file, '' for nothing."""


class Readable(FileRule):
    """Each file must be whole and of its kind."""

    name = "readable"
    severity = Severity.ERROR

    def message(self, file: CheckedFile) -> str:
        """A file that cannot be read stays out, and its reason says what to do."""
        return f"{file.problem}; it stays out: send it again, or leave it" if file.problem else ""


class Publishable(FileRule):
    """De-identification must know how to clean each file."""

    name = "publishable"
    severity = Severity.ERROR

    def message(self, file: CheckedFile) -> str:
        """What would be held when it is published stays out now."""
        if not file.held:
            return ""
        return f"it could not be published: {file.held}; it stays out. Mend it and check the batch again"


class Vouched(FileRule):
    """What nothing can look through needs somebody's word."""

    name = "vouched"
    severity = Severity.WARNING

    def message(self, file: CheckedFile) -> str:
        """The reviewer may give it; so may the study's profile."""
        if not file.waits:
            return ""
        return (
            f"it is published only if somebody vouches for it: {file.waits}. Accept it with "
            "--pixels-approved if you looked at the images, with --attest REASON if you know what is in it"
        )


class Finished(FileRule):
    """A file that was dropped must have been closed by the program that wrote it."""

    name = "finished"
    severity = Severity.WARNING

    def message(self, file: CheckedFile) -> str:
        """What a killed program or mount leaves is as long as it happens to be."""
        if not file.is_unfinished:
            return ""
        return (
            "the program that wrote it ended before it closed it, so it may be cut off; compare it with where it came "
            "from, or reject it and have it brought again"
        )


class Complete(FileRule):
    """Files that belong together come together."""

    name = "complete"
    severity = Severity.WARNING

    def message(self, file: CheckedFile) -> str:
        """What cannot be read without the other is held; this is for what can."""
        if not file.lacks or file.held:
            return ""
        return (
            f"the file that belongs to it ({file.lacks}) is missing: bring it too, by the same name, or accept this one alone"
        )


class Consistent(FileRule):
    """What the sender called the instance must be what the data set says it is."""

    name = "consistent"
    severity = Severity.WARNING

    def message(self, file: CheckedFile) -> str:
        """The data set's own name counts."""
        if file.same_in_meta:
            return ""
        return "the sender announced another instance UID than the data set holds; the data set's counts"


class HasPixels(FileRule):
    """An image without pixels may be the first half of a file."""

    name = "has_pixels"
    severity = Severity.WARNING

    def message(self, file: CheckedFile) -> str:
        """Files that are cut off between two elements look like that."""
        if not file.lacks_pixels:
            return ""
        return "it is an image by its SOP class but has no pixels: cut off, or sent without them; look at it before accepting"


class NameTells(FileRule):
    """A file's own name may hold a name or a date; in a tree of results, names are kept."""

    name = "name_identifies"
    severity = Severity.WARNING

    def message(self, file: CheckedFile) -> str:
        """What looks like one is shown to the reviewer, who sees the name."""
        if not file.name_identifies:
            return ""
        return (
            "its name holds a patient's name or number, or what looks like a date; rename it and seal the batch "
            "again if it is a result, whose names are kept"
        )


class ResultTells(FileRule):
    """Results are archived as they are, so what they say of people and days is archived too."""

    name = "result_tells"
    severity = Severity.WARNING

    def message(self, file: CheckedFile) -> str:
        """Made from archived images it tells moved dates and codes; made from others it tells whose it is."""
        if file.tells_people:
            return (
                f"it is a result, archived as it is, and may say who it is: it holds {file.tells_people}. Have it made again "
                "from archived images, or accept it with --attest REASON if you know that it identifies nobody; without, it is "
                "held"
            )
        if file.tells_dates:
            return (
                f"it is archived as it is and holds {file.tells_dates}: harmless if it was made from archived images, whose "
                "dates are shifted; otherwise have it made again from those, or without these values (dcm2niix -ba y)"
            )
        return ""
