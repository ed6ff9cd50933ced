"""Answers on their way out: what a client does not take at once waits here, and holds no thread that answers others.

A connection (`Outgoing`) takes what is written to it at once and keeps what the client does not read; behind that come the
bytes of a file, which the kernel copies, or pieces that are made as they are sent. One thread a process (`Sender`) sends for
all that wait; pieces have a thread each, for to make one may mean to wait for a disk. Who takes next to nothing is cut off, and
each user and address has a share of the long answers that a process sends at a time. May live here: sending, and its limits.
Not: what is sent, nor whether its reader may have it (`sending`).
"""

import errno
import fcntl
import io
import logging
import os
import selectors
import socket
import struct
import termios
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from catalog.faults import place_of
from catalog.pure.errors import Unavailable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_log = logging.getLogger(__name__)

# Of one answer that is made in pieces so much waits in memory, of all of a process at most so much: then its thread waits.
MOST_WAITING = 8 << 20
_MOST_WAITING_OF_ALL = 128 << 20
# What one connection is sent before it is the next one's turn.
_TURN = 1 << 20
_AHEAD = 4 << 20
# Fewer bytes than this in the time that a client may stall, and it is cut off: 100 bytes a second.
_LEAST = 6000
_LOOK_SECONDS = 1.0
_STALLED_SECONDS = 60.0

# Long answers at a time, of one process: of one user, of one address, of all. `rclone mount` opens a few dozen files.
MOST_OF_USER = 64
MOST_OF_ADDRESS = 128
MOST_OF_ALL = 384

Body = io.FileIO | Iterator[bytes]


class Shares:
    """How many long answers each user and each address is being sent by this process. Shared by its threads."""

    def __init__(self, user: int = MOST_OF_USER, address: int = MOST_OF_ADDRESS, all_together: int = MOST_OF_ALL) -> None:
        self._most = {"user": user, "address": address, "all": all_together}
        self._taken: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def take(self, user: str, address: str) -> Callable[[], None]:
        """Take a share; what is returned gives it back, once.

        Raises:
            Unavailable: all shares are taken, of the user, of the address or of this process.
        """
        keys = [("user", user), ("address", address), ("all", "")]
        with self._lock:
            if any(self._taken[key] >= self._most[key[0]] for key in keys):
                raise Unavailable("too many long answers are being sent to you at this moment; try again when one has ended")
            self._taken.update(keys)
        return lambda: self._give_back(keys)

    def _give_back(self, keys: list[tuple[str, str]]) -> None:
        with self._lock:
            while keys:  # emptied: a second call gives nothing back
                key = keys.pop()
                self._taken[key] -= 1
                if self._taken[key] <= 0:
                    del self._taken[key]


class _Waiting:
    """How much waits in memory, of all connections of this process."""

    def __init__(self) -> None:
        self.bytes = 0


_waiting = _Waiting()


