"""Office files of the zipped kinds: OpenXML (`.docx`, `.xlsx`, `.pptx`) and OpenDocument.

The package is written anew with neutral properties and without dates; text, tables and cells are looked through as they are
read: columns by their headings, dates also where a number is shown as one. Comments, pictures and other files are held.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import TYPE_CHECKING

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from deid.errors import Held, Unreadable
from deid.formats.looks import Finding, findings, in_rows
from deid.formats.markup import local
from deid.formats.text import hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from xml.etree import ElementTree as ET  # only to name a type; what was sent is parsed by defusedxml

    from deid.formats.base import Work

_MOST_MEMBERS, _LARGEST = 10_000, 1 << 26
_ENDINGS = (("word", ".docx"), ("xl", ".xlsx"), ("ppt", ".pptx"))
_OPEN_DOCUMENT = {"text": ".odt", "spreadsheet": ".ods", "presentation": ".odp", "graphics": ".odg"}
_XML = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_OPEN_XML, _ODF = "http://schemas.openxmlformats.org", "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
_NEUTRAL = {
    "docProps/core.xml": _XML + f'<p:coreProperties xmlns:p="{_OPEN_XML}/package/2006/metadata/core-properties"/>'.encode(),
    "docProps/app.xml": _XML + f'<Properties xmlns="{_OPEN_XML}/officeDocument/2006/extended-properties"/>'.encode(),
    "docProps/custom.xml": _XML + f'<Properties xmlns="{_OPEN_XML}/officeDocument/2006/custom-properties"/>'.encode(),
    "meta.xml": _XML + f'<o:document-meta xmlns:o="{_ODF}" o:version="1.2"/>'.encode(),
}
_PEOPLE = re.compile(r"(?i)(?:^|/)(?:comments|people|persons?|threadedComments?|commentAuthors|revisions?)[^/]*(?:/|\.xml$)")
_AUTHORS = frozenset({"author", "authorId", "initials", "displayName", "userId", "creator", "userName", "lastModifiedBy"})
_BUILT_IN_DATES = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
_DATE_CODE = re.compile(r"(?:\[[^\]]*\]|\"[^\"]*\"|\\.)")


def clean(source: Path, work: Work) -> tuple[str, bytes]:
    """Look through a package; gives its ending and the bytes of a new one."""
    try:
        with zipfile.ZipFile(source) as archive:
            members = archive.infolist()
            if len(members) > _MOST_MEMBERS or sum(member.file_size for member in members) > _LARGEST:
                raise Held("an Office file too large to look through")
            parts = {member.filename: archive.read(member) for member in members if not member.is_dir()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
        raise Unreadable("a damaged Office file") from None
    if len(parts) != sum(not member.is_dir() for member in members):
        raise Unreadable("an Office file that has two parts of one name")
    package = _Package(parts)
    package.judge(work)
    return package.ending(), _written(parts, [member.filename for member in members if not member.is_dir()], work)


def _written(parts: dict[str, bytes], names: list[str], work: Work) -> bytes:
    """A package anew: neutral properties, no dates, no thumbnails, nothing between the members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            body = _NEUTRAL.get(name, parts[name])
            if body is not parts[name]:
                work.note("properties", "X", "properties of the document", parts[name])
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(entry, body)
    return out.getvalue()


