"""Rules on one file alone."""

from collections.abc import Iterator

from catalog.pure.checks.model import CheckedFile, Finding, Rule, Severity


class Readable(Rule):
    """Each file must be whole and of its kind."""

    name = "readable"
    severity = Severity.ERROR

    def see(self, file: CheckedFile) -> Iterator[Finding]:
        """A file that cannot be read stays out, and its reason says what to do."""
        if file.problem:
            yield self.says(f"{file.problem}; it stays out: send it again, or leave it", file.file)


class Publishable(Rule):
    """De-identification must know how to clean each file."""

    name = "publishable"
    severity = Severity.ERROR

    def see(self, file: CheckedFile) -> Iterator[Finding]:
        """What would be held when it is published stays out now."""
        if file.held:
            yield self.says(
                f"it would be held when it is published: {file.held}; it stays out. Mend it and check the batch again",
                file.file,
                file.series,
            )


class Vouched(Rule):
    """What nothing can look through needs somebody's word."""

    name = "vouched"
    severity = Severity.WARNING

    def see(self, file: CheckedFile) -> Iterator[Finding]:
        """The reviewer may give it; so may the study's profile."""
        if file.waits:
            yield self.says(
                f"it is held when it is published, unless somebody vouches for it: {file.waits}. Accept it with "
                "--pixels-approved if you looked at the images, with --attest REASON if you know what is in it",
                file.file,
                file.series,
            )


class Finished(Rule):
    """A file that was dropped must have been closed by the program that wrote it."""

    name = "finished"
    severity = Severity.WARNING

    def see(self, file: CheckedFile) -> Iterator[Finding]:
        """What a killed program or mount leaves is as long as it happens to be."""
        if file.is_unfinished:
            yield self.says(
                "the program that wrote it ended before it closed it, so it may be cut off; compare it with where it came "
                "from, or reject it and have it brought again",
                file.file,
                file.series,
            )


class Consistent(Rule):
    """What the sender called the instance must be what the data set says it is."""

    name = "consistent"
    severity = Severity.WARNING

    def see(self, file: CheckedFile) -> Iterator[Finding]:
        """The data set's own name counts."""
        if not file.same_in_meta:
            yield self.says(
                "the sender announced another instance UID than the data set holds; the data set's counts",
                file.file,
                file.series,
            )


class HasPixels(Rule):
    """An image without pixels may be the first half of a file."""

    name = "has_pixels"
    severity = Severity.WARNING

    def see(self, file: CheckedFile) -> Iterator[Finding]:
        """Files that are cut off between two elements look like that."""
        if file.lacks_pixels:
            yield self.says(
                "it is an image by its SOP class but has no pixels: cut off, or sent without them; look at it before accepting",
                file.file,
                file.series,
            )


class NameTells(Rule):
    """A file's own name may hold a name or a date; in a tree of results, names are kept."""

    name = "name_tells"
    severity = Severity.WARNING

    def see(self, file: CheckedFile) -> Iterator[Finding]:
        """What looks like one is shown to the reviewer, who sees the name."""
        if file.name_tells:
            yield self.says(
                "its name holds a patient's name or number, or what looks like a date; rename it and seal the batch "
                "again if it is a result, whose names are kept",
                file.file,
                file.series,
            )
