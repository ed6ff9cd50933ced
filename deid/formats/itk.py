"""MetaImage (`.mha`, `.mhd` with `.raw` or `.zraw`) and NRRD (`.nrrd`, `.nhdr` with its data): a header of lines, and voxels.

Fields that make the picture stay, others are judged by their names; comments go. The name of another file becomes the one it is
published by. What lies behind the voxels is cut.
https://docs.itk.org/en/latest/learn/metaio.html, https://teem.sourceforge.net/nrrd/format.html
"""

from __future__ import annotations

import re
import zlib
from math import prod
from typing import TYPE_CHECKING

from deid.errors import Held, Unreadable
from deid.formats.base import Context, Work, mapped
from deid.formats.keyed import NUMBERS, Values, reference, sibling

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_LARGEST_HEADER, _LARGEST = 1 << 20, 1 << 32
_META = re.compile(rb"^\s*(?:ObjectType|NDims)\s*=", re.MULTILINE)
_META_SIZES = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "LONG": 4, "ULONG": 4, "LONG_LONG": 8,
               "ULONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}  # fmt: skip
_META_TOKENS = frozenset(
    {"objecttype", "objectsubtype", "binarydata", "binarydatabyteordermsb", "elementbyteordermsb", "compresseddata", "modality"}
    | {"anatomicalorientation", "elementtype", "headersize", "distanceunits"}
)
_TOKEN = re.compile(r"[A-Za-z0-9_+\-]{1,32}")
_META_ENDINGS, _NRRD_ENDINGS = (".raw", ".zraw"), (".raw", ".raw.gz", ".gz")
_NRRD_TOKENS = frozenset(
    {
        "type",
        "dimension",
        "space",
        "sizes",
        "directions",
        "kinds",
        "endian",
        "encoding",
        "origin",
        "thicknesses",
        "spacings",
        "axis",
    }
    | {
        "mins",
        "maxs",
        "axismins",
        "axismaxs",
        "centers",
        "centerings",
        "block",
        "size",
        "blocksize",
        "old",
        "min",
        "max",
        "oldmin",
    }
    | {"oldmax", "line", "skip", "lineskip", "byte", "byteskip", "measurement", "frame", "number", "units", "spaceunits"}
)
_NRRD_VALUE = re.compile(r"[-+A-Za-z0-9_.,() \t\"?]*")
_NRRD_SIZES = {"char": 1, "int8": 1, "short": 2, "int16": 2, "int": 4, "int32": 4, "long": 8, "int64": 8, "longlong": 8,
               "float": 4, "double": 8, "block": 0}  # fmt: skip
_SEGMENT = re.compile(r"Segment(?:ation|\d+)_\w+")
_ASCII = re.compile(rb"[-+0-9.eEnaif\s]*|[0-9a-fA-F\s]*")


class MetaImage:
    """Cleans MetaImage headers and their images."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """A header by its first fields, an image by the header beside it."""
        return bool(_META.search(head[:1024]) and b"ElementDataFile" in head) or (
            source.suffix.lower() in _META_ENDINGS and sibling(source, (".mhd",)) is not None
        )

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean either."""
        data, work = mapped(source), Work(context)
        if not _META.search(bytes(data[:1024])):
            return _meta_voxels(source, data, target, work)
        fields, end = _meta_fields(bytes(data[:_LARGEST_HEADER]))
        values = Values(work)
        for key, value in fields:
            values.meaning(key)
            kept = _meta_value(key, value, values, context.stem)
            if kept is None:
                work.note("field", "X", "field", value.encode())
                continue
            work.write("header", f"{key} = {kept}\n".encode("latin-1", "replace"))
        local = fields[-1][1].upper() == "LOCAL"
        if local:
            work.keep(_cut(data[end:], _meta_size(dict(fields)), work))
        return work.finish(target, ".mha" if local else ".mhd", {"FileType": "METAIMAGE"})


def _meta_fields(head: bytes) -> tuple[list[tuple[str, str]], int]:
    """The fields of a header up to the one that names the data, and where they end."""
    fields: list[tuple[str, str]] = []
    at = 0
    while at < len(head):
        end = head.find(b"\n", at)
        end = len(head) if end < 0 else end
        key, sign, value = head[at:end].decode("latin-1").partition("=")
        at = end + 1
        if sign:
            fields.append((key.strip(), value.strip()))
            if fields[-1][0] == "ElementDataFile":
                return fields, at
        elif key.strip():
            raise Unreadable("a MetaImage header with a line that names no value")
    raise Unreadable("a MetaImage header that does not say where its data are")


def _meta_value(key: str, value: str, values: Values, stem: str) -> str | None:
    if key == "ElementDataFile":
        if value.upper() == "LOCAL":
            return "LOCAL"
        found = reference(value, stem, _META_ENDINGS)
        if found is None:
            raise Held("a MetaImage header whose data are in many files, or in none of its own name")
        return found
    if key.casefold() in _META_TOKENS and _TOKEN.fullmatch(value):
        return value
    if key in ("Comment", "Name", "ID", "ParentID") and not NUMBERS.fullmatch(value):
        return None if key != "Comment" else values.clean(key, value)
    return values.clean(key, value)


def _meta_size(fields: dict[str, str]) -> int:
    """How many bytes the voxels of a header have."""
    try:
        if fields.get("CompressedData", "False").casefold() == "true":
            return int(fields["CompressedDataSize"])
        kind = fields["ElementType"].removeprefix("MET_").removesuffix("_ARRAY")
        return prod(map(int, fields["DimSize"].split())) * int(fields.get("ElementNumberOfChannels", "1")) * _META_SIZES[kind]
    except (KeyError, ValueError):
        raise Held("a MetaImage header that does not say how large its image is") from None