class _Package:
    """The parts of one file."""

    def __init__(self, parts: dict[str, bytes]) -> None:
        self._parts = parts
        self._trees: dict[str, ET.Element] = {}
        for name, body in parts.items():
            if name.endswith((".xml", ".rels", ".rdf")):
                self._trees[name] = _parsed(body)

    def ending(self) -> str:
        """What a name for it should end in."""
        folders = {name.split("/")[0] for name in self._parts}
        kind = self._parts.get("mimetype", b"").decode("latin-1").rpartition(".")[2]
        return next((ending for folder, ending in _ENDINGS if folder in folders), _OPEN_DOCUMENT.get(kind, ".odt"))

    def judge(self, work: Work) -> None:
        """Hold the file if something in it looks like an identity, or cannot be looked through."""
        other = [
            name for name in self._parts if name not in self._trees and name != "mimetype" and not name.endswith(".bin.rels")
        ]
        if other:
            raise Held("an Office file with pictures or other files in it: take them out", "members")
        if any(_PEOPLE.search(name) for name in self._parts):
            raise Held("an Office file with comments or revisions of people: save it without them", "comments")
        found: list[Finding] = []
        for name, tree in self._trees.items():
            if name in _NEUTRAL or name.startswith(("[", "_rels/", "META-INF/")):
                continue
            if any(local(key) in _AUTHORS and value for each in tree.iter() for key, value in each.attrib.items()):
                raise Held("an Office file with comments or revisions of people: save it without them", "comments")
            found += self._sheet(tree) if local(tree.tag) == "worksheet" else _document(tree)
        hold(found, work)

    def _sheet(self, tree: ET.Element) -> list[Finding]:
        """A worksheet's cells, row by row, with the texts that they share and dates that are numbers."""
        shared = self._shared()
        dates = self._date_styles()
        rows: list[tuple[int, list[str]]] = []
        found: list[Finding] = []
        for number, row in enumerate((each for each in tree.iter() if local(each.tag) == "row"), 1):
            cells: list[str] = []
            for cell in row:
                column = _column(cell.get("r", ""))
                cells += [""] * (column - len(cells))
                text = _cell(cell, shared)
                if cell.get("t", "n") in ("n", "d") and text and cell.get("s", "") in dates:
                    found.append(Finding("a cell shown as a date", number))
                cells.append(text)
            rows.append((number, cells))
        found += in_rows(rows)
        found += [Finding(each.what, number) for number, cells in rows for each in findings("\n".join(cells))]
        margins = [each.text or "" for each in tree.iter() if local(each.tag) in ("oddHeader", "oddFooter")]
        return [*found, *findings("\n".join(margins))]

    def _shared(self) -> list[str]:
        tree = self._trees.get("xl/sharedStrings.xml")
        if tree is None:
            return []
        return ["".join(t.text or "" for t in each.iter() if local(t.tag) == "t") for each in tree if local(each.tag) == "si"]

    def _date_styles(self) -> frozenset[str]:
        """The numbers of the styles that show a number as a date."""
        tree = self._trees.get("xl/styles.xml")
        if tree is None:
            return frozenset()
        codes = {each.get("numFmtId", ""): each.get("formatCode", "") for each in tree.iter() if local(each.tag) == "numFmt"}
        dated = {key for key, code in codes.items() if re.search(r"[dy]", _DATE_CODE.sub("", code), re.IGNORECASE)}
        dated |= {str(number) for number in _BUILT_IN_DATES}
        formats: Iterable[ET.Element] = next((each for each in tree if local(each.tag) == "cellXfs"), ())
        return frozenset(str(at) for at, each in enumerate(formats) if each.get("numFmtId", "0") in dated)


def _parsed(body: bytes) -> ET.Element:
    try:
        found: ET.Element = ElementTree.fromstring(body)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError):
        raise Unreadable("a damaged Office file") from None
    return found


def _column(reference: str) -> int:
    number = 0
    for sign in re.sub(r"[^A-Z]", "", reference)[:3]:
        number = number * 26 + ord(sign) - 64
    return max(number - 1, 0)


def _cell(cell: ET.Element, shared: list[str]) -> str:
    text = "".join(each.text or "" for each in cell.iter() if local(each.tag) in ("v", "t"))
    if cell.get("t") == "s" and text.isdigit():
        return shared[int(text)] if int(text) < len(shared) else ""
    return text


_PARAGRAPHS = frozenset({"p", "h", "si", "definedName", "f"})
_ROWS, _CELLS = frozenset({"tr", "table-row"}), frozenset({"tc", "table-cell"})


def _document(tree: ET.Element) -> list[Finding]:
    """What paragraphs and tables say: runs of a paragraph are one text, cells of a row stand beside each other."""
    rows = []
    for number, row in enumerate((each for each in tree.iter() if local(each.tag) in _ROWS), 1):
        rows.append((number, ["".join(cell.itertext()) for cell in row if local(cell.tag) in _CELLS]))
    lines = list(_lines(tree))
    return [*in_rows(rows), *findings("\n".join(lines))]


def _lines(tree: ET.Element) -> Iterator[str]:
    for each in tree.iter():
        name = local(each.tag)
        if name in _PARAGRAPHS:
            yield "".join(each.itertext())
        for key, value in each.attrib.items():
            if local(key) in ("date-value", "string-value", "descr", "title", "alt", "name", "tooltip") and value:
                yield value
