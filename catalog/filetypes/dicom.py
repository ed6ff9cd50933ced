"""DICOM: whether a file is whole, and what it says of itself.

Reading trusts nothing: no length is believed beyond the file's end, no pixel is decoded, and every fault becomes `Unreadable`
with a reason that holds no value of the file. What is read holds identities and must stay in staging.
"""

import contextlib
import hashlib
import io
import logging
import re
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

import pydicom
from pydicom import config
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, MediaStorageDirectoryStorage

from catalog.durable import as_archimed_error
from catalog.pure.errors import Unreadable
from catalog.pure.filing import Description

# pydicom's warnings quote values.
logging.getLogger("pydicom").addHandler(logging.NullHandler())
logging.getLogger("pydicom").propagate = False

EXTENSION = ".dcm"
_PREFIX_END = 132
_PREFIX = slice(128, _PREFIX_END)
_HEADER_BYTES = 8
_ITEM_TAGS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
_SEARCH_BYTES = 8192  # pydicom's step when it looks for the end of a value of undefined length
_DEFER_BYTES = 1024
_LARGEST_INFLATED = 1 << 30
# What a header may cost in memory, and what pydicom's objects cost beside the bytes: an item of a sequence, an element.
_LARGEST_HEADER = 1 << 30
_COST_OF_ITEM = 2048
_COST_OF_ELEMENT = 384
_INFLATE_STEP = 1 << 20
_UID = re.compile(r"[0-9.]{1,64}")
_LARGEST_SERIES = 2**31 - 1
_MODALITY = re.compile(r"[A-Z0-9]{1,16}")
PICTURE_TAGS = {
    keyword: Tag(keyword)
    for keyword in (
        "SOPClassUID", "Modality", "ImageType", "ConversionType", "Manufacturer", "SeriesDescription", "ManufacturerModelName",
        "SecondaryCaptureDeviceManufacturer", "SecondaryCaptureDeviceManufacturerModelName", "SoftwareVersions",
        "PhotometricInterpretation", "BurnedInAnnotation", "SamplesPerPixel", "Rows", "Columns",
    )
}  # fmt: skip
_SHORTS = {Tag("SamplesPerPixel"), Tag("Rows"), Tag("Columns")}
_LONGEST_HEADER = 256
_PIXEL_TAGS = (Tag("PixelData"), Tag("FloatPixelData"), Tag("DoubleFloatPixelData"))


@dataclass(frozen=True, slots=True)
class DicomFacts:
    """What a staged DICOM file says of itself; '' and None where it says nothing. Holds identities.

    `picture` has the headers of `PICTURE_TAGS` by keyword, for rules on what may be burned into its pixels; it is empty where
    there are no pixels. `framed`: the device described the parts of the picture (Sequence of Ultrasound Regions).
    """

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
    picture: Mapping[str, str]
    framed: bool


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


def read_facts(path: Path) -> DicomFacts:
    """Read a staged file's header and check that the file is whole (PS3.10 7, PS3.5 7).

    Raises:
        Unreadable: it is not a whole DICOM file; the reason is for its reviewer and holds no value of the file.
        Unavailable: the disk does not give its bytes.
        FileNotFoundError: it is not there.
    """
    size = path.stat().st_size
    if size == 0:
        raise Unreadable("the file is empty (0 bytes)")
    # Not mapped into memory: a bad block would then be a signal that kills the process, not an error.
    with path.open("rb") as file, _quietly():
        reader = _BoundedReader(file, size)
        try:
            with _explained(reader):
                if file.read(_PREFIX_END)[_PREFIX] != b"DICM":
                    raise NotDicom("not a DICOM file: it has no DICM prefix at byte 128")
                reader.seek(0)
                return _facts(pydicom.dcmread(reader, defer_size=_DEFER_BYTES), reader)
        except _DeflatedError:
            return _facts_of_deflated(file, reader.tell())


def _facts_of_deflated(file: BinaryIO, start: int) -> DicomFacts:
    before = _BoundedReader(file, start)
    with _explained(before):
        meta = pydicom.dcmread(before).file_meta
        inflated = _inflated(file, start)
    reader = _BoundedReader(inflated, inflated.getbuffer().nbytes)
    with _explained(reader):
        dataset = read_dataset(cast("BinaryIO", reader), is_implicit_VR=False, is_little_endian=True, defer_size=_DEFER_BYTES)
        return _facts(FileDataset(reader, dataset, file_meta=meta, is_implicit_VR=False), reader)


@contextlib.contextmanager
def _explained(reader: "_BoundedReader") -> Iterator[None]:
    """Turn whatever pydicom makes of a broken data set into a reason."""
    try:
        yield
    except (Unreadable, _DeflatedError):
        raise
    except Exception as error:  # noqa: BLE001 - what pydicom raises at damage has no common base, and new damage finds new ones
        # pydicom turns all that happens at the head of an item into an OSError.
        first = error.__context__ if isinstance(error.__context__, RecursionError | Unreadable | OSError) else error
        if isinstance(first, OSError) and first.errno is not None:
            raise as_archimed_error(first, "a staged file cannot be read") from None
        raise Unreadable(_reason(first, reader)) from None


