"""PDF: looked through whole. Whatever can be decoded is: pages as they read, strings and streams of every object, and what lies
between the objects. What carries properties, files, scripts or comments of people is held.

pypdf reads the structure; the file's bytes are searched beside it, for what no reference leads to is still in the file.
"""

from __future__ import annotations

import io
import re
import zlib
from typing import TYPE_CHECKING

from pypdf import PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, ByteStringObject, DictionaryObject, IndirectObject, StreamObject, TextStringObject

from deid.errors import Held, Unreadable
from deid.formats.decoding import runs
from deid.formats.looks import findings
from deid.formats.raster import walked
from deid.formats.text import hold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pypdf.generic import PdfObject

    from deid.formats.base import Work

_STREAM, _STREAM_END = re.compile(rb"(?<!end)stream\r?\n"), re.compile(rb"\r?\n?endstream")
_LARGEST, _MOST_OBJECTS, _MOST_PAGES = 1 << 26, 200_000, 2_000
_PROPERTIES = frozenset(
    {"/Author", "/Title", "/Subject", "/Keywords", "/CreationDate", "/ModDate", "/Company", "/SourceModified"}
)
_FILES = frozenset({"/EmbeddedFile", "/EF", "/EmbeddedFiles", "/Filespec", "/JS", "/JavaScript", "/RichMedia", "/PieceInfo"})
_COMMENTS = frozenset({"/Contents", "/T", "/RC", "/Subj", "/V", "/DV", "/TU"})
_WIDE_MARKS = (b"\xfe\xff", b"\xff\xfe")


def judge(data: memoryview, work: Work) -> None:
    """Hold a PDF in which something looks like an identity, or which nobody can look through."""
    raw = bytes(data)
    if re.search(rb"/Encrypt\b", raw):
        raise Held("an encrypted PDF cannot be looked through")
    if re.search(rb"/(?:Author|Title|Subject|Keywords|CreationDate|ModDate)\s*(?:\(\s*[^)\s]|<\s*[0-9A-Fa-f])", raw):
        raise Held("a PDF with properties (author, title, dates): save it without them", "properties")
    if b"<x:xmpmeta" in raw or b"<rdf:RDF" in raw:
        raise Held("a PDF with properties (XMP): save it without them", "properties")
    said, pictures = _structure(raw)
    said += [part.decode("latin-1") for part in _inflated(raw)]
    outside = re.sub(rb"stream\r?\n.*?endstream", b"\n", raw, flags=re.DOTALL)
    said.append(outside.decode("latin-1"))
    if pictures and not work.context.pixels_approved:
        raise Held("a PDF with pictures, which may show a name: somebody must look at it", "pictures")
    hold([each.placed(0) for part in said for each in findings(_letters(part), tables=False)], work)


def _letters(part: str) -> str:
    """What strings of a page's language say: ``[(Mu)-3(ster)] TJ`` is one word, and ``<feff0041>`` is text as well."""
    joined = re.sub(r"\)\s*-?[\d.]*\s*\(", "", part)
    strings = [re.sub(r"\\([()\\])", r"\1", each) for each in re.findall(r"\(((?:\\.|[^\\()])*)\)", joined)]
    coded = [bytes.fromhex(each + "0" * (len(each) % 2)) for each in re.findall(r"<([0-9A-Fa-f]{4,})>", part)]
    wide = [each.decode("utf-16" if each[:2] in _WIDE_MARKS else "latin-1", "replace") for each in coded]
    comments = re.findall(r"(?m)^%(?!PDF-|%EOF)(.*)$", part)
    is_code = re.search(r"\bobj\b|\bT[jJ]\b", part)
    return "\n".join([*strings, *wide, *comments, *([] if is_code else [part])])


def _structure(raw: bytes) -> tuple[list[str], bool]:
    """What the objects of a PDF say, and whether it has pictures."""
    try:
        reader = PdfReader(io.BytesIO(raw), strict=False)
        said = [*_pages(reader)]
        walk = _Objects(reader)
        walk.all()
    except Held:
        raise
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError, zlib.error):
        raise Held("a damaged PDF, which nobody can look through whole") from None
    return [*said, *walk.said], walk.pictures


def _pages(reader: PdfReader) -> Iterator[str]:
    if len(reader.pages) > _MOST_PAGES:
        raise Held("a PDF of too many pages to look through")
    for page in reader.pages:
        yield page.extract_text()


