"""A file's headers and bytes, and what is at a path of the archive.

wsgidav (4.4) is asked for what it does well: the headers of a file, its byte ranges, If-Range. What it does wrongly is decided
before it is asked (`conditions`); listings are written by hand (`properties`); and it is asked for HEAD only, because it would
copy a file's bytes through Python, where the server can have the kernel send them.
"""

import logging
from collections.abc import Callable
from io import FileIO
from typing import Any

from werkzeug.wrappers import Response
from wsgidav.dav_error import DAVError
from wsgidav.dav_provider import DAVNonCollection, DAVProvider
from wsgidav.request_resolver import RequestResolver
from wsgidav.wsgidav_app import WsgiDAVApp

from catalog.pure.errors import NotADirectory, NotFound
from catalog.pure.nodes import Node
from gateway.http import answers, conditions
from gateway.http.clients import client_of
from gateway.http.media import media_type
from gateway.http.properties import etag
from gateway.http.requests import Environ, view_of
from gateway.http.sending import ArchivedFile, Sending

# Its lines repeat logins, paths and headers; ours are written by `gateway.http.server`.
logging.getLogger("wsgidav").setLevel(logging.CRITICAL)

_SHARE = "/file"
# A browser must not run what somebody archived, nor show it again after a grant is gone.
_FILE_HEADERS = (
    ("Cache-Control", "private, no-cache"),
    ("Content-Security-Policy", "sandbox"),
    ("X-Content-Type-Options", "nosniff"),
)


class SentFile(DAVNonCollection):  # type: ignore[misc] # wsgidav has no types
    """The file that a request is about; its bytes are sent by the server."""

    def __init__(self, path: str, environ: Environ, node: Node) -> None:
        super().__init__(path, environ)
        self.node = node

    def get_content(self) -> FileIO:
        """Open its bytes; it has to be there, though nobody asks."""
        file: FileIO = self.environ["archimed.open_file"]()
        return file

    def get_content_length(self) -> int:
        """Return its size in bytes."""
        return self.node.size

    def get_content_type(self) -> str:
        """Return its media type."""
        return media_type(self.node.name)

    def get_etag(self) -> str:
        """Return its digest."""
        return etag(self.node)

    def get_last_modified(self) -> int:
        """Return its time in seconds since 1970."""
        return self.node.mtime

    def support_etag(self) -> bool:
        """Return that it has one."""
        return True

    def support_ranges(self) -> bool:
        """Return that parts can be asked for."""
        return True


class OneFile(DAVProvider):  # type: ignore[misc] # wsgidav has no types
    """A share that holds but the file that the request is about, found before."""

    def is_readonly(self) -> bool:
        """Return that nothing can be written."""
        return True

    def get_resource_inst(self, path: str, environ: Environ) -> SentFile:
        """Return it, whatever the path."""
        return SentFile(path, environ, environ["archimed.node"])


def find(path: str, environ: Environ) -> Node:
    """Return the node at a path of this request's view; looked up once a request, however often it is asked for.

    Raises:
        NotFound: there is none.
    """
    found: dict[str, Node] = environ.setdefault("archimed.nodes", {})
    if path not in found:
        try:
            found[path] = view_of(environ).resolve(path)
        except NotADirectory:
            raise NotFound("there is no such file or folder") from None
    return found[path]


class Files:
    """Answers GET and HEAD of files, archived and staged."""

    def __init__(self) -> None:
        self._sending = Sending()
        self._app = WsgiDAVApp(
            {
                "provider_mapping": {_SHARE: OneFile()},
                "middleware_stack": [RequestResolver],
                "logging": {"enable": False},
                "verbose": 1,
                "lock_storage": None,
                "property_manager": None,
            }
        )

    def answer(self, path: str, environ: Environ) -> answers.Answer:
        """Return the answer to a GET or HEAD of a file's path in this request's view.

        Raises:
            NotFound: it is not there, or not granted (any more).
            Damaged, Unavailable: its bytes are not there, or not now.
        """
        node = find(path, environ)
        return self.send(node, environ, lambda: self._open(node, environ))

    def send(self, node: Node, environ: Environ, open_file: Callable[[], FileIO]) -> answers.Answer:
        """Return the answer to a GET or HEAD of a file that is described by `node`; opened only if its bytes are asked for."""
        decided = conditions.decided(environ, etag(node), node.mtime)
        if decided is not None:
            return Response(status=decided, headers=[("ETag", f'"{etag(node)}"'), *_FILE_HEADERS])
        asked = conditions.simplified(environ)
        asked.update(
            {"REQUEST_METHOD": "HEAD", "PATH_INFO": _SHARE, "wsgidav.auth.user_name": ""}
        )  # fmt: skip
        asked.update({"archimed.node": node, "archimed.open_file": open_file})
        try:
            status, headers = self._headers(asked)
        except DAVError as error:
            return Response(status=error.value, headers=error.add_headers)
        headers = [(name, value) for name, value in headers if name != "Date"] + list(_FILE_HEADERS)
        if environ["REQUEST_METHOD"] == "HEAD":
            return answers.FileAnswer(status, headers)
        file = open_file()
        file.seek(_start(dict(headers)))
        return answers.FileAnswer(status, headers, file)

    def _open(self, node: Node, environ: Environ) -> ArchivedFile:
        view, session_holds = view_of(environ), environ["archimed.session_holds"]
        opened = view.open(node.id, client_of(environ.get("HTTP_USER_AGENT", "")))

        def may_go_on() -> bool:
            try:
                view.attributes(node.id)
            except NotFound:
                return False
            return bool(session_holds())

        return ArchivedFile(opened, self.watch(environ, may_go_on))

    def watch(self, environ: Environ, may_go_on: Callable[[], bool]) -> Callable[[], None]:
        """Cut the answer to a request off as soon as it may not go on; what is returned ends that."""
        connection = environ.get("gunicorn.socket")
        return self._sending.begin(connection, may_go_on) if connection is not None else lambda: None

    def _headers(self, environ: Environ) -> tuple[str, list[tuple[str, str]]]:
        got: list[Any] = []
        for _ in self._app(environ, lambda status, headers, _error=None: got.extend((status, headers))):
            pass
        status, headers = got
        return status, headers


def _start(headers: dict[str, str]) -> int:
    # `Content-Range: bytes 5-9/10`
    content_range = headers.get("Content-Range")
    return int(content_range.split()[1].partition("-")[0]) if content_range else 0
