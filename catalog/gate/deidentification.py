"""What the gate needs of de-identification, as Protocols: whoever wires the archive together hands it in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import Protocol

NO_EXAM_YET = "unknown"
"""Stands for the codes of an import that nobody has named yet, where something must be cleaned for a look."""


@dataclass(frozen=True, slots=True)
class FirstImport:
    """The first import into an exam: its code then, name and version of what cleaned it, and the profile's text."""

    exam: str
    engine: str
    profile: str | None


class Seen(Protocol):
    """Something in a file that may identify somebody."""

    @property
    def what(self) -> str:
        """What kind of thing it is."""

    @property
    def is_date(self) -> bool:
        """Whether it is a date, which may be one that was moved."""


class Cleaned(Protocol):
    """What came out of one file."""

    @property
    def headers(self) -> Mapping[str, str | int | float]:
        """DICOM keywords and values of the clean file by which it is filed."""

    @property
    def ending(self) -> str:
        """What a name for the clean file should end in, e.g. `.nii.gz`."""

    def summary(self) -> Mapping[str, int]:
        """How many elements each action was applied to."""

    def by_rule(self) -> Mapping[str, int]:
        """How many elements each rule changed, and how."""


class Cleaner(Protocol):
    """Cleans the files of one import, by one profile and one exam code."""

    def clean(
        self,
        source: Path,
        target: BufferedRandom,
        *,
        stem: str = "",
        renamed: tuple[str, str] | None = None,
        overruled: bool = False,
    ) -> Cleaned:
        """Write the clean file to `target`.

        `stem` is what the file, and those that a header names with it, will be called but for their endings; `renamed` the
        label of the subject in a BIDS dataset, and the one that stands for it; `overruled` that a named human vouches for this
        very file, which is no DICOM, though something in it looks like an identity.

        The same file gives the same bytes whenever it is cleaned again, so that a publish job can be repeated.

        Raises:
            Unreadable: the file is not what it should be.
            Held: it may not be published as it is.
        """

    def look(self, source: Path, name: str) -> Sequence[Seen]:
        """Return what in a file that is kept as it is, called `name`, may identify somebody. Never its values.

        Raises:
            OSError: it cannot be read.
        """

    def known_words(self, text: str) -> str:
        """Return a text with only the words that the profile lets pass."""

    def published_uid(self, original: str) -> str:
        """Return the UID that stands for an original one in this study."""


class Deidentification(Protocol):
    """Makes cleaners."""

    @property
    def engine(self) -> str:
        """Name and version of what cleans, kept with every import."""

    def profile_hash(self, profile: str | None) -> str:
        """Return the hash of a profile's text (None: the default profile).

        Raises:
            Invalid: the text is not a profile.
        """

    def burned_in(self, profile: str | None, source: Path) -> str:
        """Return why a DICOM file would be held for what its pixels may show or its sound may tell, '' if it would not.

        Args:
            profile: text of the study's profile; None for the default.
            source: the staged file.

        Raises:
            Invalid: the profile's text is not a profile.
        """

    def cleaner(
        self,
        study: str,
        exam: str,
        profile: str | None,
        *,
        approved: bool,
        attested: bool = False,
        begun: FirstImport | None = None,
    ) -> Cleaner:
        """Return a cleaner for an import.

        Args:
            study: code of the study.
            exam: code of the exam.
            profile: text of the study's profile; None for the default.
            approved: a named human looked at pixels that may show identities.
            attested: a named human vouches that files identify nobody which nothing can look through, or a heuristic holds.
            begun: the first import into the exam, whose pseudonyms it goes on with; None: a new exam.

        Raises:
            Invalid: the profile's text is not a profile.
        """
