"""A file's headers and bytes: the answer to GET and HEAD, of archived and of staged files.

The bytes are handed to the server as an open file. Where it has a descriptor the kernel copies it to the connection.
"""

from collections.abc import Callable
from http import HTTPStatus
from io import RawIOBase

from werkzeug.http import http_date
from werkzeug.wrappers import Response

from catalog.pure.nodes import Node
from gateway.http import answers, conditions
from gateway.http.media import media_type
from gateway.http.properties import etag
from gateway.http.requests import Request
from gateway.http.sending import Sending

# A browser must not run what somebody archived, nor show it again after a grant is gone.
_FILE_HEADERS = (
    ("Cache-Control", "private, no-cache"),
    ("Content-Security-Policy", "sandbox"),
    ("X-Content-Type-Options", "nosniff"),
)


class Files:
    """Answers GET and HEAD of files. One a process, shared by its threads and parts."""

    def __init__(self) -> None:
        self._sending = Sending()

    def answer(self, request: Request, node: Node, open_file: Callable[[], RawIOBase]) -> answers.Answer:
        """Return the answer to a GET or HEAD of the file that `node` describes.

        Args:
            request: the request.
            node: its name, size, time and digest.
            open_file: opens its bytes; called only if they are asked for.
        """
        decided = conditions.decided(request.environ, etag(node), node.mtime)
        if decided is not None:
            return Response(status=decided, headers=[("ETag", f'"{etag(node)}"'), *_FILE_HEADERS])
        wanted = None
        if request.method != "HEAD":  # RFC 9110, 14.2
            wanted = conditions.wanted_range(request.environ, etag(node), node.mtime, node.size)
        if wanted is conditions.BEHIND_THE_END:
            return Response(status=416, headers=[("Content-Range", f"bytes */{node.size}"), *_FILE_HEADERS])
        status, headers = _described(node, wanted)
        if request.method == "HEAD":
            return answers.FileAnswer(status, headers)
        give_back = request.take_share()
        try:
            file = open_file()
            file.seek(wanted.start if wanted else 0)
        except BaseException:
            give_back()
            raise
        return answers.FileAnswer(status, headers, file, give_back)

    def watch(self, request: Request, may_go_on: Callable[[], bool]) -> Callable[[], None]:
        """Cut the answer to a request off as soon as it may not go on; what is returned ends that."""
        connection = request.exchange.connection
        return self._sending.begin(connection, may_go_on) if connection is not None else lambda: None


def _described(node: Node, wanted: range | None) -> tuple[str, list[tuple[str, str]]]:
    headers = [
        ("Content-Type", media_type(node.name)), ("Content-Length", f"{len(wanted) if wanted else node.size:d}"),
        ("Last-Modified", http_date(node.mtime)), ("ETag", f'"{etag(node)}"'), ("Accept-Ranges", "bytes"), *_FILE_HEADERS,
    ]  # fmt: skip
    if wanted:
        headers.append(("Content-Range", f"bytes {wanted.start}-{wanted.stop - 1}/{node.size}"))
    status = HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK
    return f"{status.value} {status.phrase}", headers
