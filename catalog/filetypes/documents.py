"""Tables, texts, PDF and Office files; RESULT and RAW, which are what somebody said they are."""

import codecs
import csv
import json
from collections.abc import Mapping
from typing import BinaryIO

from catalog.filetypes.model import BY_LOOKS, FORMAT, NEVER, Field, Look, Plain, Preview, Value
from catalog.filetypes.sample import HEAD_BYTES, Sample
from catalog.pure.errors import Unreadable

_SHOWN = 4000
_LARGEST_PDF = 256 << 20
_LINES = 20
_LARGEST_JSON = 1 << 20
_MARKUP = ("<?xml", "<!doctype", "<html", "<svg", "{\\rtf", "%!ps")
_LONGEST_VALUE = 64
_SIDECAR = {
    field.name: field
    for field in (
        Field("EchoTime", "DS", "ms"),
        Field("RepetitionTime", "DS", "ms"),
        Field("InversionTime", "DS", "ms"),
        Field("FlipAngle", "DS", "deg"),
        Field("MagneticFieldStrength", "DS", "T"),
        Field("SliceThickness", "DS", "mm"),
        Field("Manufacturer", "LO"),
        Field("ManufacturersModelName", "LO", meaning="as BIDS calls it"),
        Field("Modality", "CS"),
        Field("ProtocolName", "LO"),
        Field("SeriesDescription", "LO"),
        Field("SequenceName", "SH"),
        Field("PhaseEncodingDirection", "CS", meaning="i, j or k, and - for backwards: BIDS"),
        Field("TaskName", "LO", meaning="BIDS"),
        Field("SamplingFrequency", "DS", "Hz", meaning="BIDS"),
    )
}
"""What sidecars of images call as DICOM does, or BIDS."""
_OLE, _ZIP = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04"
_MEMBERS = (b"[Content_Types].xml", b"META-INF/manifest.xml", b"mimetypeapplication/vnd.oasis")


def text_of(head: bytes, whole: bool) -> str:
    """Return the beginning of a file as text; '' if it is none: UTF-8 without control characters."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head, final=whole)
    except UnicodeDecodeError:
        return ""
    plain = all(c.isprintable() or c in "\t\r\n\f" for c in text)
    return text if plain and not text.lstrip().lower().startswith(_MARKUP) else ""


def table_format(text: str, whole: bool) -> tuple[str, int]:
    """Return JSON, TSV or CSV and how many columns it has (JSON 0); '' for what is no table. The last line may be cut."""
    if text.lstrip()[:1] in {"{", "["}:
        return ("JSON", 0) if not whole or _is_json(text) else ("", 0)
    lines = [line for line in text.splitlines()[: _LINES + (not whole)] if line.strip()]
    lines = lines if whole or len(lines) == 1 else lines[:-1]
    for kind, delimiter in (("TSV", "\t"), ("CSV", ","), ("CSV", ";")):
        try:
            counts = {len(row) for row in csv.reader(lines, delimiter=delimiter)}
        except csv.Error:
            continue
        if len(counts) == 1 and (count := counts.pop()) > 1:
            return kind, count
    return "", 0


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _sidecar_values(text: str) -> dict[str, Value]:
    """Return what the sidecar of an image says of it, in DICOM's units: BIDS counts times in seconds."""
    value = json.loads(text)
    found: dict[str, Value] = {}
    for key, field in _SIDECAR.items() if isinstance(value, dict) else ():
        found_value = value.get(key)
        if field.is_number and isinstance(found_value, int | float) and not isinstance(found_value, bool):
            found[field.name] = round(found_value * 1000, 6) if field.unit == "ms" else found_value
        elif not field.is_number and isinstance(found_value, str) and len(found_value) <= _LONGEST_VALUE:
            found[field.name] = found_value
    return found


def _text(sample: Sample) -> tuple[str, bool]:
    whole = sample.size <= HEAD_BYTES
    return text_of(sample.head, whole), whole


class Table(Plain):
    """Rows and columns, or JSON."""

    name = "TABLE"
    labels = ("CSV", "TSV", "JSON")
    rank = BY_LOOKS
    fields = (FORMAT, Field("NumberOfColumns", "US", meaning="columns of a table"), *_SIDECAR.values())

    def recognise(self, sample: Sample) -> bool:
        """By its first lines having as many cells each; JSON that is small enough must be whole."""
        text, whole = _text(sample)
        if text.lstrip()[:1] in {"{", "["} and not whole and sample.size <= _LARGEST_JSON:
            text, whole = text_of(sample.read(0, _LARGEST_JSON), True), True
        return bool(text) and table_format(text, whole)[0] != ""

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Read which it is; what its columns are called stays in the file."""
        head = file.read(_LARGEST_JSON + 1)
        whole = len(head) <= _LARGEST_JSON
        kind, columns = table_format(text_of(head, whole), whole)
        if kind == "JSON" and whole:
            return {"Format": kind, **_sidecar_values(text_of(head, whole))}
        return {"Format": kind, **({"NumberOfColumns": columns} if columns else {})} if kind else {}

    def preview(self, file: BinaryIO, _look: Look) -> Preview | None:
        """Show its first lines."""
        return _beginning(file)


class Text(Plain):
    """Any other text."""

    name = "TEXT"
    labels = ("TEXT",)
    rank = BY_LOOKS

    def recognise(self, sample: Sample) -> bool:
        """By being UTF-8 without control characters, and no table."""
        text, _ = _text(sample)
        return bool(text) and not Table().recognise(sample)

    def preview(self, file: BinaryIO, _look: Look) -> Preview | None:
        """Show its first lines."""
        return _beginning(file)


class Pdf(Plain):
    """A document in PDF."""

    name = "PDF"
    labels = ("PDF",)

    def recognise(self, sample: Sample) -> bool:
        """By the signature, which readers accept within the first KiB."""
        return b"%PDF-" in sample.head[:1024]

    def preview(self, file: BinaryIO, look: Look) -> Preview | None:
        """Show one of its pages."""
        from catalog.filetypes import pdf_picture  # late: looking at names must not wait for it

        data = file.read(_LARGEST_PDF + 1)
        if len(data) > _LARGEST_PDF:
            raise Unreadable("it is too large to be shown")
        return pdf_picture.preview(data, look)


class Office(Plain):
    """A document, table or slides of an Office program."""

    name = "OFFICE"
    labels = ("OFFICE",)

    def recognise(self, sample: Sample) -> bool:
        """By the signature; a ZIP by the names of its first members."""
        head = sample.head
        return head.startswith(_OLE) or (head.startswith(_ZIP) and any(member in head for member in _MEMBERS))


class Result(Plain):
    """What somebody made of a series: a tree of files of any kind, a result because its uploader says so."""

    name = "RESULT"
    labels = ("RESULT",)
    rank = NEVER

    def recognise(self, sample: Sample) -> bool:
        """Never by content."""
        return False


class Raw(Plain):
    """What no other type knows and somebody vouches for."""

    name = "RAW"
    labels = ("RAW",)
    rank = NEVER

    def recognise(self, sample: Sample) -> bool:
        """Never by content."""
        return False


def _beginning(file: BinaryIO) -> Preview | None:
    text = text_of(file.read(_SHOWN), False)
    return Preview("text/plain; charset=utf-8", text.encode()) if text else None
