"""What a PROPFIND or PROPPATCH asks, and what PROPFIND tells of one node: XML in and out, nothing else.

Written by hand instead of through wsgidav: its tree of elements costs ten times the time and four times the memory for a folder
of 20,000 files (benchmarks/webdav.md). `allprop` is lean on purpose: Windows asks for it in every folder and gives up beyond a
megabyte of answers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape, quoteattr

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from werkzeug.http import http_date

from catalog.pure.errors import Invalid
from catalog.pure.nodes import Node
from gateway.http.media import media_type

_Renderer: TypeAlias = Callable[[Node], str]

_DAV = "{DAV:}"
_LEAN = ("resourcetype", "getcontentlength", "getlastmodified")
_BEGIN = "<D:propstat><D:prop>"
_OK = "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"

HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">'
FOOT = "</D:multistatus>\n"

# Modification times repeat: a series was acquired in minutes.
_http_date = lru_cache(maxsize=4096)(http_date)


def etag(node: Node) -> str:
    """Return a file's entity tag without its quotes: the digest, as a file's bytes never change."""
    return node.digest.hex()


def _created(node: Node) -> str:
    moment = datetime.fromtimestamp(node.changed, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"<D:creationdate>{moment}</D:creationdate>"


_COMMON: dict[str, _Renderer] = {
    "getlastmodified": lambda node: f"<D:getlastmodified>{_http_date(node.mtime)}</D:getlastmodified>",
    "creationdate": _created,
    "displayname": lambda node: f"<D:displayname>{escape(node.name)}</D:displayname>",
}
_FOLDER: dict[str, _Renderer] = {
    "resourcetype": lambda _: "<D:resourcetype><D:collection/></D:resourcetype>",
    "getcontenttype": lambda _: "<D:getcontenttype>httpd/unix-directory</D:getcontenttype>",
    **_COMMON,
}
_FILE: dict[str, _Renderer] = {
    "resourcetype": lambda _: "<D:resourcetype/>",
    "getcontentlength": lambda node: f"<D:getcontentlength>{node.size}</D:getcontentlength>",
    "getetag": lambda node: f'<D:getetag>"{etag(node)}"</D:getetag>',
    "getcontenttype": lambda node: f"<D:getcontenttype>{media_type(node.name)}</D:getcontenttype>",
    **_COMMON,
}


@dataclass(frozen=True, slots=True)
class _Form:
    """How one kind of node is written: what it has, and the fixed text of what it lacks."""

    head: str
    renderers: tuple[_Renderer, ...]
    tail: str

    def __call__(self, node: Node) -> str:
        return self.head + "".join([renderer(node) for renderer in self.renderers]) + self.tail


class Wanted:
    """What one PROPFIND asks for, ready to be told of any number of nodes."""

    def __init__(self, folder: _Form, file: _Form) -> None:
        self._folder = folder
        self._file = file

    def response(self, href: str, node: Node) -> str:
        """Return the `response` element of a node; `href` is percent-encoded."""
        form = self._folder if node.is_folder else self._file
        return f"<D:response><D:href>{href}</D:href>{form(node)}</D:response>"


def parse_propfind(body: bytes) -> Wanted:
    """Return what a PROPFIND's body asks for; no body asks for `allprop`.

    Raises:
        Invalid: it is not such a body.
    """
    if not body:
        return _named([_DAV + name for name in _LEAN], lenient=True)
    root = _parse(body)
    if root.tag != f"{_DAV}propfind":
        raise Invalid("a PROPFIND asks with a propfind element")
    asked = {child.tag: child for child in root}
    kinds = [kind for kind in ("allprop", "propname", "prop") if _DAV + kind in asked]
    if len(kinds) != 1:
        raise Invalid("a propfind element holds one of allprop, propname and prop")
    if kinds == ["propname"]:
        return Wanted(_names_only(_FOLDER), _names_only(_FILE))
    if kinds == ["prop"]:
        return _named([child.tag for child in asked[f"{_DAV}prop"]], lenient=False)
    included = [child.tag for child in asked.get(f"{_DAV}include", ())]
    return _named([*(_DAV + name for name in _LEAN), *included], lenient=True)


def refused_proppatch(href: str, body: bytes) -> str:
    """Return the multistatus that refuses to set or remove each property a PROPPATCH names.

    Raises:
        Invalid: the body is no PROPPATCH.
    """
    root = _parse(body)
    tags = [prop.tag for change in root for props in change.iter(f"{_DAV}prop") for prop in props]
    if root.tag != f"{_DAV}propertyupdate" or not tags:
        raise Invalid("a PROPPATCH names the properties to change in a propertyupdate element")
    names = "".join(_empty(tag) for tag in dict.fromkeys(tags))
    return (
        f"{HEAD}<D:response><D:href>{href}</D:href><D:propstat><D:prop>{names}</D:prop>"
        "<D:status>HTTP/1.1 403 Forbidden</D:status>"
        "<D:error><D:cannot-modify-protected-property/></D:error></D:propstat></D:response>" + FOOT
    )


def _named(tags: list[str], *, lenient: bool) -> Wanted:
    unique = list(dict.fromkeys(tags))
    return Wanted(_form(unique, _FOLDER, lenient=lenient), _form(unique, _FILE, lenient=lenient))


def _form(tags: list[str], known: dict[str, _Renderer], *, lenient: bool) -> _Form:
    # `lenient`: asked for all there is, so what is missing is not worth a word.
    found = [renderer for tag in tags if (renderer := known.get(tag.removeprefix(_DAV))) and tag.startswith(_DAV)]
    missing = [tag for tag in tags if not (tag.startswith(_DAV) and tag.removeprefix(_DAV) in known)]
    tail = ""
    if missing and not lenient:
        names = "".join(_empty(tag) for tag in missing)
        tail = f"<D:propstat><D:prop>{names}</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>"
    if not found and tail:
        return _Form("", (), tail)
    return _Form(_BEGIN, tuple(found), _OK + tail)


def _names_only(known: dict[str, _Renderer]) -> _Form:
    return _Form(_BEGIN, (), "".join(f"<D:{name}/>" for name in known) + _OK)


def _empty(tag: str) -> str:
    namespace, brace, name = tag.rpartition("}")
    if namespace == "{DAV:":
        return f"<D:{name}/>"
    return f"<x:{name} xmlns:x={quoteattr(namespace[1:])}/>" if brace and namespace[1:] else f"<{name}/>"


def _parse(body: bytes) -> Element:
    try:
        root: Element = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise Invalid("the request's XML cannot be read") from None
    return root
