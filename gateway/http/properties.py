"""What a PROPFIND or PROPPATCH asks, and what PROPFIND returns of one node: XML in and out, nothing else.

Written by hand instead of through wsgidav: its tree of elements costs ten times the time and four times the memory for a folder
of 20,000 files (benchmarks/webdav.md). `allprop` is lean on purpose: Windows asks for it in every folder and gives up beyond a
megabyte of answers.
"""

from collections.abc import Callable, Mapping
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
Lookup: TypeAlias = Callable[[str], str | None]
"""Called with a property's name; returns its element, or None where there is no such property."""
Beyond: TypeAlias = Callable[[], Mapping[str, str]]
"""Returns the properties that only one node has, by name: what clients gave it."""

_DAV = "{DAV:}"
_LEAN = ("resourcetype", "getcontentlength", "getlastmodified")
_BEGIN = "<D:propstat><D:prop>"
_OK = "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"

# Clients ask for thirty at most. Each is repeated for each file of a folder.
MOST_PROPERTIES = 100
_LONGEST_NAME = 256
_DEEPEST = 64
OWNCLOUD = "http://owncloud.org/ns"
CHECKSUMS = f"{{{OWNCLOUD}}}checksums"

HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">'
FOOT = "</D:multistatus>\n"
FINITE_DEPTH = '<?xml version="1.0" encoding="utf-8"?>\n<D:error xmlns:D="DAV:"><D:propfind-finite-depth/></D:error>\n'
DONE = "200 OK"
FORBIDDEN = "403 Forbidden"

# Modification times repeat: a series was acquired in minutes.
_http_date = lru_cache(maxsize=4096)(http_date)


def etag(node: Node) -> str:
    """Return a file's entity tag without its quotes: the digest, as a file's bytes never change."""
    return node.digest.hex()


def _folder_etag(node: Node) -> str:
    """Return the property: another one after each change of what lies in the folder itself."""
    return f'<D:getetag>"{node.id.kind:x}-{node.id.row:x}-{node.changed:x}"</D:getetag>'


def checksums(said: str) -> str:
    """Return the element with a file's digests, `SHA1:<hex> MD5:<hex>`, as ownCloud does and rclone reads it."""
    return f'<oc:checksums xmlns:oc="{OWNCLOUD}"><oc:checksum>{escape(said)}</oc:checksum></oc:checksums>'


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
# A study, or a folder in one: that it changed is noted, which of others it is not.
_ARCHIVED_FOLDER = {**_FOLDER, "getetag": _folder_etag}
_FILE: dict[str, _Renderer] = {
    "resourcetype": lambda _: "<D:resourcetype/>",
    "getcontentlength": lambda node: f"<D:getcontentlength>{node.size}</D:getcontentlength>",
    "getetag": lambda node: f'<D:getetag>"{etag(node)}"</D:getetag>',
    "getcontenttype": lambda node: f"<D:getcontenttype>{media_type(node.name)}</D:getcontenttype>",
    **_COMMON,
}


@dataclass(frozen=True, slots=True)
class _Form:
    """How one kind of node is written: what it has, the fixed text of what it lacks, and which names those are."""

    head: str
    renderers: tuple[_Renderer, ...]
    tail: str
    lacking: tuple[str, ...] = ()
    lenient: bool = True
    names: bool = False

    def __call__(self, node: Node, lookup: Lookup | None, beyond: Beyond | None) -> str:
        more = {}
        if lookup is not None and self.lacking:
            more = {tag: text for tag in self.lacking if (text := lookup(tag)) is not None}
        if beyond is not None and self.names:
            return self.head + "".join(_empty(tag) for tag in beyond()) + self.tail
        if beyond is not None and self.lenient:
            more = {**beyond(), **more}
        if more:
            return self._with(node, more)
        return self.head + "".join([renderer(node) for renderer in self.renderers]) + self.tail

    def _with(self, node: Node, more: Mapping[str, str]) -> str:
        found = [*(renderer(node) for renderer in self.renderers), *more.values()]
        lacking = [] if self.lenient else [tag for tag in self.lacking if tag not in more]
        return _BEGIN + "".join(found) + _OK + _not_found(lacking)


class Wanted:
    """What one PROPFIND asks for, ready to be asked for any number of nodes."""

    def __init__(self, folder: _Form, archived_folder: _Form, file: _Form) -> None:
        self._folder = folder
        self._archived_folder = archived_folder
        self._file = file

    def response(self, href: str, node: Node, lookup: Lookup | None = None, beyond: Beyond | None = None) -> str:
        """Return the `response` element of a node.

        Args:
            href: percent-encoded.
            node: the node.
            lookup: knows properties beyond those that all have, by name.
            beyond: asked where all are wanted, or their names.
        """
        form = self._file
        if node.is_folder:
            form = self._archived_folder if node.study else self._folder
        return f"<D:response><D:href>{href}</D:href>{form(node, lookup, beyond)}</D:response>"


