"""XML of CIFTI, GIfTI and AFNI: structure and numbers stay, named values are judged by their names, maps keep known words.

Comments, document types and processing instructions go, as do files that other files are to be read from.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET  # only to build and write; what was sent is parsed by defusedxml

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from deid.errors import Unreadable
from deid.formats.looks import in_line
from deid.formats.markup import local
from deid.formats.sidecar import GONE, Sidecar

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from deid.formats.base import Work

_NUMBERS = re.compile(r"[-+0-9.eEnafiNAFI,\s]*")
_PACKED = re.compile(r"[A-Za-z0-9+/=\s]*")
_TOKEN = re.compile(r"[A-Z0-9_]{1,64}|[A-Za-z0-9.]{1,32}")
_CODED = frozenset({"Encoding", "Endian", "Intent", "DataType", "ArrayIndexingOrder", "ModelType", "BrainStructure",
                    "SurfaceNumberOfVertices", "IndicesMapToDataType", "SeriesUnit", "Version", "ni_type", "atr_name",
                    "DataSpace", "TransformedSpace"})  # fmt: skip
_TERMS, _TEXTS, _PAIR, _DATA, _SPACES = "Label", "MapName", "MD", "Data", ("DataSpace", "TransformedSpace")
_TITLE = "Title"  # what GIfTI calls the name of an array
_ATTRIBUTE_OF_AFNI = "AFNI_atr"


def cleaned(text: str, work: Work) -> bytes:
    """The clean XML."""
    try:
        root: Element = ElementTree.fromstring(text.strip("\0 \r\n\t").encode("utf-8", "replace"))
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError):
        raise Unreadable("a header whose XML cannot be read") from None
    return ET.tostring(_Cleaner(work).element(root), encoding="unicode").encode()


class _Cleaner:
    """Builds one document anew."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._values = Sidecar(work, "drop")

    def element(self, old: Element) -> Element:
        name = local(old.tag)
        new = ET.Element(name)
        for key, value in old.attrib.items():
            if (kept := self._attribute(local(key), value)) is not None:
                new.set(local(key), kept)
        new.text = self._said(old, name)
        for child in old:
            if local(child.tag) == _PAIR:
                if (pair := self._pair(child)) is not None:
                    new.append(pair)
            else:
                new.append(self.element(child))
        return new

    def _attribute(self, name: str, value: str) -> str | None:
        if name == "ExternalFileName":
            return ""
        if _NUMBERS.fullmatch(value) or (name in _CODED and _TOKEN.fullmatch(value)):
            return value
        kept = self._values.value(name, value, self._values.meaning(name))
        return None if kept is GONE else str(kept)

    def _said(self, old: Element, name: str) -> str:
        text = old.text or ""
        if not text.strip() or _NUMBERS.fullmatch(text):
            return text
        if name == _DATA and _PACKED.fullmatch(text):
            return text
        if name in _SPACES and _TOKEN.fullmatch(text.strip()):
            return text.strip()
        if name == _TERMS and not list(in_line(text)):
            return text  # a region's name, of an atlas
        if name == _ATTRIBUTE_OF_AFNI:
            kept = self._values.value("", text.strip().strip('"'), self._values.meaning(old.get("atr_name", "")))
            return "" if kept is GONE else f'"{kept}"'
        return self._work.text(name if name.isascii() else "element", text.strip().encode(), "text of an element").decode(
            "ascii"
        )

    def _pair(self, old: Element) -> Element | None:
        """A named value."""
        parts = {local(child.tag): (child.text or "").strip() for child in old}
        name, value = parts.get("Name", ""), parts.get("Value", "")
        kept = (
            value
            if _NUMBERS.fullmatch(value) and len(value) < 6
            else self._values.value(name, value, self._values.meaning(_TITLE if name == "Name" else name))
        )
        if kept is GONE or list(in_line(name)) or not self._work.is_known(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)):
            self._work.note("named value", "X", "named value", value.encode())
            return None
        new = ET.Element(_PAIR)
        ET.SubElement(new, "Name").text = name
        ET.SubElement(new, "Value").text = str(kept)
        return new
