"""ISMRMRD's XML: the header of a measurement and the attributes of its images, built anew from elements that are known.

Which element holds what is data (`deid/data/ismrmrd.txt`); what it does not list goes. Pure but for what is noted in the work.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET  # only to build and write; what was sent is parsed by defusedxml

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from deid.errors import Unreadable
from deid.formats.mat import is_plain
from deid.rules.table import data_text
from deid.rules.vocabulary import fold

if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree.ElementTree import Element

    from deid.formats.base import Work
    from deid.formats.hdf5.nodes import Node

_SPACE = "http://www.ismrm.org/ISMRMRD"
_ROOT, _META = "ismrmrdHeader", "ismrmrdMeta"
_NUMBER = re.compile(r"[+-]?\d{1,9}(?:\.\d{0,17})?(?:[eE][+-]?\d{1,3})?")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:Z|[+-]\d\d:\d\d)?")
_TIME = re.compile(r"\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)?")
_GENDER = re.compile(r"[MFO]")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_PARAMETERS = ("userParameterLong", "userParameterDouble", "userParameterString")
_IMAGES = "attributes"


@cache
def sections() -> dict[str, frozenset[str]]:
    """The sections of data/ismrmrd.txt."""
    found: dict[str, set[str]] = {}
    section: set[str] = set()
    for line in data_text("ismrmrd.txt").splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), set())
        elif not line.startswith("#"):
            section |= set(line.split())
    return {name: frozenset(words) for name, words in found.items()}


def listed(section: str) -> frozenset[str]:
    """The words of one section."""
    return sections()[section]


def is_header(node: Node) -> bool:
    """Whether a dataset is the header of a measurement."""
    return _is_named(node, "xml") and any(f"<{_ROOT}" in text or f":{_ROOT}" in text for text in node.texts or ())


def _is_named(node: Node, name: str) -> bool:
    return node.editable and node.path.count("/") > 1 and node.path.endswith("/" + name)


def cleaned(nodes: Sequence[Node], work: Work) -> dict[str, list[str]]:
    """The clean texts of all headers and images of a file, by path."""
    headers = {node.path: [_parsed(text, _ROOT) for text in node.texts or ()] for node in nodes if is_header(node)}
    for roots in headers.values():
        for root in roots:
            _learn(root, work)
    done = {path: [_written(_element(root, work) or ET.Element(_ROOT)) for root in roots] for path, roots in headers.items()}
    for node in nodes:
        if _is_named(node, _IMAGES):
            done[node.path] = [_of_image(text, work) for text in node.texts or ()]
    return done


def _parsed(text: str, root: str) -> Element:
    try:
        found: Element = ElementTree.fromstring(text.strip("\0 \r\n\t").encode("utf-8", "replace"))
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError):
        raise Unreadable("an ISMRMRD file whose header is no XML") from None
    if _local(found) != root:
        raise Unreadable("an ISMRMRD file with a header of another kind")
    return found


def _local(element: Element) -> str:
    """An element's name; none if it is of another vocabulary."""
    space, _, name = str(element.tag).rpartition("}")  # no str: a comment
    return name if space in ("", "{" + _SPACE) else ""


def _said(element: Element) -> str:
    return "".join(element.itertext()).strip()


def _learn(root: Element, work: Work) -> None:
    """Note who the file is about before any text is looked at."""
    for element in root.iter():
        name, said = _local(element), _said(element).encode()
        if name == "patientID":
            work.subject(said)
        if name in listed("exam") and said != work.context.exam.encode():
            work.identity(name, "name" if name in listed("person") else "code", said, "identity of the header")
        elif name == "patientBirthdate":
            _date_goes(name, said.decode(), work)
        elif name in listed("gone"):
            work.identity(name, "name" if name in listed("person") else "code", said, "identity of the header")
        elif name == "userParameterBase64":
            work.note(name, "X", "unknown bytes", said)


def _date_goes(name: str, said: str, work: Work) -> None:
    found = _DATE.fullmatch(said)
    work.identity(name, "date" if found else "code", ("".join(found.groups()) if found else said).encode(), "birth date")


