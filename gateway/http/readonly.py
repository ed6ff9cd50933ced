"""A tree that nobody writes over HTTP: method by method, the answers that WebDAV clients understand.

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

A new name stands in a folder that is there. No answer tells a study that is not granted from one that does not exist.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from werkzeug.wrappers import Response

from catalog.pure.errors import NotFound
from catalog.pure.nodes import ROOT_ID, Node
from gateway.http import answers, listing, properties
from gateway.http.answers import Answer
from gateway.http.dav import Files, find
from gateway.http.listing import Entry
from gateway.http.requests import Environ, href, read_xml, view_of

ALLOW = "OPTIONS, GET, HEAD, PROPFIND"
CAPABILITIES = {"DAV": "1, 3", "Allow": ALLOW, "MS-Author-Via": "DAV"}
# Windows asks the root what the whole server can do: staging has locks.
ROOT_CAPABILITIES = CAPABILITIES | {"DAV": "1, 2, 3"}
ARCHIVE = "archive"

_READ_ONLY = "the archive is read-only"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request points: `members` yields what lies below, `names` is the path from the server's root."""

    names: list[str]
    node: Node
    members: Callable[[], Iterator[Node]]

    @property
    def href(self) -> str:
        """The path as it stands in an answer."""
        return href(self.names, folder=self.node.is_folder)

    def below(self) -> Iterator[Entry]:
        """Yield what lies in this folder."""
        for node in self.members():
            yield Entry(href([*self.names, node.name], folder=node.is_folder), node)


class Tree:
    """The server's root and the archive below it, for requests that brought their view in `archimed.view`.

    Args:
        parts: what the root lists.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = parts
        self._files = Files()
        self._methods: dict[str, Callable[[list[str], Environ], Answer]] = {
            "OPTIONS": self._options, "GET": self._get, "HEAD": self._get, "PROPFIND": self._propfind,
            "PROPPATCH": self._proppatch, "MKCOL": self._mkcol, "PUT": self._new, "LOCK": self._new,
            "DELETE": self._change, "COPY": self._change, "MOVE": self._change,
        }  # fmt: skip

    def answer(self, names: list[str], environ: Environ) -> Answer:
        """Return the answer to a request for the root or for something below `archive/`.

        Raises:
            ArchimedError: what is to be answered instead.
        """
        method = self._methods.get(environ["REQUEST_METHOD"])
        if method is None:
            return answers.text(405, "there is nothing to do here in that way", Allow=ALLOW)
        return method(names, environ)

    def _place(self, names: list[str], environ: Environ) -> Place:
        if not names:
            return Place(names, Node(ROOT_ID, "", 0, 0), lambda: iter([Node(ROOT_ID, name, 0, 0) for name in self._parts]))
        node = find(_path(names), environ)
        view = view_of(environ)
        # What is there holds codes and published names only: it may stand in a log line.
        environ["archimed.logged_path"] = href(names, folder=node.is_folder)
        return Place(names, node, lambda: view.walk(node.id))

    def _options(self, names: list[str], environ: Environ) -> Answer:
        self._place(names, environ)
        return Response(status=200, headers=CAPABILITIES if names else ROOT_CAPABILITIES)

    def _get(self, names: list[str], environ: Environ) -> Answer:
        place = self._place(names, environ)
        if not place.node.is_folder:
            return self._files.answer(_path(names), environ)
        rows = listing.page("/" + "/".join(names), href(names[:-1], folder=True), place.below())
        answer = answers.streamed(environ, 200, "text/html; charset=utf-8", rows)
        answer.headers.update(listing.PAGE_HEADERS)
        return answer

    def _propfind(self, names: list[str], environ: Environ) -> Answer:
        place = self._place(names, environ)
        depth = environ.get("HTTP_DEPTH", "infinity").strip().lower()
        if depth == "infinity":
            return answers.xml(403, properties.FINITE_DEPTH)
        if depth not in {"0", "1"}:
            return answers.text(400, "PROPFIND takes a Depth of 0 or 1")
        wanted = properties.parse_propfind(read_xml(environ))

        def entries() -> Iterator[Entry]:
            yield Entry(place.href, place.node)
            if depth == "1" and place.node.is_folder:
                yield from place.below()

        return answers.streamed(environ, 207, "application/xml; charset=utf-8", listing.multistatus(wanted, entries()))

    def _proppatch(self, names: list[str], environ: Environ) -> Answer:
        place = self._place(names, environ)
        return answers.xml(207, properties.refused_proppatch(place.href, read_xml(environ)))

    def _mkcol(self, names: list[str], environ: Environ) -> Answer:
        if self._is_new(names, environ):
            return answers.text(403, _READ_ONLY)
        return answers.text(405, "there is something of that name", Allow=ALLOW)

    def _new(self, names: list[str], environ: Environ) -> Answer:
        self._is_new(names, environ)
        return answers.text(403, _READ_ONLY)

    def _change(self, names: list[str], environ: Environ) -> Answer:
        self._place(names, environ)
        return answers.text(403, _READ_ONLY)

    def _is_new(self, names: list[str], environ: Environ) -> bool:
        """Whether nothing is there, but a folder above it is.

        Raises:
            NotFound: no folder is above it.
        """
        try:
            self._place(names, environ)
        except NotFound:
            if not self._place(names[:-1], environ).node.is_folder:
                raise
            return True
        return False


def _path(names: list[str]) -> str:
    """Return where it is below the archive's root."""
    return "/" + "/".join(names[1:])
