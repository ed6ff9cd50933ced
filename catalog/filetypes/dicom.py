"""DICOM: whether an image is whole, what a staged file says of itself, and what a published one is filed by.

What is read of a staged file holds identities and must stay in staging. How files are read is in `part10`.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, MediaStorageDirectoryStorage

from catalog.filetypes import part10
from catalog.pure.errors import Unreadable
from catalog.pure.filing import Description

EXTENSION = ".dcm"
_UID = re.compile(r"[0-9.]{1,64}")
_LARGEST_SERIES = 2**31 - 1
_MODALITY = re.compile(r"[A-Z0-9]{1,16}")
_LONGEST_HEADER = 256
_PIXEL_TAGS = (Tag("PixelData"), Tag("FloatPixelData"), Tag("DoubleFloatPixelData"))


@dataclass(frozen=True, slots=True)
class DicomFacts:
    """What a staged DICOM file says of itself; '' and None where it says nothing. Holds identities."""

    sop_class: str
    sop_instance: str
    meta_instance: str
    study: str
    series: str
    modality: str
    series_number: int | None
    series_description: str
    patient_id: str
    patient_name: str
    birth_date: str
    sex: str
    study_date: str
    study_description: str
    lacks_pixels: bool
    number: int | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None


def describe(headers: Mapping[str, str | int | float]) -> Description:
    """Return what a published file says of itself, by the headers that de-identification hands out.

    Raises:
        Unreadable: it does not say which instance it is.
    """
    if not headers.get("SOPInstanceUID"):
        raise Unreadable("the published file does not say which it is: its instance UID is missing")
    file_type = _file_type(str(headers.get("Modality", "")))
    number = headers.get("SeriesNumber")
    series_number = number if isinstance(number, int) and 0 <= number <= _LARGEST_SERIES else 0
    description = printable(str(headers.get("SeriesDescription") or headers.get("ProtocolName") or ""))
    # A data set without a series UID breaks PS3.3 C.7.3.1, but exists: then number and description make the series.
    series = str(headers.get("SeriesInstanceUID") or f"{series_number} {description}")
    instance = headers.get("InstanceNumber")
    return Description(
        file_type=file_type,
        extension=EXTENSION,
        identity=published_instance(str(headers["SOPInstanceUID"])),
        series=_digest(f"{file_type} {series}"),
        series_number=series_number,
        series_description=description,
        number=instance if isinstance(instance, int) else None,
        acquired=seconds(str(headers.get("AcquisitionDateTime", ""))),
    )


def published_instance(uid: str) -> bytes:
    """Return the identity of a published file by its instance UID, as `describe` gives it."""
    return _digest(uid)


def published_series(modality: str, uid: str) -> bytes:
    """Return the identity of a published series by modality and series UID, as `describe` gives it."""
    return _digest(f"{_file_type(modality)} {uid}")


def _file_type(modality: str) -> str:
    """Return `DCM_` and the modality (PS3.3 C.7.3.1.1.1), `DCM_OT` where it has none."""
    code = modality.strip().upper()
    return f"DCM_{code}" if _MODALITY.fullmatch(code) else "DCM_OT"


def printable(text: str) -> str:
    """Return text that every database takes and no terminal obeys: control characters and half characters become blanks."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def seconds(moment: str) -> int | None:
    """Return an ISO 8601 time as seconds since 1970; scanners seldom give a zone, and shifted dates have none: read as UTC."""
    try:
        return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        return None


class Index(Unreadable):
    """The file is the index of a disc."""


def read_facts(path: Path) -> DicomFacts:
    """Read a staged file's header and check that the file is whole (PS3.10 7, PS3.5 7).

    Raises:
        NotDicom: it is of another kind.
        Index: it is the index of a disc.
        Unreadable: it is not a whole DICOM file; the reason is for its reviewer and holds no value of the file.
        Unavailable: the disk does not give its bytes.
        FileNotFoundError: it is not there.
    """
    return part10.read(path, _facts)


