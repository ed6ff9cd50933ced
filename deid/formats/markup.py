"""XML, HTML and RTF as lines of text to be looked through: what elements and attributes are called, and what they say. Pure."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

_TAG = re.compile(r"<[^>]*>")
_ATTRIBUTE = re.compile(r"([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_SCHEMES = re.compile(r"https?://|urn:")
_RTF_CODE = re.compile(r"\\'([0-9a-fA-F]{2})|\\u(-?\d{1,6}) ?\??|\\([a-zA-Z]+)(-?\d+)? ?|\\([^a-zA-Z])|[{}\r\n]")
_RTF_NAMES = {"author": "author", "operator": "operator", "company": "institution", "manager": "manager", "title": "title"}
_BREAKS = frozenset({"par", "line", "row", "sect", "page"})


def kind_of(text: str) -> str:
    """The ending of a file of markup, '' for other text."""
    begun = text.lstrip("\ufeff \t\r\n")[:512].lower()
    if begun.startswith(r"{\rtf"):
        return ".rtf"
    if begun.startswith("<!doctype html") or "<html" in begun:
        return ".html"
    return ".svg" if "<svg" in begun else ".xml" if begun.startswith(("<?xml", "<!doctype")) else ""


def readable(text: str) -> str:
    """What a text of markup says, a line for each thing; '' if it is no markup."""
    begun = text.lstrip("\ufeff \t\r\n")
    if begun.lower().startswith(r"{\rtf"):
        return _of_rtf(begun)
    if not (begun.startswith("<") and ">" in begun):
        return ""
    try:
        root = ElementTree.fromstring(begun.encode())
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError):
        return _of_tags(begun)
    comments = "\n".join(re.findall(r"<!--(.*?)-->", begun, re.DOTALL))
    return "\n".join([*_of_element(root), comments])


def local(name: object) -> str:
    """An element's or attribute's name without its vocabulary."""
    return str(name).rpartition("}")[2] if isinstance(name, str) else ""


def _of_element(element: Element) -> Iterator[str]:
    for each in element.iter():
        name = local(each.tag)
        for key, value in each.attrib.items():
            if not _SCHEMES.match(value):
                yield f"{local(key)}: {value}"
        text = " ".join((each.text or "").split())
        if text:
            yield f"{name}: {text}"
        if each.tail and each.tail.strip():
            yield " ".join(each.tail.split())


def _of_tags(text: str) -> str:
    attributes = [f"{key}: {one or other}" for key, one, other in _ATTRIBUTE.findall(text) if not _SCHEMES.match(one or other)]
    return html.unescape("\n".join([*_TAG.split(text), *attributes]))


def _of_rtf(text: str) -> str:
    """The text of RTF: escapes are read, and properties are named."""

    def said(found: re.Match[str]) -> str:
        coded, wide, word, _, sign = found.groups()
        if coded:
            return bytes.fromhex(coded).decode("cp1252", "replace")
        if wide:
            return chr(int(wide) % 0x10000)
        if word in _RTF_NAMES:
            return f"\n{_RTF_NAMES[word]}: "
        if word:
            return "\n" if word in _BREAKS else "\t" if word in ("tab", "cell") else ""
        return "\n" if found[0] == "}" else " " if sign == "~" else sign if sign in ("\\", "{", "}") else ""

    return _RTF_CODE.sub(said, text)
