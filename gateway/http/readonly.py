"""The server's root and `/archive/...`, which nobody writes: method by method, the answers that WebDAV clients understand.

| method | a folder | a file | a new name | nothing there, or not granted |
| --- | --- | --- | --- | --- |
| OPTIONS | 200 | 200 | 404 | 404 |
| GET, HEAD | page | bytes | 404 | 404 |
| PROPFIND 0, 1 | 207 | 207 | 404 | 404 |
| PROPFIND infinity or without Depth | 403 | 403 | 404 | 404 |
| PUT, LOCK | 403 | 403 | 403 | 404 |
| MKCOL | 405 | 405 | 403 | 404 |
| DELETE, COPY, MOVE | 403 | 403 | 404 | 404 |
| PROPPATCH | 207, 403 inside | 207, 403 inside | 404 | 404 |
| POST, PATCH, UNLOCK, unknown | 405 | 405 | 405 | 405 |

A new name stands in a folder that is there. A study that is not granted is answered as one that does not exist.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from werkzeug.wrappers import Response

from catalog.administration import Scope
from catalog.audit import Face
from catalog.pure.errors import NotADirectory, NotFound
from catalog.pure.nodes import ROOT_ID, Node
from catalog.view import Archive, Tree
from gateway.http import answers, listing, properties
from gateway.http.answers import Answer
from gateway.http.app import Login, Part
from gateway.http.files import Files
from gateway.http.listing import Entry
from gateway.http.requests import Request, client_of, href, read_xml
from gateway.http.sending import ArchivedFile, ArchivedRanges, archived

ALLOW = "OPTIONS, GET, HEAD, PROPFIND"
CAPABILITIES = {"DAV": "1, 3", "Allow": ALLOW, "MS-Author-Via": "DAV"}
# Windows asks the root what the whole server can do: staging has locks.
ROOT_CAPABILITIES = CAPABILITIES | {"DAV": "1, 2, 3"}
ARCHIVE = "archive"

_READ_ONLY = "the archive is read-only"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request points: `names` leads there from the root, `members` yields what lies below, `open` opens its bytes."""

    names: Sequence[str]
    node: Node
    members: Callable[[], Iterator[Node]]
    open: Callable[[], ArchivedFile | ArchivedRanges] | None = None

    @property
    def href(self) -> str:
        """The path as it stands in an answer."""
        return href(self.names, folder=self.node.is_folder)

    def below(self) -> Iterator[Entry]:
        """Yield what lies in this folder."""
        for node in self.members():
            yield Entry(href([*self.names, node.name], folder=node.is_folder), node)


Find: TypeAlias = Callable[[Request, Sequence[str]], Place]
"""Called with a request and a path below the part's prefix; returns what is there, or raises NotFound."""


def root_part(shares: Sequence[str], pages: str) -> Part:
    """Return the part at `/`, which lists the WebDAV shares of this server; people are sent to the `pages`."""

    def find(_request: Request, _path: Sequence[str]) -> Place:
        return Place((), Node(ROOT_ID, "", 0, 0), lambda: iter([Node(ROOT_ID, name, 0, 0) for name in shares]))

    return Part("", ReadOnly(find, ROOT_CAPABILITIES).answer, login=Login.NOT_FOR_OPTIONS, label="root", pages=pages)


def archive_part(archive: Archive) -> Part:
    """Return the part at `/archive/...`."""
    files = Files()

    def find(request: Request, path: Sequence[str]) -> Place:
        view = archive.view(request.principal, Face.WEBDAV)
        try:
            node = view.resolve("/".join(path), any_case=True)
        except NotADirectory:
            raise NotFound("there is no such file or folder") from None
        names = (ARCHIVE, *path)
        request.exchange.shown_path = href(names, folder=node.is_folder)
        return Place(names, node, lambda: view.walk(node.id), lambda: open_archived(files, request, view, node))

    return Part(ARCHIVE, ReadOnly(find, CAPABILITIES, files).answer, scope=Scope.READ)