def _meta_voxels(source: Path, data: memoryview, target: BinaryIO, work: Work) -> Report:
    header = sibling(source, (".mhd",))
    if header is None:
        raise Unreadable("the header of this image is gone")
    with header.open("rb") as stream:
        fields, _ = _meta_fields(stream.read(_LARGEST_HEADER))
    work.keep(_cut(data, _meta_size(dict(fields)), work))
    return work.finish(target, source.suffix.lower(), {"FileType": "METAIMAGE"})


def _cut(data: memoryview, size: int, work: Work) -> memoryview:
    if len(data) < size:
        raise Unreadable("an image cut short")
    if len(data) > size:
        work.note("tail", "X", "bytes behind the image", data[size:])
    return data[:size]


class Nrrd:
    """Cleans NRRD files and the data of detached headers."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By the magic, or by a detached header beside it."""
        beside = source.suffix.lower() in (".raw", ".gz") and sibling(source, (".nhdr",)) is not None
        return head.startswith(b"NRRD000") or beside

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean either."""
        data, work = mapped(source), Work(context)
        if bytes(data[:7]) != b"NRRD000":
            header = sibling(source, (".nhdr",))
            if header is None:
                raise Unreadable("the header of these data is gone")
            with header.open("rb") as stream:
                fields, _ = _nrrd_fields(stream.read(_LARGEST_HEADER))
            self._data(data, fields, work)
            return work.finish(target, ".raw.gz" if _packed(fields) else ".raw", {"FileType": "NRRD"})
        head = bytes(data[:_LARGEST_HEADER])
        fields, end = _nrrd_fields(head)
        values, detached = Values(work), False
        work.write("header", head[:8] + b"\n")
        for key, sign, value in fields:
            if key in ("data file", "datafile"):
                detached = True
                kept = reference(value, context.stem, _NRRD_ENDINGS)
                if kept is None:
                    raise Held("an NRRD header whose data are in many files, or in none of its own name")
                kept = context.stem + (".raw.gz" if _packed(fields) else ".raw")
            else:
                kept = _nrrd_value(key, sign, value, values)
            if kept is None:
                work.note("field", "X", "field", value.encode())
            else:
                work.write("header", f"{key}{sign}{' ' if sign == ':' else ''}{kept}\n".encode("latin-1", "replace"))
        if not detached:
            work.write("header", b"\n")
            self._data(data[end:], fields, work)
        return work.finish(target, ".nhdr" if detached else ".nrrd", {"FileType": "NRRD"})

    def _data(self, data: memoryview, fields: list[tuple[str, str, str]], work: Work) -> None:
        header = {key: value for key, sign, value in fields if sign == ":"}
        encoding = header.get("encoding", "raw").casefold()
        if any(header.get(key, "0") not in ("0", "") for key in ("line skip", "lineskip", "byte skip", "byteskip")):
            raise Held("an NRRD whose data do not begin at once")
        size = _nrrd_size(header)
        if encoding == "raw":
            work.keep(_cut(data, size, work))
        elif encoding in ("gzip", "gz"):
            work.keep(memoryview(_repacked(data, size)))
        elif encoding in ("ascii", "text", "txt", "hex") and _ASCII.fullmatch(data):
            work.keep(data)
        else:
            raise Held("an NRRD whose data are packed in a way that nobody here can look through")


def _packed(fields: list[tuple[str, str, str]]) -> bool:
    return any(key == "encoding" and value.casefold() in ("gzip", "gz") for key, _, value in fields)


def _repacked(data: memoryview, size: int) -> bytes:
    """Packed data without the name and time that their packer noted, and without what is no voxel."""
    if size > _LARGEST:
        raise Held("an NRRD too large to pack anew")
    try:
        plain = zlib.decompressobj(wbits=31).decompress(data, size)
    except zlib.error:
        raise Unreadable("an NRRD with damaged data") from None
    if len(plain) < size:
        raise Unreadable("an NRRD cut short")
    return zlib.compress(plain, 6, wbits=31)


def _nrrd_fields(head: bytes) -> tuple[list[tuple[str, str, str]], int]:
    """(name, sign, value) of the fields, and where the data begin: behind the first empty line."""
    end = re.search(rb"\r?\n\r?\n", head)
    text = head[: end.start() if end else len(head)].decode("latin-1")
    fields = []
    for line in text.splitlines()[1:]:
        if line.startswith("#") or not line.strip():
            continue
        found = re.match(r"([^:=]+)(:=|:)\s?(.*)", line)
        if found is None:
            raise Unreadable("an NRRD header with a line that names no value")
        fields.append((found[1].strip(), found[2], found[3].strip()))
    return fields, end.end() if end else len(head)


def _nrrd_value(key: str, sign: str, value: str, values: Values) -> str | None:
    if sign == ":":
        if key.casefold() == "content":
            return None
        if set(key.casefold().split()) <= _NRRD_TOKENS and _NRRD_VALUE.fullmatch(value):
            return value
        return values.clean("label", value)
    if _SEGMENT.fullmatch(key):
        return values.clean("LongName", value)  # a term, as names of structures are
    if key.startswith("DWMRI_") and NUMBERS.fullmatch(value):
        return value
    return "DWMRI" if (key, value) == ("modality", "DWMRI") else values.clean(key, value)


def _nrrd_size(header: dict[str, str]) -> int:
    kind = header.get("type", "").casefold().removeprefix("signed ").removesuffix(" int").removesuffix("_t")
    kind = kind.removeprefix("unsigned ").removeprefix("u") or "int"
    try:
        return prod(map(int, header["sizes"].split())) * _NRRD_SIZES[kind.replace("long long", "longlong")]
    except (KeyError, ValueError):
        raise Held("an NRRD header that does not say how large its image is") from None
