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

from werkzeug.wrappers import Response

from catalog.administration import Scope
from catalog.gate.drops.inbox import Inbox, Inboxes
from catalog.gate.drops.locks import Locks
from catalog.gate.drops.partials import Partials
from catalog.pure.access import Principal
from catalog.pure.drops import Entry, Place
from catalog.pure.errors import ArchimedError, Invalid, Unavailable
from gateway.http import answers, listing, properties
from gateway.http.answers import Answer
from gateway.http.app import Part
from gateway.http.files import Files
from gateway.http.listing import PAGE_HEADERS
from gateway.http.requests import Request, has_body, href, read_xml
from gateway.http.sending import WatchedFile
from gateway.http.staging import changing, described, junk, locking, resumable
from gateway.http.staging.receiving import Receiving, drop
from gateway.http.staging.request import STAGING, Declined, StagingRequest, as_node, is_windows, names_in

METHODS = "OPTIONS, GET, HEAD, PROPFIND, PROPPATCH, PUT, POST, MKCOL, DELETE, COPY, MOVE, LOCK, UNLOCK"
CAPABILITIES = {"DAV": "1, 2, 3", "Allow": METHODS, "MS-Author-Via": "DAV"} | resumable.ABILITIES

_SMALL_BODY = 1 << 20


class StagingPart:
    """The staging tree. One a process, shared by its threads.

    Args:
        inboxes: the staging tree as each principal sees and changes it.
        locks: a principal's locks.
        partials: a principal's files in pieces.
        at_once: how many bodies may come in at a time.
    """

    def __init__(
        self,
        inboxes: Inboxes,
        locks: Callable[[Principal], Locks],
        partials: Callable[[Principal, Inbox], Partials],
        at_once: int,
    ) -> None:
        self._inboxes = inboxes
        self._locks = locks
        self._partials = partials
        self._files = Files()
        self._receiving = Receiving(at_once)
        self._methods: dict[str, Callable[[StagingRequest], Answer]] = {
            "OPTIONS": _options, "GET": self._get, "HEAD": self._get, "PROPFIND": _propfind, "PROPPATCH": described.proppatch,
            "PUT": self._receiving.put, "MKCOL": changing.mkcol, "DELETE": changing.delete, "COPY": changing.copy,
            "MOVE": changing.move, "LOCK": locking.lock, "UNLOCK": locking.unlock,
        }  # fmt: skip

    def registration(self) -> Part:
        """Return it as a part of the door."""
        return Part(
            STAGING, self.answer, scope=Scope.STAGING, names=names_in, close=self._inboxes.close
        )  # fmt: skip

    def answer(self, http: Request) -> Answer:
        """Return the answer to a request for something below `staging/`.

        Raises:
            ArchimedError: what is to be answered instead.
        """
        method, principal = self._methods.get(http.method), http.principal
        inbox = self._inboxes.of(principal)
        place = inbox.as_there(http.path) if is_windows(http.environ) else http.path
        request = StagingRequest(http, inbox, self._locks(principal), place)
        try:
            if resumable.is_upload(request):
                return resumable.answer(request, self._partials(principal, inbox), self._receiving)
            if http.method == "POST":
                return resumable.create(request, self._partials(principal, inbox))
            if method is None:
                raise Declined(405, "there is nothing to do here in that way", Allow=METHODS)
            if junk.is_junk(request):
                return junk.answer(request)
            return method(request)
        except Declined as declined:
            self._make_way(http)
            return declined.answer
        except ArchimedError:
            self._make_way(http)
            raise

    def _make_way(self, request: Request) -> None:
        """Read what is left of a small body, so that the client gets to read why it is refused; a large one is cut off."""
        announced = request.environ.get("CONTENT_LENGTH", "")
        if has_body(request.environ) and announced.isdigit() and int(announced) <= _SMALL_BODY:
            with suppress(Unavailable, Invalid), self._receiving.slot():
                drop(request)

    def _get(self, request: StagingRequest) -> Answer:
        entry = request.entry()
        if not entry.is_folder:
            return self._files.answer(request.http, as_node(entry), lambda: self._open(request))
        names = [
            STAGING,
            *(as_node(request.inbox.stat(request.place[: level + 1])).name for level in range(len(request.place))),
        ]
        rows = listing.page("/" + "/".join(names), _above(request), _listed(request))
        answer = answers.streamed(request.environ, 200, "text/html; charset=utf-8", rows)
        answer.headers.update(PAGE_HEADERS)
        return answer

    def _open(self, request: StagingRequest) -> WatchedFile:
        reading = request.inbox.open(request.place)
        return WatchedFile(reading.fd, self._files.watch(request.http, request.is_still_granted))


def _options(request: StagingRequest) -> Answer:
    request.locate(request.place)
    return Response(status=200, headers=CAPABILITIES)


def _propfind(request: StagingRequest) -> Answer:
    entry = request.entry()
    depth = request.environ.get("HTTP_DEPTH", "infinity").strip().lower()
    if depth == "infinity":
        return answers.xml(403, properties.FINITE_DEPTH)
    if depth not in {"0", "1"}:
        raise Declined(400, "PROPFIND takes a Depth of 0 or 1")
    wanted = properties.parse_propfind(read_xml(request.http))
    lookup = described.property_lookup(request)

    def responses() -> Iterator[str]:
        yield properties.HEAD
        yield _response(request, wanted, lookup, request.place, entry)
        if depth == "1" and entry.is_folder:
            for place, member in request.members(request.place):
                yield _response(request, wanted, lookup, place, member)
        yield properties.FOOT

    return answers.streamed(request.environ, 207, "application/xml; charset=utf-8", responses())


def _response(request: StagingRequest, wanted: properties.Wanted, lookup: described.Lookup, place: Place, entry: Entry) -> str:
    address = request.href(place, folder=entry.is_folder)
    return wanted.response(
        address, as_node(entry), lambda tag: lookup(tag, place, entry), lambda: described.beyond(request, place)
    )


def _listed(request: StagingRequest) -> Iterator[listing.Entry]:
    for place, entry in request.members(request.place):
        yield listing.Entry(request.href(place, folder=entry.is_folder), as_node(entry))


def _above(request: StagingRequest) -> str:
    return request.href(request.place[:-1], folder=True) if request.place else href([], folder=True)