def _element(element: Element, work: Work) -> Element | None:
    """An element made anew, or nothing."""
    name = _local(element)
    children = list(element)
    if name in listed("inside") or (name in listed("either") and children):
        if name in _PARAMETERS and not _is_kept_parameter(element, work):
            return None
        inner = [made for child in children if (made := _element(child, work)) is not None]
        new = ET.Element(name)
        new.extend(inner)
        return new if inner or not children else None
    if children:
        work.note("header", "X", "element not known")
        return None
    value = _value(name, _said(element), work)
    if not value:
        return None
    new = ET.Element(name)
    new.text = value
    return new


def _is_kept_parameter(element: Element, work: Work) -> bool:
    """Whether a parameter's name tells that it is no person's, and its value can stay."""
    said = {_local(child): _said(child) for child in element}
    name, value = said.get("name", ""), said.get("value", "")
    kept = is_technical(name) and (_local(element) == "userParameterString" or bool(_NUMBER.fullmatch(value)))
    if not kept or not _value("value", value, work):
        work.note("parameter", "X", "parameter not known", value.encode())
        return False
    return True


def is_technical(name: str) -> bool:
    """Whether a parameter is called by plain terms, none of which speaks of a person, a place or a day."""
    parts = {fold(part) for part in _PARTS.findall(name)}
    return bool(name) and is_plain(name, listed("names")) and parts.isdisjoint(listed("never"))


def _value(name: str, said: str, work: Work) -> str:
    """One value made clean; nothing: its element goes."""
    if not said:
        return ""
    if name in listed("exam"):
        return work.context.exam
    if name in listed("uid"):
        return work.uid(name, said)
    if name in listed("date"):
        return _date(name, said, work)
    if name == "name":
        return said  # of a parameter that is kept
    if name == "value" or name in listed("text"):
        return said if name == "value" and _NUMBER.fullmatch(said) else work.text(name, said.encode()).decode()
    shape = {"patientGender": _GENDER}.get(name, _NUMBER)
    kept = (
        (name in listed("time") and _TIME.fullmatch(said) and work.context.profile.dates != "remove")
        or (name in listed("patient") and shape.fullmatch(said) and "patient_chars" in work.context.profile.options)
        or (name in listed("number") | listed("either") and shape.fullmatch(said))
        or (name in listed("word") and said in listed("terms"))
    )
    if not kept and name not in listed("gone"):
        work.note(name or "header", "X", "element not known" if name not in listed("patient") else "patient", said.encode())
    return said if kept else ""


def _date(name: str, said: str, work: Work) -> str:
    found = _DATE.fullmatch(said)
    if not found:
        work.identity(name, "code", said.encode(), "date")
        return ""
    new = work.date(name, "".join(found.groups()).encode())
    return f"{new[:4].decode()}-{new[4:6].decode()}-{new[6:].decode()}" if new else ""


def _written(root: Element) -> str:
    if root.tag == _ROOT:
        root.set("xmlns", _SPACE)
    return '<?xml version="1.0"?>\n' + ET.tostring(root, encoding="unicode", short_empty_elements=False)


def _of_image(text: str, work: Work) -> str:
    """The attributes of an image: of as many bytes as before, since its header tells their number."""
    length = len(text.encode("utf-8", "replace"))
    if not text.strip("\0 \r\n\t"):
        return " " * length
    try:
        root = _parsed(text, _META)
    except Unreadable:
        work.note("attributes of an image", "X", "attributes not known", text.encode("utf-8", "replace"))
        return " " * length
    new = ET.Element(_META)
    for meta in root:
        name = next((_said(child) for child in meta if _local(child) == "name"), "")
        values = [_said(child) for child in meta if _local(child) == "value"]
        kept = [clean for value in values if is_technical(name) and (clean := _value("value", value, work))]
        if len(kept) == len(values) and kept:
            made = ET.SubElement(new, "meta")
            ET.SubElement(made, "name").text = name
            for value in kept:
                ET.SubElement(made, "value").text = value
        else:
            work.note("attributes of an image", "X", "attribute not known", "\n".join(values).encode())
    done = ET.tostring(new, encoding="unicode").encode()
    return done.decode().ljust(length) if len(done) <= length else " " * length
