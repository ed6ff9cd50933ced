"""LOCK and UNLOCK, and what PROPFIND returns of locks (RFC 4918). Which lock is in whose way is decided in the catalogue."""

import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element, tostring

from werkzeug.wrappers import Response

from catalog import clock
from catalog.pure.drops import Place
from catalog.pure.errors import Conflict, Invalid
from catalog.pure.locks import Lock
from gateway.http import answers, properties
from gateway.http.requests import read_xml
from gateway.http.staging import preconditions
from gateway.http.staging.request import Declined, StagingRequest, plain

_DAV = "{DAV:}"
_SECONDS = re.compile(r"second-(\d{1,10})", re.IGNORECASE)

SUPPORTED = "<D:supportedlock>" + "".join(
    f"<D:lockentry><D:lockscope><D:{scope}/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>"
    for scope in ("exclusive", "shared")
) + "</D:supportedlock>"  # fmt: skip


def lock(request: StagingRequest) -> Response:
    """Answer a LOCK: take one, making an empty file where nothing is, or give one more time (no body)."""
    body = read_xml(request.http)
    seconds = _seconds(request.environ.get("HTTP_TIMEOUT", ""))
    if not body:
        return _refresh(request, seconds)
    exclusive, owner = _lockinfo(body)
    depth = request.environ.get("HTTP_DEPTH", "infinity").strip().lower()
    if depth not in {"0", "infinity"}:
        raise Declined(400, "a LOCK takes a Depth of 0 or infinity")
    located = request.locate(request.place)
    found = located.entry
    preconditions.check(request, found)
    if found is None:
        request.check_locks(request.place[:-1], preconditions.shown_tokens(request.environ))
    elif found.is_sealed:
        raise Declined(403, "the batch is sealed: its files can be read and not be changed")
    try:
        taken = request.locks.acquire(
            request.place, exclusive=exclusive, deep=depth == "infinity", owner=owner, seconds=seconds
        )  # fmt: skip
    except Conflict as error:
        raise Declined(423, str(error)) from None
    if found is None:
        try:
            request.inbox.upload(request.place, located).commit(may_replace=False)
        except BaseException as error:
            request.locks.release(taken.token)
            if isinstance(error, Conflict):
                raise Declined(423, "something of that name came up in this moment; look again") from None
            raise
    answer = answers.xml(201 if found is None else 200, _document(request, [taken]))
    answer.headers["Lock-Token"] = f"<{taken.token}>"
    return answer


def unlock(request: StagingRequest) -> Response:
    """Answer an UNLOCK; some clients leave out the angle brackets."""
    token = request.environ.get("HTTP_LOCK_TOKEN", "").strip().strip("<>")
    if not token:
        raise Declined(400, "an UNLOCK says which lock in a Lock-Token header")
    if token not in {held.token for held in request.locks.on(request.place)}:
        raise Declined(409, "there is no such lock here")
    request.locks.release(token)
    return plain(204)


def discovery(request: StagingRequest, place: Place) -> str:
    """Return the `lockdiscovery` element of a place."""
    return _discovery(request, place, request.locks.on(place))


def _refresh(request: StagingRequest, seconds: int | None) -> Response:
    tokens = preconditions.shown_tokens(request.environ)
    held = {found.token for found in request.locks.on(request.place)}
    if len(tokens) != 1:
        raise Declined(400, "a LOCK without a body prolongs a lock, and shows its token in an If header")
    refreshed = request.locks.refresh(tokens[0], seconds) if tokens[0] in held else None
    if refreshed is None:
        raise Declined(412, "there is no such lock here; it may have ended")
    return answers.xml(200, _document(request, [refreshed]))


def _document(request: StagingRequest, locks: Iterable[Lock]) -> str:
    inner = _discovery(request, request.place, locks)
    return f'<?xml version="1.0" encoding="utf-8"?>\n<D:prop xmlns:D="DAV:">{inner}</D:prop>\n'


def _discovery(request: StagingRequest, place: Place, locks: Iterable[Lock]) -> str:
    return f"<D:lockdiscovery>{''.join(_active(request, place, held) for held in locks)}</D:lockdiscovery>"


def _active(request: StagingRequest, place: Place, held: Lock) -> str:
    root = place[: held.levels]
    href = request.href(root, folder=len(root) < len(place))
    return (
        f"<D:activelock><D:locktype><D:write/></D:locktype>"
        f"<D:lockscope><D:{'exclusive' if held.exclusive else 'shared'}/></D:lockscope>"
        f"<D:depth>{'infinity' if held.deep else '0'}</D:depth>{held.owner}"
        f"<D:timeout>Second-{max(held.expires - clock.now(), 0)}</D:timeout>"
        f"<D:locktoken><D:href>{held.token}</D:href></D:locktoken>"
        f"<D:lockroot><D:href>{href}</D:href></D:lockroot></D:activelock>"
    )


def _lockinfo(body: bytes) -> tuple[bool, str]:
    root = properties.parse_xml(body)
    kinds = {child.tag for scope in root.iter(f"{_DAV}lockscope") for child in scope}
    types = {child.tag for kind in root.iter(f"{_DAV}locktype") for child in kind}
    if root.tag != f"{_DAV}lockinfo" or types != {f"{_DAV}write"} or kinds not in ({f"{_DAV}exclusive"}, {f"{_DAV}shared"}):
        raise Invalid("a lockinfo element asks for a write lock that is exclusive or shared")
    owner = root.find(f"{_DAV}owner")
    return kinds == {f"{_DAV}exclusive"}, "" if owner is None else _text(owner)


def _text(element: Element) -> str:
    element.tail = None
    return tostring(element, encoding="unicode")


def _seconds(header: str) -> int | None:
    """Return what a Timeout header asks for first of what is known: -1 for ever, None nothing."""
    for part in header.split(","):
        if part.strip().lower() == "infinite":
            return -1
        if found := _SECONDS.fullmatch(part.strip()):
            return int(found[1])
    return None