def _facts(dataset: FileDataset) -> DicomFacts:
    _require_whole(dataset)
    facts = DicomFacts(
        sop_class=_uid(dataset, "SOPClassUID"),
        sop_instance=_uid(dataset, "SOPInstanceUID"),
        meta_instance=str(dataset.file_meta.get("MediaStorageSOPInstanceUID", "")),
        study=_uid(dataset, "StudyInstanceUID"),
        series=_uid(dataset, "SeriesInstanceUID"),
        modality=_text(dataset, "Modality"),
        series_number=_number(dataset, "SeriesNumber"),
        series_description=_text(dataset, "SeriesDescription"),
        patient_id=_text(dataset, "PatientID"),
        patient_name=_text(dataset, "PatientName"),
        birth_date=_text(dataset, "PatientBirthDate"),
        sex=_text(dataset, "PatientSex"),
        study_date=_text(dataset, "StudyDate"),
        study_description=_text(dataset, "StudyDescription"),
        lacks_pixels=_lacks_pixels(dataset),
        number=_number(dataset, "InstanceNumber"),
        position=_numbers(dataset, "ImagePositionPatient", 3),
        orientation=_numbers(dataset, "ImageOrientationPatient", 6),
    )
    if dataset.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        raise Index("a DICOMDIR is the index of a disc, not an image; send the images themselves")
    if not facts.sop_class or not facts.sop_instance:
        raise Unreadable("the data set says neither what it is nor which: SOP class or instance UID is missing or malformed")
    return facts


def _require_whole(dataset: FileDataset) -> None:
    expected = _native_pixel_bytes(dataset)
    for tag in _PIXEL_TAGS:
        raw: object = dataset.get_item(tag, keep_deferred=True) if tag in dataset else None
        if isinstance(raw, RawDataElement) and expected and raw.length < expected:
            raise Unreadable(f"the pixels are truncated: {raw.length} of {expected} bytes are there")


def _lacks_pixels(dataset: FileDataset) -> bool:
    """Whether it is an image by its SOP class and has no pixels: files cut off between two elements look like that."""
    is_image = UID(_uid(dataset, "SOPClassUID")).name.endswith("Image Storage")
    return is_image and not any(tag in dataset for tag in (*_PIXEL_TAGS, "PixelDataProviderURL"))


def _native_pixel_bytes(dataset: FileDataset) -> int:
    """Return how many bytes the pixels must have (PS3.5 8.1.1); 0 where the header does not say or they are compressed."""
    if "Rows" not in dataset or "BitsAllocated" not in dataset or dataset.file_meta.TransferSyntaxUID.is_compressed:
        return 0
    samples = dataset.get("SamplesPerPixel", 1) or 1
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    count = dataset.Rows * dataset.get("Columns", 0) * samples * frames
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        count = count * 2 // 3
    return int(count * dataset.BitsAllocated // 8)


def _text(dataset: FileDataset, keyword: str) -> str:
    """Return a text value; '' where it is missing or cannot be decoded at all."""
    try:
        return str(dataset.get(keyword, "") or "")
    except Exception:  # noqa: BLE001 - as in _explained
        return ""


def _number(dataset: FileDataset, keyword: str) -> int | None:
    try:
        return int(_text(dataset, keyword))
    except ValueError:
        return None


def _numbers(dataset: FileDataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Return a value of so many numbers; None where it is anything else."""
    try:
        found = tuple(float(part) for part in _raw(dataset, Tag(keyword)).split("\\"))
    except ValueError:
        return None
    return found if len(found) == count else None


def _raw(dataset: FileDataset, tag: BaseTag) -> str:
    """Return a short value as it stands in the file, without the cost of pydicom's objects; '' where it is missing."""
    raw: object = dataset.get_item(tag) if tag in dataset else None
    if not isinstance(raw, RawDataElement):
        value = getattr(raw, "value", "")
        return "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value or "")
    value = (raw.value or b"")[:_LONGEST_HEADER]
    return value.decode("latin-1").strip(" \0")


def _uid(dataset: FileDataset, keyword: str) -> str:
    value = _text(dataset, keyword)
    return value if _UID.fullmatch(value) else ""
