"""Raw data of MR scanners: Siemens twix (VB, VD/VE/XA) and ISMRMRD."""

import re
import struct
from collections.abc import Callable, Mapping
from typing import BinaryIO

from catalog.filetypes.model import FORMAT, Field, Look, Plain, Preview, Value
from catalog.filetypes.plain_text import text_preview
from catalog.filetypes.sample import HEAD_BYTES, Sample

_SMALLEST_OLD, _MOST_MEASUREMENTS, _MOST_BUFFERS, _ENTRY, _LIST = 10_000, 64, 64, 152, 8
_NAMES = (b"Config", b"Dicom", b"Meas", b"MeasYaps", b"Phoenix", b"Spice")
_HDF5 = b"\x89HDF\r\n\x1a\n"
# Names of members of an HDF5 file's first groups, which stand at its beginning.
_XML, _DATA = (re.compile(rb"(?<![A-Za-z_])" + name + rb"(?![A-Za-z_])") for name in (b"xml", b"data"))
_READ = 1 << 22
_VALUES = (
    ("EchoTime", re.compile(rb"^\s*alTE\[0\]\s*=\s*(\d{1,12})", re.MULTILINE), 1000.0),
    ("RepetitionTime", re.compile(rb"^\s*alTR\[0\]\s*=\s*(\d{1,12})", re.MULTILINE), 1000.0),
    ("InversionTime", re.compile(rb"^\s*alTI\[0\]\s*=\s*(\d{1,12})", re.MULTILINE), 1000.0),
    ("FlipAngle", re.compile(rb"^\s*adFlipAngleDegree\[0\]\s*=\s*(\d{1,6}(?:\.\d{1,9})?)", re.MULTILINE), 1.0),
    (
        "MagneticFieldStrength",
        re.compile(rb"^\s*sProtConsistencyInfo\.flNominalB0\s*=\s*(\d{1,3}(?:\.\d{1,9})?)", re.MULTILINE),
        1.0,
    ),
)


class MrRaw(Plain):
    """What a scanner measured, before it is made images."""

    name = "MR_RAW"
    labels = ("MR_RAW",)
    fields = (
        FORMAT,
        Field("NumberOfMeasurements", "US", meaning="measurements in one file"),
        Field("EchoTime", "DS", "ms"),
        Field("RepetitionTime", "DS", "ms"),
        Field("InversionTime", "DS", "ms"),
        Field("FlipAngle", "DS", "deg"),
        Field("MagneticFieldStrength", "DS", "T"),
    )

    def recognise(self, sample: Sample) -> bool:
        """By twix's list of measurements and its buffers' names, or by the groups of ISMRMRD in an HDF5 file."""
        return _twix(sample.head, sample.read) is not None or _is_ismrmrd(sample.head)

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Read the last measurement's protocol, as far as its first 4 MiB say."""
        head = file.read(HEAD_BYTES)
        if head.startswith(_HDF5):
            return {"Format": "ISMRMRD"}

        def at(offset: int, count: int) -> bytes:
            file.seek(offset)
            return file.read(count)

        found = _twix(head, at)
        if found is None:
            return {}
        kind, count, offset = found
        values: dict[str, Value] = {"Format": kind, "NumberOfMeasurements": count}
        protocol = at(offset, _READ)
        for name, pattern, divisor in _VALUES:
            if match := pattern.search(protocol):
                values[name] = float(match[1]) / divisor
        return values

    def preview(self, file: BinaryIO, look: Look) -> Preview | None:
        """Show what a raw file says of itself: the last measurement's protocol, or the tree of its HDF5."""
        head = file.read(HEAD_BYTES)
        file.seek(0)
        if head.startswith(_HDF5):
            from catalog.filetypes import hdf5_text  # late: looking at names must not wait for it

            return hdf5_text.preview(file)

        def at(offset: int, count: int) -> bytes:
            file.seek(offset)
            return file.read(count)

        found = _twix(head, at)
        if found is None:
            return None
        kind, count, offset = found
        protocol = at(offset, _READ).decode("latin-1")
        lines = (line.rstrip() for line in protocol.splitlines())
        readable = [line for line in lines if line and sum(c.isprintable() or c == "\t" for c in line) > len(line) * 0.9]
        return text_preview([f"{kind}, measurements: {count}; the protocol of the last", "", *readable])


def _twix(head: bytes, read: Callable[[int, int], bytes]) -> tuple[str, int, int] | None:
    """Return the software line, how many measurements there are and where the last begins; None if it is no twix file."""
    if len(head) < 64:
        return None
    first, second = struct.unpack_from("<II", head)
    kind, count, offset = "twix VB", 1, 0
    if first < _SMALLEST_OLD and 1 <= second <= _MOST_MEASUREMENTS:
        entry = _LIST + _ENTRY * (second - 1) + 8
        if len(head) < entry + 8 and len(head := read(0, entry + 8)) < entry + 8:
            return None
        kind, count, offset = "twix VD", second, struct.unpack_from("<Q", head, entry)[0]
        head = read(offset, 64)
        if len(head) < 64:
            return None
        first, second = struct.unpack_from("<II", head)
    named = 1 <= second <= _MOST_BUFFERS and head[8:].split(b"\0")[0] in _NAMES
    return (kind, count, offset) if named else None


def _is_ismrmrd(head: bytes) -> bool:
    return head.startswith(_HDF5) and bool(_XML.search(head) and _DATA.search(head))
