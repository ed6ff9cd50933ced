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
    """One thing a file type knows of its files.

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
class Look:
    """How somebody wants to look into a file; of what a type knows nothing, it takes no notice.

    Args:
        frame: which of its pictures, from 0; None for one that shows most, such as that in the middle.
        side: how many pixels the longer side of a picture has at most; 0: as many as it has.
        centre: which value becomes medium grey, with `width`; None for what the file itself says, or what shows most of it.
        width: from black to white.
        whole: from the darkest to the brightest value, whatever the file says.
    """

    frame: int | None = None
    side: int = 256
    centre: float | None = None
    width: float | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """A look into a file: `data` is a PNG or JPEG, or text in UTF-8, as `media_type` says.

    Args:
        media_type: what `data` is.
        data: the bytes.
        frame: which picture it is, from 0.
        frames: how many pictures the file has.
        columns: how wide the picture is in the file, 0 for text.
        rows: how high.
        window: centre and width of the values that became grey; None for colours and text.
    """

    media_type: str
    data: bytes
    frame: int = 0
    frames: int = 1
    columns: int = 0
    rows: int = 0
    window: tuple[float, float] | None = None


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
        """What it knows of its files."""

    def recognise(self, sample: Sample) -> bool:
        """Whether a file is one, by its content alone."""

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Return the values of the fields in a published, that is, clean file, open at its beginning.

        Reads a bounded part of it. What the file does not say is left out.
        """

    def preview(self, file: BinaryIO, look: Look) -> Preview | None:
        """Return a look into a staged file for the web desk; None if there is nothing to be seen.

        It runs in a process of its own with little memory and time, so a hostile file hurts nobody else.

        Raises:
            Unreadable: it cannot be shown, and why.
        """


class Plain:
    """What most types have in common: no values, no preview, recognised by a signature."""

    rank = BY_SIGNATURE
    companions: Collection[str] = ()
    fields: Sequence[Field] = ()

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Return nothing."""
        return {}

    def preview(self, file: BinaryIO, look: Look) -> Preview | None:
        """Return none."""
        return None


_SAME = {".zraw": ".raw", ".raw.gz": ".raw", ".gz": ".raw", ".dat": ".eeg", ".avg": ".eeg", ".seg": ".eeg"}


def as_companion(ending: str) -> str:
    """Return the ending by which a type calls its companions: samples may be packed, or called otherwise."""
    return _SAME.get(ending, ending)


FORMAT = Field("Format", "CS", meaning="which format of its kind, e.g. PNG, EDF+C, NIfTI-1")
