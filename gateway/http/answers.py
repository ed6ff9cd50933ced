"""Answers: texts, XML, streams, files, and what status an error of the archive becomes. Nothing is decided here."""

import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header
from werkzeug.wrappers import Response

from catalog.pure.errors import (
    ArchimedError,
    Conflict,
    Damaged,
    Invalid,
    IsADirectory,
    NotADirectory,
    NotFound,
    OutOfSpace,
    Refused,
    Unavailable,
)
from gateway.credentials import CHALLENGE, Unauthenticated
from gateway.http.requests import Environ, Exchange

_STATUS: dict[type[ArchimedError], int] = {
    NotFound: 404, NotADirectory: 404, IsADirectory: 409, Refused: 403, Invalid: 400, Conflict: 409, OutOfSpace: 507,
    Damaged: 500, Unavailable: 503, Unauthenticated: 401,
}  # fmt: skip
_RETRY_SECONDS = "5"
_PIECE = 64 * 1024
_FILE_PIECE = 1024 * 1024
_GZIP_LEVEL = 2  # a listing shrinks 20 times; higher levels cost more time than the wire saves


def _nothing() -> None:
    """Do nothing."""


class Answer(Protocol):
    """A WSGI application that knows its status before it runs."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Send it."""


def text(status: int, sentence: str, **headers: str) -> Response:
    """Return a sentence for a person; keyword `Retry_After` becomes header `Retry-After`."""
    answer = Response(sentence + "\n", status, mimetype="text/plain")
    for name, value in headers.items():
        answer.headers[name.replace("_", "-")] = value
    return answer


def elsewhere(path: str) -> Response:
    """Return that what a person looks for is at another path."""
    answer = text(303, f"it is at {path}", Location=path, Cache_Control="no-store")
    answer.autocorrect_location_header = False
    return answer


def status_of(error: ArchimedError) -> int:
    """Return the HTTP status that an error of the archive becomes."""
    return next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)


def failure(error: ArchimedError, tell: Callable[..., Response] = text) -> Response:
    """Return what an error of the archive is over HTTP, written as `text` does or in another form."""
    status = status_of(error)
    if status == 401:
        return tell(status, str(error), WWW_Authenticate=CHALLENGE)
    if status == 503:
        return tell(status, str(error), Retry_After=_RETRY_SECONDS)
    return tell(status, str(error))


def xml(status: int, document: str) -> Response:
    """Return a small XML document."""
    return Response(document, status, content_type="application/xml; charset=utf-8")


def streamed(environ: Environ, status: int, content_type: str, pieces: Iterable[str]) -> Response:
    """Return a document that may be long without holding it: as it is made, compressed if the client likes that.

    Its first part is made here, so that what fails at once fails with a status. What fails later cuts the answer short, and
    the client notices by the framing.
    """
    blocks = _blocks(pieces)
    first = next(blocks, b"")
    second = next(blocks, None)
    if second is None:
        answer = Response(first, status, content_type=content_type)
    else:
        body = _chain(first, second, blocks)
        compress = parse_accept_header(environ.get("HTTP_ACCEPT_ENCODING"), Accept).quality("gzip") > 0
        answer = Response(_compressed(body) if compress else body, status, content_type=content_type)
        if compress:
            answer.headers["Content-Encoding"] = "gzip"
    answer.headers["Vary"] = "Accept-Encoding"
    return answer


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """A file's headers and, where they ask for it, its bytes: handed to the server whole, which copies them in the kernel.

    `ended` is called when they are sent, or will not be any more.
    """

    status: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    file: io.RawIOBase | None = None
    ended: Callable[[], None] = _nothing

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        return int(self.status[:3])

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Send it: `Content-Length` bytes from where the file stands."""
        start_response(self.status, self.headers)
        if self.file is None:
            return ()
        size = int(dict(self.headers)["Content-Length"])
        body = self.file if isinstance(self.file, io.FileIO) else _Pieces(self.file, size)
        return handed_over(environ, body, size, self.ended)


def handed_over(
    environ: Environ, body: io.FileIO | Iterator[bytes], size: int, ended: Callable[[], None] = _nothing
) -> Iterable[bytes]:
    """Have a long body sent behind the headers; return what a WSGI application returns then.

    A server that takes no body gets its pieces.
    """
    hand_over = Exchange.of(environ).hand_over
    if hand_over is None:
        return _then(_Pieces(body, size) if isinstance(body, io.FileIO) else body, ended)
    hand_over(body, size, ended)
    return ()


def _then(pieces: Iterable[bytes], ended: Callable[[], None]) -> Iterator[bytes]:
    try:
        yield from pieces
    finally:
        ended()


class _Pieces(Iterator[bytes]):
    """So many bytes of a file, a piece at a time: for what the kernel cannot copy by itself."""

    def __init__(self, file: io.RawIOBase, size: int) -> None:
        self._file = file
        self._left = size

    def __next__(self) -> bytes:
        """Return what comes next."""
        piece = self._file.read(min(self._left, _FILE_PIECE)) if self._left else b""
        if not piece:
            self.close()
            raise StopIteration
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        """Close the file, however much of it was given."""
        self._file.close()


def _blocks(pieces: Iterable[str]) -> Iterator[bytes]:
    held: list[str] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _PIECE:
            yield "".join(held).encode()
            held.clear()
            size = 0
    if held:
        yield "".join(held).encode()


def _chain(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest


def _compressed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=31)
    for block in blocks:
        if squeezed := compressor.compress(block):
            yield squeezed
    yield compressor.flush()
