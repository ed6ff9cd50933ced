"""Properties in the staging tree: what PROPFIND returns beyond what every folder has, and PROPPATCH.

Windows' and ownCloud's times set the file's own; whatever else a client gives (dead properties) is kept beside the file, as
long as it is short: it may be an identity. Who asks for all gets them too, and who asks for names theirs; but Windows, which
asks for "all" in every folder, only what it asks for by name, as everybody does of locks and digests.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TypeAlias
from xml.etree.ElementTree import Element, tostring

from werkzeug.wrappers import Response

from catalog.pure.drops import Entry, Place
from catalog.pure.errors import ArchimedError, Invalid
from gateway.http import answers, properties
from gateway.http.requests import read_xml
from gateway.http.staging import locking, preconditions
from gateway.http.staging.request import StagingRequest

_DAV = "{DAV:}"
_WIN32 = "{urn:schemas-microsoft-com:}"
_QUOTA = frozenset({f"{_DAV}quota-available-bytes", f"{_DAV}quota-used-bytes"})
_SECOND = 1_000_000_000
_SECONDS = re.compile(r"[0-9]{1,11}")
_MTIMES = frozenset({f"{_WIN32}Win32LastModifiedTime", f"{_DAV}lastmodified", f"{_DAV}getlastmodified"})
# Explorer sets them on everything it copies, and asks for none of them again.
_IGNORED = frozenset({f"{_WIN32}Win32{name}" for name in ("CreationTime", "LastAccessTime", "FileAttributes")})

Lookup: TypeAlias = Callable[[str, Place, Entry], str | None]
"""Called with a property's name and where it is asked for; returns its element, or None where there is no such property."""


def property_lookup(request: StagingRequest) -> Lookup:
    """Return what finds a property by its name: its element, or None where a place has no such property."""

    def lookup(tag: str, place: Place, entry: Entry) -> str | None:
        if tag == f"{_DAV}lockdiscovery":
            return locking.discovery(request, place)
        if tag == f"{_DAV}supportedlock":
            return locking.SUPPORTED
        if tag in _QUOTA:
            return _quota(request, tag.removeprefix(_DAV)) if entry.is_folder else None
        if tag == properties.CHECKSUMS:
            return _checksums(request, place, entry)
        if tag.startswith(_DAV):
            return None
        return _dead(request, place).get(tag)

    return lookup


def beyond(request: StagingRequest, place: Place) -> dict[str, str]:
    """Return the properties that a client gave a place, by name."""
    return {} if request.for_windows else _dead(request, place)


def proppatch(request: StagingRequest) -> Response:
    """Answer a PROPPATCH: all of it is done, or nothing."""
    changes = properties.parse_proppatch(read_xml(request.http))
    entry = request.entry()
    preconditions.check(request, entry)
    request.check_locks(request.place, preconditions.shown_tokens(request.environ))
    dead = _dead(request, request.place)
    kept, mtime, statuses = dict(dead), None, {}
    for tag, value in changes:
        statuses[tag] = properties.DONE
        if tag in _MTIMES and value is not None:
            mtime = _time(value.text or "")
        elif tag.startswith(_DAV) or tag == properties.CHECKSUMS or entry.is_sealed:
            statuses[tag] = properties.FORBIDDEN
        elif value is None:
            kept.pop(tag, None)
        elif tag not in _IGNORED:
            kept[tag] = _written(value)
    if all(status == properties.DONE for status in statuses.values()):
        statuses |= _apply(request, entry, mtime, kept if kept != dead else None, statuses)
    else:
        statuses = {tag: "424 Failed Dependency" if status == properties.DONE else status for tag, status in statuses.items()}
    return answers.xml(207, properties.patched(request.href(request.place, folder=entry.is_folder), statuses))


def _apply(
    request: StagingRequest, entry: Entry, mtime: int | None, kept: dict[str, str] | None, statuses: Mapping[str, str]
) -> dict[str, str]:
    try:
        if kept is not None:
            request.inbox.set_properties(request.place, json.dumps(kept).encode() if kept else b"")
        if mtime is not None and not entry.is_sealed:
            request.inbox.set_times(request.place, time.time_ns(), mtime * _SECOND)
    except ArchimedError as error:
        return dict.fromkeys(statuses, answers.failure(error).status)
    return {}


def _dead(request: StagingRequest, place: Place) -> dict[str, str]:
    raw = request.inbox.properties(place)
    found: dict[str, str] = json.loads(raw) if raw else {}
    return found


def _checksums(request: StagingRequest, place: Place, entry: Entry) -> str | None:
    """Return the digests that a file's PUT named, as long as nobody changes it."""
    said = "" if entry.is_folder else request.inbox.digests(place)
    return properties.checksums(said) if said else None


def _quota(request: StagingRequest, name: str) -> str:
    """Return how many bytes can still be brought, or how many there are (RFC 4331): of a quota, else of the disk."""
    capacity, left = request.inbox.capacity(), request.inbox.left()
    available = capacity.available * capacity.block if left is None else left
    value = available if name == "quota-available-bytes" else max(0, capacity.blocks * capacity.block - available)
    return f"<D:{name}>{value}</D:{name}>"


def _written(value: Element) -> str:
    value.tail = None
    return tostring(value, encoding="unicode")


def _time(text: str) -> int:
    if _SECONDS.fullmatch(text.strip()):
        return int(text)
    try:
        return max(int(parsedate_to_datetime(text).timestamp()), 0)
    except (ValueError, OverflowError):
        raise Invalid("a time of last modification is a date as in HTTP headers, or seconds since 1970") from None