def _reason(error: BaseException, reader: "_BoundedReader") -> str:
    if isinstance(error, Unreadable):
        return str(error)
    if isinstance(error, RecursionError):
        return "sequences are nested too deeply to be genuine"
    where = "truncated" if reader.ran_out else "broken"
    return f"the data set is {where} near byte {reader.tell()} of {reader.size}"


def _facts(dataset: FileDataset, reader: "_BoundedReader") -> DicomFacts:
    if "TransferSyntaxUID" not in dataset.file_meta:
        raise Unreadable("the file meta information is missing: the transfer syntax is not known")
    _require_whole(dataset, reader)
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
        picture=_picture(dataset),
        framed="SequenceOfUltrasoundRegions" in dataset,
    )
    if dataset.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        raise Index("a DICOMDIR is the index of a disc, not an image; send the images themselves")
    if not facts.sop_class or not facts.sop_instance:
        raise Unreadable("the data set says neither what it is nor which: SOP class or instance UID is missing or malformed")
    return facts


def _require_whole(dataset: FileDataset, reader: "_BoundedReader") -> None:
    if reader.ran_out:
        raise Unreadable(f"the file is truncated: it ends at byte {reader.size}, inside an element")
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


def _picture(dataset: FileDataset) -> dict[str, str]:
    if not any(tag in dataset for tag in _PIXEL_TAGS):
        return {}
    return {keyword: _raw(dataset, tag) for keyword, tag in PICTURE_TAGS.items() if tag in dataset}


def _raw(dataset: FileDataset, tag: BaseTag) -> str:
    """Return a short value as it stands in the file, without the cost of pydicom's objects; '' where it is missing."""
    raw: object = dataset.get_item(tag) if tag in dataset else None
    if not isinstance(raw, RawDataElement):
        value = getattr(raw, "value", "")
        return "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value or "")
    value = (raw.value or b"")[:_LONGEST_HEADER]
    if tag in _SHORTS:
        return str(int.from_bytes(value[:2], "little" if raw.is_little_endian else "big"))
    return value.decode("latin-1").strip(" \0")


def _uid(dataset: FileDataset, keyword: str) -> str:
    value = _text(dataset, keyword)
    return value if _UID.fullmatch(value) else ""


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Read what pydicom would complain of: odd values are the reviewer's business, and its warnings quote them."""
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


class NotDicom(Unreadable):
    """The file is of another kind."""


class Index(Unreadable):
    """The file is the index of a disc."""


class _DeflatedError(Exception):
    """The data set is deflated from here on."""


def _inflated(file: BinaryIO, start: int) -> io.BytesIO:
    """Return the data set that is deflated from `start` on (PS3.5 A.5), never more than is reasonable."""
    file.seek(start)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = io.BytesIO()
    try:
        while rest := file.read(_INFLATE_STEP):
            while rest and not inflater.eof:
                inflated.write(inflater.decompress(rest, _INFLATE_STEP))
                rest = inflater.unconsumed_tail
                if inflated.tell() > _LARGEST_INFLATED:
                    raise Unreadable("the deflated data set is larger than 1 GiB when inflated")
        inflated.write(inflater.flush())
    except zlib.error:
        raise Unreadable("the deflated data set is broken") from None
    if not inflater.eof:
        raise Unreadable("the deflated data set is truncated")
    return inflated


class _BoundedReader:
    """The first `size` bytes of a file, for pydicom: never gives more than there is and remembers being asked to.

    What pydicom keeps of a header it asks for here, so here is where a header that would fill the memory ends.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._file.seek(0)
        self.size = size
        self._at = 0
        self._cost = 0
        self.ran_out = False

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0, self._at, self.size)[whence])
        self._file.seek(self._at)
        self.ran_out = self.ran_out or self._at > self.size
        return self._at

    def read(self, count: int = -1) -> bytes:
        if count < 0:
            # pydicom asks for all that is left when the data set is deflated, and only then.
            raise _DeflatedError
        here = max(0, min(count, self.size - self._at))
        if count != _SEARCH_BYTES:
            self._charge(here)
        found = self._file.read(here)
        if count == _HEADER_BYTES:
            self._charge(_COST_OF_ITEM if found[:4] in _ITEM_TAGS else _COST_OF_ELEMENT)
        # A data set ends where the next element's header would begin; the search for an end reads ahead in steps.
        ends_here = not found and count == _HEADER_BYTES
        looks_ahead = found and count == _SEARCH_BYTES
        if len(found) < count and not ends_here and not looks_ahead:
            self.ran_out = True
        self._at += len(found)
        return found

    def _charge(self, cost: int) -> None:
        self._cost += cost
        if self._cost > _LARGEST_HEADER:
            raise Unreadable("the header alone would take more than 1 GiB of memory")