def parse_propfind(body: bytes) -> Wanted:
    """Return what a PROPFIND's body asks for; no body asks for `allprop`.

    Raises:
        Invalid: it is not such a body.
    """
    if not body:
        return _named([_DAV + name for name in _LEAN], lenient=True)
    root = parse_xml(body)
    if root.tag != f"{_DAV}propfind":
        raise Invalid("a PROPFIND asks with a propfind element")
    asked = {child.tag: child for child in root}
    kinds = [kind for kind in ("allprop", "propname", "prop") if _DAV + kind in asked]
    if len(kinds) != 1:
        raise Invalid("a propfind element holds one of allprop, propname and prop")
    if kinds == ["propname"]:
        return Wanted(*map(_names_only, (_FOLDER, _ARCHIVED_FOLDER, _FILE)))
    if kinds == ["prop"]:
        return _named([child.tag for child in asked[f"{_DAV}prop"]], lenient=False)
    included = [child.tag for child in asked.get(f"{_DAV}include", ())]
    return _named([*(_DAV + name for name in _LEAN), *included], lenient=True)


def refused_proppatch(href: str, body: bytes) -> str:
    """Return the multistatus that refuses to set or remove each property a PROPPATCH names.

    Raises:
        Invalid: the body is no PROPPATCH.
    """
    tags = (tag for tag, _ in parse_proppatch(body))
    return patched(href, dict.fromkeys(tags, FORBIDDEN))


def parse_proppatch(body: bytes) -> list[tuple[str, Element | None]]:
    """Return what a PROPPATCH sets (its element) or removes (None), by name, in order.

    Raises:
        Invalid: the body is no PROPPATCH.
    """
    root = parse_xml(body)
    changes: list[tuple[str, Element | None]] = []
    for step in root:
        for props in step.iter(f"{_DAV}prop"):
            changes += [(prop.tag, prop if step.tag == f"{_DAV}set" else None) for prop in props]
    if root.tag != f"{_DAV}propertyupdate" or not changes:
        raise Invalid("a PROPPATCH names the properties to change in a propertyupdate element")
    return changes


def patched(href: str, statuses: Mapping[str, str]) -> str:
    """Return the multistatus that says what became of each property a PROPPATCH names."""
    parts = [f"{HEAD}<D:response><D:href>{href}</D:href>"]
    for status in dict.fromkeys(statuses.values()):
        names = "".join(_empty(tag) for tag, found in statuses.items() if found == status)
        error = "<D:error><D:cannot-modify-protected-property/></D:error>" if status == FORBIDDEN else ""
        parts.append(f"<D:propstat><D:prop>{names}</D:prop><D:status>HTTP/1.1 {status}</D:status>{error}</D:propstat>")
    return "".join(parts) + "</D:response>" + FOOT


def _named(tags: list[str], *, lenient: bool) -> Wanted:
    unique = list(dict.fromkeys(tags))
    if len(unique) > MOST_PROPERTIES or any(len(tag) > _LONGEST_NAME for tag in unique):
        raise Invalid(f"a PROPFIND asks for {MOST_PROPERTIES} properties at most, with names of {_LONGEST_NAME} characters")
    return Wanted(*(_form(unique, known, lenient=lenient) for known in (_FOLDER, _ARCHIVED_FOLDER, _FILE)))


def _form(tags: list[str], known: dict[str, _Renderer], *, lenient: bool) -> _Form:
    # `lenient`: asked for all there is, so what is missing is not worth a word.
    found = [renderer for tag in tags if (renderer := known.get(tag.removeprefix(_DAV))) and tag.startswith(_DAV)]
    missing = [tag for tag in tags if not (tag.startswith(_DAV) and tag.removeprefix(_DAV) in known)]
    tail = "" if lenient else _not_found(missing)
    if not found and tail:
        return _Form("", (), tail, tuple(missing), lenient)
    return _Form(_BEGIN, tuple(found), _OK + tail, tuple(missing), lenient)


def _not_found(tags: list[str]) -> str:
    if not tags:
        return ""
    names = "".join(_empty(tag) for tag in tags)
    return f"<D:propstat><D:prop>{names}</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>"


def _names_only(known: dict[str, _Renderer]) -> _Form:
    return _Form(_BEGIN, (), "".join(f"<D:{name}/>" for name in known) + _OK, names=True)


def _empty(tag: str) -> str:
    namespace, brace, name = tag.rpartition("}")
    if namespace == "{DAV:":
        return f"<D:{name}/>"
    return f"<x:{name} xmlns:x={quoteattr(namespace[1:])}/>" if brace and namespace[1:] else f"<{name}/>"


def parse_xml(body: bytes) -> Element:
    """Return the root of a body of XML.

    Raises:
        Invalid: it cannot be read, or is an attack.
    """
    try:
        root: Element = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise Invalid("the request's XML cannot be read") from None
    below, depth = list(root), 1
    while below:
        depth += 1
        if depth > _DEEPEST:
            raise Invalid(f"the request's XML is nested more than {_DEEPEST} deep")
        below = [child for element in below for child in element]
    return root
