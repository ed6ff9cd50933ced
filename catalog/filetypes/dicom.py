"""DICOM: whether a file is whole, and what it says of itself.

Reading trusts nothing: no length is believed beyond the file's end, no pixel is decoded, and every fault becomes `Unreadable`
with a reason that holds no value of the file. What is read holds identities and must stay in staging.
"""

import contextlib
import hashlib
import logging
import mmap
import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pydicom
from pydicom import config
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import Tag
from pydicom.uid import UID, MediaStorageDirectoryStorage

from catalog.pure.errors import Unreadable
from catalog.pure.filing import Description

# pydicom's warnings quote values.
logging.getLogger("pydicom").addHandler(logging.NullHandler())
logging.getLogger("pydicom").propagate = False

EXTENSION = ".dcm"
_PREFIX = slice(128, 132)
_HEADER_BYTES = 8
_SEARCH_BYTES = 8192  # pydicom's step when it looks for the end of a value of undefined length
_DEFER_BYTES = 1024
_LARGEST_INFLATED = 1 << 30
_INFLATE_STEP = 1 << 20
_UID = re.compile(r"[0-9.]{1,64}")
_LARGEST_SERIES = 2**31 - 1
_MODALITY = re.compile(r"[A-Z0-9]{1,16}")
_PIXEL_TAGS = (Tag("PixelData"), Tag("FloatPixelData"), Tag("DoubleFloatPixelData"))

_FAULTS = (
    InvalidDicomError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, NotImplementedError, OSError,
    OverflowError, LookupError, struct.error, zlib.error, MemoryError,
)  # fmt: skip


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


def describe(headers: Mapping[str, str | int | float]) -> Description:
    """Return what a published file says of itself, by the headers that de-identification hands out."""
    file_type = _file_type(str(headers.get("Modality", "")))
    number = headers.get("SeriesNumber")
    series_number = number if isinstance(number, int) and 0 <= number <= _LARGEST_SERIES else 0
    description = str(headers.get("SeriesDescription") or headers.get("ProtocolName") or "")
    # A data set without a series UID breaks PS3.3 C.7.3.1, but exists: then number and description make the series.
    series = str(headers.get("SeriesInstanceUID") or f"{series_number} {description}")
    instance = headers.get("InstanceNumber")
    return Description(
        file_type=file_type,
        extension=EXTENSION,
        identity=_digest(str(headers["SOPInstanceUID"])),
        series=_digest(f"{file_type} {series}"),
        series_number=series_number,
        series_description=description,
        number=instance if isinstance(instance, int) else None,
        acquired=_seconds(str(headers.get("AcquisitionDateTime", ""))),
    )


def _file_type(modality: str) -> str:
    """Return `DCM_` and the modality (PS3.3 C.7.3.1.1.1), `DCM_OT` where it has none."""
    code = modality.strip().upper()
    return f"DCM_{code}" if _MODALITY.fullmatch(code) else "DCM_OT"


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _seconds(moment: str) -> int | None:
    """Return an ISO 8601 time as seconds since 1970; scanners seldom give a zone, and shifted dates have none: read as UTC."""
    try:
        return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        return None


def read_facts(path: Path) -> DicomFacts:
    """Read a staged file's header and check that the file is whole (PS3.10 7, PS3.5 7).

    Raises:
        Unreadable: it is not a whole DICOM file; the reason is for its reviewer and holds no value of the file.
    """
    size = path.stat().st_size
    if size == 0:
        raise Unreadable("the file is empty (0 bytes)")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[_PREFIX] != b"DICM":
            raise Unreadable("not a DICOM file: it has no DICM prefix at byte 128")
        reader = _BoundedReader(content, size)
        try:
            return _facts(reader, size)
        except RecursionError:
            raise Unreadable("sequences are nested too deeply to be genuine") from None
        except _FAULTS:
            where = "truncated" if reader.ran_out else "broken"
            raise Unreadable(f"the data set is {where} near byte {reader.tell()} of {size}") from None


def _facts(reader: "_BoundedReader", size: int) -> DicomFacts:
    with _quietly():
        dataset = pydicom.dcmread(reader, defer_size=_DEFER_BYTES)
        if "TransferSyntaxUID" not in dataset.file_meta:
            raise Unreadable("the file meta information is missing: the transfer syntax is not known")
        _require_whole(dataset, reader, size)
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
        )
    if dataset.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        raise Unreadable("a DICOMDIR is the index of a disc, not an image; send the images themselves")
    if not facts.sop_class or not facts.sop_instance:
        raise Unreadable("the data set says neither what it is nor which: SOP class or instance UID is missing or malformed")
    return facts


def _require_whole(dataset: FileDataset, reader: "_BoundedReader", size: int) -> None:
    if reader.ran_out:
        raise Unreadable(f"the file is truncated: it ends at byte {size}, inside an element")
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
    """Return how many bytes the pixels must have (PS3.5 8.1.1); 0 where the header does not tell or they are compressed."""
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
    except _FAULTS:
        return ""


def _number(dataset: FileDataset, keyword: str) -> int | None:
    try:
        return int(_text(dataset, keyword))
    except ValueError:
        return None


def _uid(dataset: FileDataset, keyword: str) -> str:
    value = _text(dataset, keyword)
    return value if _UID.fullmatch(value) else ""


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Read what pydicom would complain of: odd values are the reviewer's business, and its warnings quote them."""
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


class _BoundedReader:
    """A file for pydicom over bytes in memory, that never gives more than there is and remembers being asked to."""

    def __init__(self, content: mmap.mmap, size: int) -> None:
        self._content = content
        self._size = size
        self._at = 0
        self.ran_out = False

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        self.ran_out = self.ran_out or self._at > self._size
        return self._at

    def read(self, count: int = -1) -> bytes:
        if count < 0:
            # pydicom asks for all that is left when the data set is deflated, and only then.
            self._refuse_bomb()
            count = self._size
        found = self._content[self._at : self._at + count]
        # A data set ends where the next element's header would begin; the search for an end reads ahead in steps.
        ends_here = not found and count == _HEADER_BYTES
        looks_ahead = found and count == _SEARCH_BYTES
        if len(found) < count < self._size and not ends_here and not looks_ahead:
            self.ran_out = True
        self._at += len(found)
        return found

    def _refuse_bomb(self) -> None:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        inflated = 0
        rest = self._content[self._at :]
        while rest:
            inflated += len(inflater.decompress(rest, _INFLATE_STEP))
            rest = inflater.unconsumed_tail
            if inflated > _LARGEST_INFLATED:
                raise Unreadable("the deflated data set is larger than 1 GiB when inflated")
