"""What may hold anything in a form nobody can look through: PDF and Office files.

They pass if the profile attests them and neither properties nor readable text look like an identity.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import TYPE_CHECKING

from deid.errors import Held, Unreadable
from deid.formats.base import Context, Work, mapped
from deid.formats.text import judge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_PDF, _ZIP, _OLE = b"%PDF-", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_INFO = re.compile(rb"/(?:Author|Title|Subject|Keywords)\s*(?:\(\s*[^)\s]|<\s*[0-9A-Fa-f])")
_MADE = re.compile(rb"/(?:CreationDate|ModDate)\s*[(<]")
_STREAM = re.compile(rb"(?<!end)stream\r?\n")
_STREAM_END = re.compile(rb"endstream")
_PACKET = b"<x:xmpmeta"
_TAGS = re.compile(r"<[^>]*>")
_PROPERTIES = re.compile(
    r"<(?:dc:creator|dc:title|dc:subject|cp:lastModifiedBy|cp:keywords|dc:description|Company|Manager)>[^<]"
)
_PEOPLE = re.compile(r"(?:w:author|w15:author|authorId|initials|displayName)=\"[^\"]")
_MOST_MEMBERS, _LARGEST = 10_000, 1 << 26


class Document:
    """Passes PDF and Office files that are attested."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By the signature; a ZIP by holding what Office files hold."""
        return _PDF in head[:1024] or head.startswith(_OLE) or (head.startswith(_ZIP) and _is_office(source))

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Pass one file, or hold it."""
        data = mapped(source)
        pdf = _PDF in bytes(data[:1024])
        kind = "PDF" if pdf else "OFFICE"
        if not context.attests(kind):
            raise Held(f"a document may hold anything: the profile must attest {kind} for it")
        if bytes(data[:8]) == _OLE:
            raise Held("an Office file of the old kind: its properties cannot be looked through; save it anew")
        ending = ".pdf" if pdf else _office(source)
        if pdf:
            _judge_pdf(data)
        work = Work(context)
        work.keep(data)
        return work.finish(target, ending, {"FileType": kind})


def _judge_pdf(data: memoryview) -> None:
    if re.search(rb"/Encrypt\b", data):
        raise Held("an encrypted PDF cannot be looked through")
    plain = [bytes(data), *_inflated(data)]
    for part in plain:
        if _INFO.search(part) or _MADE.search(part) or _PACKET in part:
            raise Held("a PDF with properties (author, title, dates): save it without them", "properties")
    for part in plain[1:]:
        judge(part.decode("latin-1"), "PDF")


def _inflated(data: memoryview) -> Iterator[bytes]:
    """What the packed streams of a PDF hold, as far as it is text."""
    at = 0
    while found := _STREAM.search(data, at):
        end = _STREAM_END.search(data, found.end())
        if end is None:
            raise Unreadable("a PDF cut short within a stream")
        at = end.end()
        unpacker = zlib.decompressobj()
        try:
            part = unpacker.decompress(data[found.end() : end.start()], _LARGEST)
        except zlib.error:
            continue  # not packed, or an image
        if not unpacker.eof:
            raise Held("a PDF with a stream too large to look through")
        yield part


def _is_office(source: Path) -> bool:
    try:
        with zipfile.ZipFile(source) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return "[Content_Types].xml" in names or "META-INF/manifest.xml" in names


def _office(source: Path) -> str:
    """Judge a file of the zipped kinds; gives its ending."""
    with zipfile.ZipFile(source) as archive:
        members = archive.infolist()
        if len(members) > _MOST_MEMBERS or sum(member.file_size for member in members) > _LARGEST:
            raise Held("an Office file too large to look through")
        if archive.comment:
            raise Held("an Office file with a comment behind it", "properties")
        for member in members:
            if not member.filename.endswith((".xml", ".rels", "/")):
                raise Held("an Office file with pictures or other files in it: take them out", "members")
            try:
                text = archive.read(member).decode("utf-8")
            except (UnicodeDecodeError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
                raise Unreadable("a damaged Office file") from None
            if _PROPERTIES.search(text) or _PEOPLE.search(text):
                raise Held("an Office file with properties or comments of a person: save it without them", "properties")
            if "/_rels/" not in member.filename and not member.filename.startswith(("docProps/", "_rels/", "[")):
                judge("\n".join(_TAGS.split(text)), "OFFICE")
        names = {member.filename.split("/")[0] for member in members}
    return next(
        (ending for folder, ending in (("word", ".docx"), ("xl", ".xlsx"), ("ppt", ".pptx")) if folder in names), ".odt"
    )
