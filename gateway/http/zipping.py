"""Many archived files as one ZIP, made while it is sent: memory stays flat, and its size is known before the first byte.

Files are stored, not compressed: medical images are large, often compressed already, and a size that is known lets clients show
progress and notice an answer that was cut short. Each file is opened when its turn comes, so that a grant that ends in the
middle ends the answer there.
"""

import errno
import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from werkzeug.wrappers import Response
from zipstream import ZipStream

from catalog.pure.errors import ArchimedError, Invalid, NotFound
from catalog.pure.nodes import Node
from catalog.view import Tree
from gateway.http import answers, conditions
from gateway.http.answers import Answer
from gateway.http.files import Files
from gateway.http.requests import Environ, Request, client_of

MOST_FILES = 100_000
_PIECE = 1 << 20
_HEADERS = {
    "Content-Type": "application/zip", "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff",
}  # fmt: skip

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a ZIP: its path in there, with slashes, and which file it is."""

    path: str
    node: Node


def members(tree: Tree, node: Node, path: str) -> Iterator[Member]:
    """Yield all files at or below a node, whose own path in the ZIP this is."""
    if not node.is_folder:
        yield Member(path, node)
        return
    for each in tree.walk(node.id):
        yield from members(tree, each, f"{path}/{each.name}" if path else each.name)


def answer(request: Request, tree: Tree, files: Files, name: str, found: Iterable[Member]) -> Answer:
    """Return the answer to a GET or HEAD of a ZIP.

    Args:
        request: the request.
        tree: what opens the files.
        files: what watches over what is being sent.
        name: what the file is called where it is saved, without `.zip`.
        found: what is in it.

    Raises:
        NotFound: nothing is.
        Invalid: it is too much for one ZIP.
    """
    chosen: list[Member] = []
    digest = hashlib.sha256()
    for member in found:
        if len(chosen) == MOST_FILES:
            raise Invalid(f"there are more than {MOST_FILES} files in this; take it in parts")
        chosen.append(member)
        digest.update(f"{member.path}\0".encode("utf-8", "surrogateescape") + member.node.digest)
    if not chosen:
        raise NotFound("there is no such file or folder")
    # Weak: the ZIP's own times are those of its making.
    tag = f'W/"{digest.hexdigest()}"'
    if conditions.decided(request.environ, digest.hexdigest(), 0) == 304:
        return Response(status=304, headers={"ETag": tag, **_HEADERS})
    return _Sent(request, tree, files, chosen, {
        **_HEADERS, "ETag": tag, "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}.zip",
    })  # fmt: skip


class _Sent:
    """A ZIP as a WSGI application that knows its status and its size before it runs."""

    status_code = 200

    def __init__(self, request: Request, tree: Tree, files: Files, chosen: Sequence[Member], headers: dict[str, str]) -> None:
        self._request = request
        self._tree = tree
        self._files = files
        self._program = client_of(request.environ.get("HTTP_USER_AGENT", ""))
        self._now: Node = chosen[0].node
        self._zip = ZipStream(sized=True)
        for member in chosen:
            self._zip.add(self._bytes(member.node), member.path, size=member.node.size)
        self._headers = {**headers, "Content-Length": str(len(self._zip))}
        if request.method != "HEAD":
            self._give_back = request.take_share()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Send it."""
        start_response("200 OK", list(self._headers.items()))
        if environ["REQUEST_METHOD"] == "HEAD":
            return ()
        return answers.handed_over(environ, self._pieces(), len(self._zip), self._give_back)

    def _pieces(self) -> Iterator[bytes]:
        end = self._files.watch(self._request, self._may_go_on)
        try:
            yield from self._zip
        except ArchimedError as error:
            # The status is sent: what is left is to cut the answer short, which the client notices by its size.
            _log.info("a ZIP was cut off: %s", error)
            raise ConnectionResetError(errno.ECONNRESET, "a ZIP was cut off") from None
        finally:
            end()

    def _bytes(self, node: Node) -> Iterator[bytes]:
        self._now = node
        opened = self._tree.open(node.id, self._program)
        try:
            offset = 0
            while piece := opened.read_at(offset, _PIECE):
                offset += len(piece)
                yield piece
                opened.count(len(piece))
        finally:
            opened.close()

    def _may_go_on(self) -> bool:
        try:
            self._tree.attributes(self._now.id)
        except NotFound:
            return False
        return self._request.still_authenticated()
