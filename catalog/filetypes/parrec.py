"""Philips PAR/REC: a text header and the images it describes, two files of one name."""

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from catalog.filetypes.model import BY_COMPANION, FORMAT, Field, Plain, Value
from catalog.filetypes.sample import Sample

_MARK = b"DATA DESCRIPTION FILE"
_READ = 1 << 20
_BITS, _COLUMNS, _ROWS = 7, 9, 10  # columns of version 4
_VERSION = re.compile(rb"image export tool\s+(V\d(?:\.\d)?)")
_GENERAL = re.compile(rb"^\.\s+([^:\r\n]{1,100}?)\s*:\s*([^\r\n]{0,200})", re.MULTILINE)
_NUMBER = re.compile(rb"[-+]?\d{1,9}(?:\.\d{1,9})?")
_NAMES = {
    b"max. number of slices/locations": "NumberOfSlices",
    b"max. number of dynamics": "NumberOfTemporalPositions",
    b"repetition time [ms]": "RepetitionTime",
    b"repetition time [msec]": "RepetitionTime",
}


class ParRec(Plain):
    """The header."""

    name = "PAR_REC"
    labels = ("PARREC",)
    companions = (".par", ".rec")
    fields = (
        FORMAT,
        Field("Columns", "US"),
        Field("Rows", "US"),
        Field("BitsAllocated", "US"),
        Field("NumberOfSlices", "US"),
        Field("NumberOfTemporalPositions", "IS", meaning="dynamics"),
        Field("RepetitionTime", "DS", "ms"),
    )

    def recognise(self, sample: Sample) -> bool:
        """By its first comment."""
        return sample.head.lstrip()[:1] == b"#" and _MARK in sample.head[:512]

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Read the general lines and the first image's."""
        head = file.read(_READ)
        if _MARK not in head[:512]:
            return {}
        version = _VERSION.search(head)
        found: dict[str, Value] = {"Format": f"PAR {version[1].decode()}" if version else "PAR"}
        for name, value in _GENERAL.findall(head):
            number = _NUMBER.match(value)
            if number and (known := _NAMES.get(name.strip().lower())):
                found[known] = float(number[0])
        row = next(_rows(head), ())
        if len(row) > _ROWS:
            found |= {"BitsAllocated": row[_BITS], "Columns": row[_COLUMNS], "Rows": row[_ROWS]}
        return found


class RecImages(Plain):
    """The images: bytes without a mark of their own, known by the header beside them."""

    name = "PAR_REC"
    labels = ()
    companions = (".par", ".rec")
    rank = BY_COMPANION

    def recognise(self, sample: Sample) -> bool:
        """By a header beside it that promises as many bytes as there are, as far as its first MiB says."""
        beside = sample.beside(".par")
        if beside is None or _MARK not in beside.head[:512]:
            return False
        sizes = [row[_BITS] * row[_COLUMNS] * row[_ROWS] // 8 for row in _rows(beside.read(0, _READ)) if len(row) > _ROWS]
        return bool(sizes) and 0 < sum(sizes) <= sample.size


def _rows(head: bytes) -> Iterator[tuple[int, ...]]:
    """Yield the whole numbers at the beginning of each image's line."""
    for line in head.splitlines():
        words = line.split()
        if words and words[0][:1].isdigit():
            numbers = words[: _ROWS + 1]
            if all(word.isdigit() and len(word) < 9 for word in numbers[_BITS:]):
                yield tuple(int(word) if word.isdigit() and len(word) < 9 else 0 for word in numbers)
