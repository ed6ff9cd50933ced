"""What a file type is: a Protocol that a site's own small file can fulfil (docs/filetypes.md)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from catalog.filetypes.sample import Sample

Value = str | int | float
"""One value of metadata."""

NUMERIC_VRS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})

# How sure a type is when it recognises: the surer are asked first.
BY_SIGNATURE, BY_COMPANION, BY_LOOKS, NEVER = range(4)


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a file type tells of its files.

    Args:
        name: a DICOM keyword where there is one.
        vr: DICOM's value representation: numbers are DS, FD, IS, UL …, a date is DA, all else is text.
        unit: of a number, e.g. ms; '' for none.
        per_file: whether it is expected to differ between the files of a series.
        meaning: one line for people.
    """

    name: str
    vr: str
    unit: str = ""
    per_file: bool = False
    meaning: str = ""

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.vr in NUMERIC_VRS


@dataclass(frozen=True, slots=True)
class Preview:
    """A small look into a file: `data` is a PNG or JPEG, or text in UTF-8, as `media_type` says."""

    media_type: str
    data: bytes


class FileType(Protocol):
    """One kind of file. An entry point of the group `archimed.filetypes` names its class, which takes no arguments.

    Nothing here may trust a file: a fault in one of these counts as "no", "nothing", "none".
    """

    @property
    def name(self) -> str:
        """Its name in the catalogue and in names of series, e.g. NIFTI: capitals, digits and underscores, 32 at most."""

    @property
    def labels(self) -> Collection[str]:
        """What de-identification calls files of this type, e.g. PNG, JPEG and TIFF are one type."""

    @property
    def rank(self) -> int:
        """How sure it is when it recognises a file: BY_SIGNATURE, BY_COMPANION, BY_LOOKS or NEVER."""

    @property
    def companions(self) -> Collection[str]:
        """Endings of published files that mean nothing without each other, e.g. `.hdr` and `.img`; mostly none."""

    @property
    def fields(self) -> Sequence[Field]:
        """What it tells of its files."""

    def recognise(self, sample: Sample) -> bool:
        """Whether a file is one, by its content alone."""

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Return the values of the fields in a published, that is, clean file, open at its beginning.

        Reads a bounded part of it. What the file does not say is left out.
        """

    def preview(self, file: BinaryIO) -> Preview | None:
        """Return a small look into a file for the web desk, if that is cheap."""


class Plain:
    """What most types have in common: no values, no preview, recognised by a signature."""

    rank = BY_SIGNATURE
    companions: Collection[str] = ()
    fields: Sequence[Field] = ()

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Return nothing."""
        return {}

    def preview(self, file: BinaryIO) -> Preview | None:
        """Return none."""
        return None


FORMAT = Field("Format", "CS", meaning="which format of its kind, e.g. PNG, EDF+C, NIfTI-1")