class Outgoing(socket.socket):
    """A connection to a client. One thread at a time writes to it: that of its request, then whoever sends what is left."""

    def __init__(self, accepted: socket.socket) -> None:
        timeout = accepted.gettimeout()
        super().__init__(fileno=accepted.detach())
        self.settimeout(timeout)
        self._left: deque[memoryview] = deque()
        self._left_bytes = 0
        self._body: Body | None = None
        self._body_left = 0
        self._offset = 0
        self._ended: Callable[[], None] = lambda: None
        self._begin_watch()

    @property
    def is_empty(self) -> bool:
        """Whether all that was written is with the kernel."""
        return not self._left and self._body is None

    @property
    def pieces(self) -> Iterator[bytes] | None:
        """What is made as it is sent, if that comes next."""
        return self._body if self._body is not None and not isinstance(self._body, io.FileIO) else None

    def hand_over(self, body: Body, size: int, ended: Callable[[], None] = lambda: None) -> None:
        """Have `size` bytes sent behind all that is written: of a file from where it stands, or as they are made.

        Args:
            body: closed when it is sent, or when the connection ends.
            size: in bytes.
            ended: called then.
        """
        self._body, self._body_left, self._ended = body, size, ended
        if isinstance(body, io.FileIO):
            self._offset = body.tell()

    def sendall(self, data: "ReadableBuffer", flags: int = 0, /) -> None:
        """Take all bytes; return at once, unless too much waits already.

        Raises:
            TimeoutError: too much waits, and the client takes next to nothing.
            OSError: the connection is gone.
        """
        view = memoryview(data).cast("B")
        if view:
            self._left.append(view)
            self._count(len(view))
        self._begin_watch()
        self.push()
        while self._left_bytes > MOST_WAITING or (self._left_bytes and _waiting.bytes > _MOST_WAITING_OF_ALL):
            self.wait()
            self.push()

    def wait(self) -> None:
        """Wait until the client can be sent more.

        Raises:
            TimeoutError: it takes next to nothing.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_WRITE)
            while not selector.select(_LOOK_SECONDS):
                self.require_progress()

    def push(self) -> bool:
        """Send what can be sent without waiting, a turn's worth at most; return whether that is all.

        Raises:
            OSError: the connection is gone; ValueError: the file is shorter than it was.
        """
        budget = _TURN
        with self._not_waiting():
            while self._left and budget > 0:
                sent = _tried(super().send, self._left[0])
                if sent is None:
                    return False
                self._took(sent)
                budget -= sent
            while self._body_left and isinstance(self._body, io.FileIO) and not self._left and budget > 0:
                sent = _tried(os.sendfile, self.fileno(), self._body.fileno(), self._offset, min(self._body_left, budget))
                if sent is None:
                    return False
                if sent == 0:
                    raise ValueError("a file is shorter than its answer said")
                self._offset += sent
                self._body_left -= sent
                self._sent += sent
                budget -= sent
        if self._left or self._body_left:
            return False
        if self.pieces is None:
            self.end_body()
        return True

    def _took(self, sent: int) -> None:
        self._count(-sent)
        self._sent += sent
        if sent < len(self._left[0]):
            self._left[0] = self._left[0][sent:]
        else:
            self._left.popleft()

    def fetch_ahead(self) -> None:
        """Have the disk read what is sent next."""
        if isinstance(self._body, io.FileIO):
            os.posix_fadvise(self._body.fileno(), self._offset, _AHEAD, os.POSIX_FADV_WILLNEED)

    def send_pieces(self) -> None:
        """Make and send the pieces; returns when the last one is with the kernel.

        Raises:
            OSError: the connection is gone, or the client takes next to nothing; whatever making them raises.
        """
        pieces = self.pieces
        while pieces is not None and self._body_left:
            self._flush()
            piece = next(pieces, None)
            if piece is None:
                raise ValueError("an answer is shorter than it said")
            self._body_left -= len(piece)
            self.sendall(piece)
        self._flush()
        self.end_body()

    def _flush(self) -> None:
        self.push()
        while self._left:
            self.wait()
            self.push()

    def end_body(self) -> None:
        """Close what was handed over: it is sent, or nobody gets it any more."""
        body, self._body = self._body, None
        if body is None:
            return
        try:
            if isinstance(body, io.FileIO):
                with suppress(ValueError):
                    body.seek(self._offset)  # what went is counted by where it stands
            close = getattr(body, "close", None)
            if close is not None:
                close()
        finally:
            ended, self._ended = self._ended, lambda: None
            ended()

    def close(self) -> None:
        """Close the connection, and what was to be sent on it."""
        self._count(-self._left_bytes)
        self._left.clear()
        self.end_body()
        super().close()

    def cut(self) -> None:
        """End it at once; what the kernel still holds for the client is dropped."""
        with suppress(OSError):
            self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _count(self, size: int) -> None:
        self._left_bytes += size
        _waiting.bytes = max(0, _waiting.bytes + size)  # not exact between threads, which is not needed

    def _begin_watch(self) -> None:
        self._sent = 0
        self._watched_since = time.monotonic()
        self._taken_then = -self._held()

    def _held(self) -> int:
        """Return how many bytes the kernel holds that the client has not got: it takes in large pieces what goes out slowly."""
        with suppress(OSError):
            return int(struct.unpack("i", fcntl.ioctl(self.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0])
        return 0

    def require_progress(self) -> None:
        """Check, when the time that a client may stall is over, that it took something.

        Raises:
            TimeoutError: it took next to nothing.
        """
        now = time.monotonic()
        if now - self._watched_since < (self.gettimeout() or _STALLED_SECONDS):
            return
        taken = self._sent - self._held()
        if taken - self._taken_then < _LEAST:
            raise TimeoutError(errno.ETIMEDOUT, "the client takes next to nothing")
        self._watched_since, self._taken_then = now, taken

    @contextmanager
    def _not_waiting(self) -> Iterator[None]:
        timeout = self.gettimeout()
        self.setblocking(False)
        try:
            yield
        finally:
            with suppress(OSError):  # it was closed
                self.settimeout(timeout)


def _tried(send: Callable[..., int], *args: object) -> int | None:
    """Return how many bytes went, None if none can go now."""
    try:
        return send(*args)
    except BlockingIOError:
        return None


class Sender:
    """Sends what is left on many connections, a turn each. One a process; its thread begins with the first of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fresh: list[tuple[Outgoing, Callable[[bool], None]]] = []
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._thread: threading.Thread | None = None
        self._stopping = False

    def add(self, connection: Outgoing, done: Callable[[bool], None]) -> None:
        """Send what is left on a connection.

        Args:
            connection: nobody else may write to it until then.
            done: called, in another thread, with whether all was sent.
        """
        if connection.pieces is not None:
            threading.Thread(target=_send_pieces, args=(connection, done), name="sending pieces", daemon=True).start()
            return
        connection.fetch_ahead()
        with self._lock:
            self._fresh.append((connection, done))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
                self._thread.start()
        self._notify()

    def stop(self) -> None:
        """Let go of all connections; what was not sent is not sent any more."""
        self._stopping = True
        self._notify()
        if self._thread is not None:
            self._thread.join()
        self._selector.close()
        for fd in (self._wake, self._woken):
            os.close(fd)

    def _notify(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._woken, b"1")

    def _run(self) -> None:
        looked = time.monotonic()
        while not self._stopping:
            for key, _ in self._selector.select(_LOOK_SECONDS):
                if key.data is None:
                    self._take_fresh()
                else:
                    self._turn(key.fileobj, key.data)  # type: ignore[arg-type]  # what `add` registered
            if time.monotonic() - looked >= _LOOK_SECONDS:
                looked = time.monotonic()
                self._end_stalled()
        for connection, done in self._registered():
            self._end(connection, done, whole=False)

    def _take_fresh(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake, 4096)
        with self._lock:
            fresh, self._fresh = self._fresh, []
        for connection, done in fresh:
            try:
                self._selector.register(connection, selectors.EVENT_WRITE, done)
            except (OSError, ValueError, KeyError):
                self._end(connection, done, whole=False)

    def _turn(self, connection: Outgoing, done: Callable[[bool], None]) -> None:
        try:
            if not connection.push():
                connection.fetch_ahead()
                return
        except Exception as error:  # noqa: BLE001 - one connection fails alone
            _told(error)
            self._end(connection, done, whole=False)
        else:
            self._end(connection, done, whole=True)

    def _end_stalled(self) -> None:
        for connection, done in self._registered():
            try:
                connection.require_progress()
            except (OSError, ValueError):
                self._end(connection, done, whole=False)

    def _registered(self) -> list[tuple[Outgoing, Callable[[bool], None]]]:
        found = list(self._selector.get_map().values())
        return [(key.fileobj, key.data) for key in found if key.data is not None]  # type: ignore[misc]

    def _end(self, connection: Outgoing, done: Callable[[bool], None], *, whole: bool) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection)
        _ended(connection, done, whole=whole)


def _send_pieces(connection: Outgoing, done: Callable[[bool], None]) -> None:
    try:
        connection.send_pieces()
    except Exception as error:  # noqa: BLE001 - one connection fails alone
        _told(error)
        _ended(connection, done, whole=False)
    else:
        _ended(connection, done, whole=True)


def _ended(connection: Outgoing, done: Callable[[bool], None], *, whole: bool) -> None:
    if not whole:
        connection.cut()
        connection.end_body()
    done(whole)


def _told(error: Exception) -> None:
    if not isinstance(error, OSError):
        _log.error("an answer was cut off: %s", place_of(error))
