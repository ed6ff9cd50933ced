"""`/staging/...`: the gated tree over WebDAV, class 1 and 2, method by method.

| method | answer |
| --- | --- |
| OPTIONS, GET, HEAD, PROPFIND 0 and 1 | as in the archive; PROPFIND infinity 403 |
| PUT, MKCOL, COPY, MOVE, DELETE | 201 or 204; 207 where a part of a folder could not be changed |
| PROPPATCH | 207 |
| LOCK, UNLOCK | 200 or 201, 204 |
| POST, PATCH | resumable upload, see `resumable` |

What is sealed, or the system's: 403. Locked: 423. A study that is not granted, or with a role that imports nothing: 404. No
room: 507. What Finder and Explorer leave in every folder is taken and forgotten.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from werkzeug.wrappers import Response

from catalog.gate.drops.inbox import Inbox
from catalog.gate.drops.inboxes import Inboxes
from catalog.gate.drops.locks import Locks
from catalog.gate.drops.partials import Partials
from catalog.pure.access import Principal
from catalog.pure.drops import Entry, Place
from catalog.pure.errors import ArchimedError, Invalid, Unavailable
from gateway.http import answers, listing, properties
from gateway.http.answers import Answer
from gateway.http.dav import Files
from gateway.http.listing import PAGE_HEADERS
from gateway.http.requests import Environ, has_body, href, read_xml
from gateway.http.sending import WatchedFile
from gateway.http.staging import changing, described, junk, locking, resumable
from gateway.http.staging.receiving import Receiving, drop
from gateway.http.staging.visit import STAGING, Declined, Visit, as_node

METHODS = "OPTIONS, GET, HEAD, PROPFIND, PROPPATCH, PUT, POST, MKCOL, DELETE, COPY, MOVE, LOCK, UNLOCK"
CAPABILITIES = {"DAV": "1, 2, 3", "Allow": METHODS, "MS-Author-Via": "DAV"} | resumable.ABILITIES

_SMALL_BODY = 1 << 20


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the part is made of: a principal's inbox, locks and files in pieces; how many bodies may come in at a time."""

    inboxes: Inboxes
    locks: Callable[[Principal], Locks]
    partials: Callable[[Principal, Inbox], Partials]
    at_once: int


class StagingPart:
    """The staging tree. One a process, shared by its threads."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._files = Files()
        self._receiving = Receiving(rooms.at_once)
        self._methods: dict[str, Callable[[Visit], Answer]] = {
            "OPTIONS": _options, "GET": self._get, "HEAD": self._get, "PROPFIND": _propfind, "PROPPATCH": described.proppatch,
            "PUT": self._receiving.put, "MKCOL": changing.mkcol, "DELETE": changing.delete, "COPY": changing.copy,
            "MOVE": changing.move, "LOCK": locking.lock, "UNLOCK": locking.unlock,
        }  # fmt: skip

    def answer(self, names: list[str], environ: Environ) -> Answer:
        """Return the answer to a request for something below `staging/`, by the principal in `archimed.principal`.

        Raises:
            ArchimedError: what is to be answered instead.
        """
        method = self._methods.get(environ["REQUEST_METHOD"])
        principal: Principal = environ["archimed.principal"]
        inbox = self._rooms.inboxes.of(principal)
        visit = Visit(environ, inbox, self._rooms.locks(principal), tuple(names[1:]))
        try:
            if resumable.is_upload(visit):
                return resumable.answer(visit, self._rooms.partials(principal, inbox), self._receiving)
            if environ["REQUEST_METHOD"] == "POST":
                return resumable.create(visit, self._rooms.partials(principal, inbox))
            if method is None:
                raise Declined(405, "there is nothing to do here in that way", Allow=METHODS)
            if junk.is_junk(visit):
                return junk.answer(visit)
            return method(visit)
        except Declined as declined:
            self._make_way(environ)
            return declined.answer
        except ArchimedError:
            self._make_way(environ)
            raise

    def _make_way(self, environ: Environ) -> None:
        """Read what is left of a small body, so that the client gets to read why it is refused; a large one is cut off."""
        announced = environ.get("CONTENT_LENGTH", "")
        if has_body(environ) and announced.isdigit() and int(announced) <= _SMALL_BODY:
            with suppress(Unavailable, Invalid), self._receiving.slot():
                drop(environ)

    def _get(self, visit: Visit) -> Answer:
        entry = visit.entry()
        if not entry.is_folder:
            return self._files.send(as_node(entry), visit.environ, lambda: self._open(visit))
        names = [STAGING, *(as_node(visit.inbox.stat(visit.place[: level + 1])).name for level in range(len(visit.place)))]
        rows = listing.page("/" + "/".join(names), _above(visit), _listed(visit))
        answer = answers.streamed(visit.environ, 200, "text/html; charset=utf-8", rows)
        answer.headers.update(PAGE_HEADERS)
        return answer

    def _open(self, visit: Visit) -> WatchedFile:
        reading = visit.inbox.open(visit.place)
        return WatchedFile(reading.fd, self._files.watch(visit.environ, visit.is_still_granted))


def _options(visit: Visit) -> Answer:
    if visit.find(visit.place) is None:
        visit.inbox.stat(visit.place[:1])
        visit.require_parent(visit.place)
    return Response(status=200, headers=CAPABILITIES)


def _propfind(visit: Visit) -> Answer:
    entry = visit.entry()
    depth = visit.environ.get("HTTP_DEPTH", "infinity").strip().lower()
    if depth == "infinity":
        return answers.xml(403, properties.FINITE_DEPTH)
    if depth not in {"0", "1"}:
        raise Declined(400, "PROPFIND takes a Depth of 0 or 1")
    wanted = properties.parse_propfind(read_xml(visit.environ))
    tell = described.teller(visit)

    def told() -> Iterator[str]:
        yield properties.HEAD
        yield _response(visit, wanted, tell, visit.place, entry)
        if depth == "1" and entry.is_folder:
            for place, member in visit.members(visit.place):
                yield _response(visit, wanted, tell, place, member)
        yield properties.FOOT

    return answers.streamed(visit.environ, 207, "application/xml; charset=utf-8", told())


def _response(visit: Visit, wanted: properties.Wanted, tell: described.Teller, place: Place, entry: Entry) -> str:
    address = visit.href(place, folder=entry.is_folder)
    return wanted.response(address, as_node(entry), lambda tag: tell(tag, place, entry), lambda: described.beyond(visit, place))


def _listed(visit: Visit) -> Iterator[listing.Entry]:
    for place, entry in visit.members(visit.place):
        yield listing.Entry(visit.href(place, folder=entry.is_folder), as_node(entry))


def _above(visit: Visit) -> str:
    return visit.href(visit.place[:-1], folder=True) if visit.place else href([], folder=True)
