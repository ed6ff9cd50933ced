"""If-* headers of requests that change something, and WebDAV's own If (RFC 4918, section 10.4).

wsgidav's reading of If ignores a list that is tagged with a whole address, and its locks live in one process.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlsplit

from catalog.pure.drops import Entry, Place
from gateway.http import conditions, properties
from gateway.http.requests import Environ
from gateway.http.staging.request import STAGING, Declined, StagingRequest, as_node

_PIECES = re.compile(r'\s*(?:<([^>]*)>|(\()|(\))|\[\s*((?:W/)?"[^"]*"|[^\]"]*)\s*\]|(not)\b)', re.IGNORECASE)
_FAILED = "it is not as the request supposes (If, If-Match or the like); look again and repeat"


@dataclass(frozen=True, slots=True)
class _Condition:
    """A lock token or an entity tag that must hold, or must not."""

    value: str
    is_tag: bool
    negated: bool


@dataclass(frozen=True, slots=True)
class _List:
    """Conditions that must hold together, for the resource named by `path` (None: the request's own)."""

    path: bytes | None
    conditions: tuple[_Condition, ...]


def shown_tokens(environ: Environ) -> list[str]:
    """Return the lock tokens that a request shows.

    Raises:
        Declined: the If header cannot be read.
    """
    lists = _parse(environ.get("HTTP_IF", ""))
    return [condition.value for one in lists for condition in one.conditions if not condition.is_tag]


def check(request: StagingRequest, entry: Entry | None) -> None:
    """Check what a request supposes of the place it changes.

    Args:
        request: the request.
        entry: what is at its place; None: nothing.

    Raises:
        Declined: it is not so.
    """
    headers = {name: value for name, value in request.environ.items() if name != "HTTP_IF_MODIFIED_SINCE"}
    if entry is None:
        failed = "HTTP_IF_MATCH" in headers
    else:
        node = as_node(entry)
        failed = conditions.decided(headers, properties.etag(node), node.mtime) is not None
    lists = _parse(headers.get("HTTP_IF", ""))
    if failed or (lists and not any(_holds(request, one) for one in lists)):
        raise Declined(412, _FAILED)


def _holds(request: StagingRequest, one: _List) -> bool:
    place: Place | None = request.place if one.path is None else _place(one.path)
    if place is None:
        return False
    tokens = {lock.token for lock in request.locks.on(place)}
    entry = request.find(place)
    tag = None if entry is None or entry.is_folder else f'"{properties.etag(as_node(entry))}"'
    return all(
        (condition.value == tag if condition.is_tag else condition.value in tokens) is not condition.negated
        for condition in one.conditions
    )


def _place(path: bytes) -> Place | None:
    names = [name for name in path.decode("utf-8", "surrogateescape").split("/") if name]
    return tuple(names[1:]) if names[:1] == [STAGING] else None


def _parse(header: str) -> list[_List]:
    lists: list[_List] = []
    path: bytes | None = None
    held: list[_Condition] | None = None
    negated = False
    for address, opens, closes, tag, is_not in _pieces(header):
        if opens and held is None:
            held = []
        elif closes and held:
            lists.append(_List(path, tuple(held)))
            held = None
        elif is_not and held is not None and not negated:
            negated = True
        elif address and held is None:
            path = _path(address)
        elif (address or tag) and held is not None:
            held.append(_Condition(address or tag, bool(tag), negated))
            negated = False
        else:
            raise Declined(400, "the If header cannot be read")
    if held is not None:
        raise Declined(400, "the If header cannot be read")
    return lists


def _pieces(header: str) -> Iterator[tuple[str, ...]]:
    position, header = 0, header.strip()
    while position < len(header):
        found = _PIECES.match(header, position)
        if found is None:
            raise Declined(400, "the If header cannot be read")
        yield tuple(group or "" for group in found.groups())
        position = found.end()


def _path(address: str) -> bytes:
    try:
        return unquote_to_bytes(urlsplit(address).path)
    except ValueError:
        raise Declined(400, "the If header cannot be read") from None