def open_archived(files: Files, request: Request, view: Tree, node: Node) -> ArchivedFile | ArchivedRanges:
    """Open an archived file to be sent; it ends when its reader may not have it any more."""
    opened = view.open(node.id, client_of(request.environ.get("HTTP_USER_AGENT", "")))

    def may_go_on() -> bool:
        try:
            view.attributes(node.id)
        except NotFound:
            return False
        return request.still_authenticated()

    return archived(opened, files.watch(request, may_go_on))


class ReadOnly:
    """A tree of folders and files that is only read. One a process, shared by its threads.

    Args:
        find: what is at a path.
        capabilities: the headers that answer OPTIONS.
        files: sends the bytes of what is a file.
    """

    def __init__(self, find: Find, capabilities: dict[str, str], files: Files | None = None) -> None:
        self._find = find
        self._capabilities = capabilities
        self._files = files or Files()
        self._methods: dict[str, Callable[[Request], Answer]] = {
            "OPTIONS": self._options, "GET": self._get, "HEAD": self._get, "PROPFIND": self._propfind,
            "PROPPATCH": self._proppatch, "MKCOL": self._mkcol, "PUT": self._new, "LOCK": self._new,
            "DELETE": self._change, "COPY": self._change, "MOVE": self._change,
        }  # fmt: skip

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request.

        Raises:
            ArchimedError: what is to be answered instead.
        """
        method = self._methods.get(request.method)
        if method is None:
            return answers.text(405, "there is nothing to do here in that way", Allow=ALLOW)
        return method(request)

    def _place(self, request: Request) -> Place:
        return self._find(request, request.path)

    def _options(self, request: Request) -> Answer:
        self._place(request)
        return Response(status=200, headers=self._capabilities)

    def _get(self, request: Request) -> Answer:
        place = self._place(request)
        if not place.node.is_folder and place.open is not None:
            return self._files.answer(request, place.node, place.open)
        rows = listing.page("/" + "/".join(place.names), href(place.names[:-1], folder=True), place.below())
        answer = answers.streamed(request.environ, 200, "text/html; charset=utf-8", rows)
        answer.headers.update(listing.PAGE_HEADERS)
        return answer

    def _propfind(self, request: Request) -> Answer:
        place = self._place(request)
        depth = request.environ.get("HTTP_DEPTH", "infinity").strip().lower()
        if depth == "infinity":
            return answers.xml(403, properties.FINITE_DEPTH)
        if depth not in {"0", "1"}:
            return answers.text(400, "PROPFIND takes a Depth of 0 or 1")
        wanted = properties.parse_propfind(read_xml(request))

        def entries() -> Iterator[Entry]:
            yield Entry(place.href, place.node)
            if depth == "1" and place.node.is_folder:
                yield from place.below()

        return answers.streamed(
            request.environ, 207, "application/xml; charset=utf-8", listing.multistatus(wanted, entries())
        )  # fmt: skip

    def _proppatch(self, request: Request) -> Answer:
        place = self._place(request)
        return answers.xml(207, properties.refused_proppatch(place.href, read_xml(request)))

    def _mkcol(self, request: Request) -> Answer:
        if self._is_new(request):
            return answers.text(403, _READ_ONLY)
        return answers.text(405, "there is something of that name", Allow=ALLOW)

    def _new(self, request: Request) -> Answer:
        self._is_new(request)
        return answers.text(403, _READ_ONLY)

    def _change(self, request: Request) -> Answer:
        self._place(request)
        return answers.text(403, _READ_ONLY)

    def _is_new(self, request: Request) -> bool:
        """Whether nothing is there, but a folder above it is.

        Raises:
            NotFound: no folder is above it.
        """
        try:
            self._place(request)
        except NotFound:
            if not self._find(request, request.path[:-1]).node.is_folder:
                raise
            return True
        return False
