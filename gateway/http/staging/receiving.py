"""Bodies that become files: PUT. A file that did not come in whole never counts, and never takes the place of the former one.

The bytes go to where nobody sees them, and to their name in one step when all of them are durable. What the client says of them
is held against what came: their number (Content-Length, or X-Expected-Entity-Length of Finder's chunked bodies) and a digest
(OC-Checksum).
"""

import hashlib
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from werkzeug.wrappers import Response

from catalog.pure.drops import Entry
from catalog.pure.errors import Invalid, OutOfSpace, Unavailable
from gateway.http.requests import Environ, Request, has_body, read_input
from gateway.http.staging import preconditions
from gateway.http.staging.request import Declined, StagingRequest, plain, tag

_PIECE = 1 << 18
_SECOND = 1_000_000_000
# Slower than this on average, once that many seconds have gone: somebody keeps a thread busy.
_SLOWEST_BYTES_A_SECOND = 1024
_PATIENCE_SECONDS = 60.0
_TRUNCATED = "the request's body is not whole; nothing of it was kept, send it again"


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class _Adler32:
    def __init__(self) -> None:
        self._value = 1

    def update(self, data: bytes, /) -> None:
        self._value = zlib.adler32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


_DIGESTS: dict[str, Callable[[], _Digest]] = {
    "SHA256": hashlib.sha256,
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "ADLER32": _Adler32,
}
# Who names one digest asks for these when it checks, and rclone for MD5 though it sends SHA1.
_ALSO_KEPT = ("SHA1", "MD5")


class _Checksum:
    """The digest that a client names, and what comes out of the bytes."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value
        self._computed = {kind: _DIGESTS[kind]() for kind in dict.fromkeys((name, *_ALSO_KEPT))}

    def update(self, data: bytes) -> None:
        for computed in self._computed.values():
            computed.update(data)

    def is_right(self) -> bool:
        return self._computed[self._name].hexdigest() == self._value

    def line(self) -> str:
        return " ".join(f"{name}:{computed.hexdigest()}" for name, computed in self._computed.items())


class Receiving:
    """Takes in bodies. One a process, shared by its threads.

    Args:
        at_once: how many bodies may come in at a time, so that slow senders leave threads to everybody else.
    """

    def __init__(self, at_once: int) -> None:
        self._slots = threading.BoundedSemaphore(at_once)

    def put(self, request: StagingRequest) -> Response:
        """Answer a PUT.

        Raises:
            Declined, ArchimedError: nothing was changed.
        """
        environ = request.environ
        located = request.locate(request.place)
        found = located.entry
        _require_plain(environ, found)
        preconditions.check(request, found)
        tokens = preconditions.shown_tokens(environ)
        request.check_locks(request.place, tokens, new=found is None)
        mtime, digest = _mtime(environ), _checksum(environ)
        self.require_room(request, _announced(environ) or 0)
        with self.slot():
            upload = request.inbox.upload(request.place, located)
            try:
                for piece in pieces(request.http):
                    upload.write(piece)
                    if digest is not None:
                        digest.update(piece)
                if digest is not None and not digest.is_right():
                    raise Invalid("the bytes that came do not have the digest that OC-Checksum names; send them again")
                # While the body came, a grant or a login may have ended, and a lock been taken.
                request.require_still_granted()
                request.check_locks(request.place, tokens)
                if mtime is not None:
                    os.utime(upload.fd, ns=(mtime * _SECOND, mtime * _SECOND))
                if digest is not None:
                    upload.keep_digests(digest.line())
                written = os.fstat(upload.fd)
                upload.commit()
            except BaseException:
                upload.discard()
                raise
        return _kept(written, found, mtime)

    def require_room(self, request: StagingRequest, size: int) -> None:
        """Check that a body of this size may come in at all, before it is read.

        Raises:
            OutOfSpace: it may not.
        """
        left = request.inbox.left()
        if left is not None and size > left:
            raise OutOfSpace("that is more than your quota in staging leaves; remove files, or wait until batches are decided")

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the places for bodies that come in.

        Raises:
            Unavailable: all are taken.
        """
        if not self._slots.acquire(blocking=False):
            raise Unavailable("too many uploads run at this moment; try again in some seconds")
        try:
            yield
        finally:
            self._slots.release()


def pieces(request: Request) -> Iterator[bytes]:
    """Yield the request's body.

    Raises:
        Invalid: it is not whole, which turns out at the end.
        TimeoutError: it comes too slowly.
    """
    environ, exchange = request.environ, request.exchange
    announced, received, began = _announced(environ), 0, time.monotonic()
    if not has_body(environ) or exchange.body_is_read:
        exchange.body_is_read = True
        return
    while True:
        try:
            piece = read_input(request, _PIECE)
        except Invalid:
            raise Invalid(_TRUNCATED) from None
        if not piece:
            break
        received += len(piece)
        elapsed = time.monotonic() - began
        if elapsed > _PATIENCE_SECONDS and received < elapsed * _SLOWEST_BYTES_A_SECOND:
            raise TimeoutError
        yield piece
    if announced is not None and received != announced:
        raise Invalid(_TRUNCATED)
    exchange.body_is_read = True


def drop(request: Request) -> None:
    """Read a body for nothing."""
    for _ in pieces(request):
        pass


def _announced(environ: Environ) -> int | None:
    """Return how many bytes the client says it sends; None if it does not."""
    chunked = "HTTP_TRANSFER_ENCODING" in environ
    said = environ.get("HTTP_X_EXPECTED_ENTITY_LENGTH", "") if chunked else environ.get("CONTENT_LENGTH", "") or "0"
    return int(said) if said.isascii() and said.isdigit() else None


def _require_plain(environ: Environ, found: Entry | None) -> None:
    if found is not None and found.is_folder:
        raise Declined(405, "a folder of that name is there; a file cannot take its place", Allow="OPTIONS, PROPFIND, MOVE")
    if "HTTP_CONTENT_RANGE" in environ:
        raise Declined(400, "a PUT brings a whole file; for parts of one, see the resumable upload in docs/staging-webdav.md")
    if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise Declined(415, "a file is sent as it is, without a Content-Encoding")


def _mtime(environ: Environ) -> int | None:
    header = environ.get("HTTP_X_OC_MTIME")
    if header is None:
        return None
    # Some clients send fractions.
    whole = header.partition(".")[0]
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 11):
        raise Declined(400, "X-OC-Mtime is a time in seconds since 1970")
    return int(whole)


def _checksum(environ: Environ) -> _Checksum | None:
    """Return the digest that the client names, of the kinds that are known; None if it names none."""
    for said in environ.get("HTTP_OC_CHECKSUM", "").split():
        kind, _, value = said.partition(":")
        if kind.upper() in _DIGESTS:
            return _Checksum(kind.upper(), value.lower())
    return None


def _kept(written: os.stat_result, former: Entry | None, mtime: int | None) -> Response:
    answer = plain(204 if former is not None else 201)
    answer.headers["ETag"] = f'"{tag(written.st_ino, written.st_mtime_ns, written.st_size)}"'
    if mtime is not None:
        answer.headers["X-OC-MTime"] = "accepted"
    return answer