class _Objects:
    """All objects of a PDF, whether something leads to them or not."""

    def __init__(self, reader: PdfReader) -> None:
        self._reader = reader
        self.said: list[str] = []
        self.pictures = False

    def all(self) -> None:
        numbers = {number for table in self._reader.xref.values() for number in table} | set(self._reader.xref_objStm)
        if len(numbers) > _MOST_OBJECTS:
            raise Held("a PDF of too many objects to look through")
        self._object(self._reader.trailer, 0)
        for number in sorted(numbers):
            found = self._reader.get_object(IndirectObject(number, 0, self._reader)) if number else None
            if found is not None:
                self._object(found, 0)

    def _object(self, each: PdfObject, depth: int) -> None:
        if depth > 64:
            raise Held("a PDF nested too deep to look through")
        if isinstance(each, DictionaryObject):
            self._dictionary(each, depth)
        elif isinstance(each, ArrayObject):
            for inner in each:
                if not isinstance(inner, IndirectObject):
                    self._object(inner, depth + 1)
        elif isinstance(each, TextStringObject):
            self.said.append(str(each))
        elif isinstance(each, ByteStringObject):
            self.said.append(bytes(each).decode("latin-1"))

    def _dictionary(self, each: DictionaryObject, depth: int) -> None:
        keys = set(each)
        if each.get("/Type") == "/Metadata" or "/Metadata" in keys:
            raise Held("a PDF with properties (XMP): save it without them", "properties")
        named = [key for key in keys & _PROPERTIES if isinstance(each[key], TextStringObject | ByteStringObject)]
        if named and each.get("/Type") in (None, "/Info") and "/Dest" not in keys and "/A" not in keys:
            raise Held("a PDF with properties (author, title, dates): save it without them", "properties")
        if keys & _FILES or each.get("/Type") in _FILES:
            raise Held("a PDF with files or scripts in it: take them out", "attachments")
        if each.get("/Type") == "/Annot" or "/FT" in keys:
            self._comment(each)
        if isinstance(each, StreamObject):
            self._stream(each)
        for inner in each.values():
            if not isinstance(inner, IndirectObject):
                self._object(inner, depth + 1)

    def _comment(self, each: DictionaryObject) -> None:
        for key in _COMMENTS & set(each):
            value = each[key].get_object()
            if isinstance(value, TextStringObject | ByteStringObject) and str(value).strip():
                raise Held("a PDF with comments or filled-in fields: save it without them", "annotations")

    def _stream(self, each: StreamObject) -> None:
        is_picture = each.get("/Subtype") == "/Image"
        self.pictures = self.pictures or is_picture
        filters = each.get("/Filter")
        names = filters if isinstance(filters, list) else [filters] if filters else []
        if "/DCTDecode" in names or "/JPXDecode" in names:
            self._picture(bytes(each._data), str(names[-1]))  # noqa: SLF001 - pypdf gives pictures decoded only
        elif not is_picture and each.get("/Type") not in ("/XRef", "/ObjStm"):
            self.said.append(_readable(each.get_data()))

    def _picture(self, data: bytes, packed: str) -> None:
        try:
            removed = walked(memoryview(data)).removed if packed == "/DCTDecode" else []
        except Unreadable:
            raise Held("a PDF with a damaged picture", "pictures") from None
        if any(what.startswith(("APP", "COM", "JPG")) and what not in ("APP0", "APP14") for what, _ in removed):
            raise Held("a PDF with a picture that carries properties or comments: save it without them", "pictures")


def _readable(data: bytes) -> str:
    """A stream's text: as it is where it is text, else the stretches that can be read."""
    if sum(byte < 9 or 13 < byte < 32 for byte in data[:4096]) > len(data[:4096]) // 50:
        return runs(data)
    return data.decode("latin-1")


def _inflated(data: bytes) -> Iterator[bytes]:
    """What streams hold, packed or plain, also those that no reference leads to."""
    at = 0
    while found := _STREAM.search(data, at):
        end = _STREAM_END.search(data, found.end())
        if end is None:
            raise Unreadable("a PDF cut short within a stream")
        at = end.end()
        body = data[found.end() : end.start()]
        unpacker = zlib.decompressobj()
        try:
            part = unpacker.decompress(body, _LARGEST)
        except zlib.error:
            yield _readable(body).encode("latin-1", "replace")  # plain, or of another packing, which pypdf reads
            continue
        if body and not unpacker.eof and len(part) >= _LARGEST:
            raise Held("a PDF with a stream too large to look through")
        if unpacker.unused_data.strip():
            yield _readable(unpacker.unused_data).encode("latin-1", "replace")
        if b"<x:xmpmeta" in part or b"<rdf:RDF" in part:
            raise Held("a PDF with properties (XMP): save it without them", "properties")
        yield _readable(part).encode("latin-1", "replace")
