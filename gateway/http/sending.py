"""Files on their way to clients: counted for the audit, and cut off within a second when their reader loses them.

The kernel copies a file's bytes to the connection, which may take hours on a slow line. Meanwhile a thread asks several times
a second whether each of them may go on, and ends the connection of one that may not. While nothing is sent, it sleeps.
"""

import logging
import os
import socket
import struct
import threading
from collections.abc import Callable
from io import FileIO, RawIOBase, UnsupportedOperation
from typing import TYPE_CHECKING

from catalog.faults import place_of
from catalog.pure.errors import Unavailable
from catalog.view import OpenFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_log = logging.getLogger(__name__)

_SECONDS = 0.25
# Close at once, and drop what the kernel still holds for the client.
_AT_ONCE = struct.pack("ii", 1, 0)


class WatchedFile(FileIO):
    """A file that is handed to the server, which closes it behind the last byte, or behind the last that went."""

    def __init__(self, fd: int, on_close: Callable[[], None], *, closefd: bool = True) -> None:
        super().__init__(fd, closefd=closefd)
        self._on_close = on_close

    def close(self) -> None:
        """Close, and say so."""
        if not self.closed:
            self._on_close()
        super().close()


class ArchivedFile(WatchedFile):
    """An archived file on its way; what went is counted. The first seek says where the answer begins.

    Args:
        opened: the file, which has a descriptor.
        fd: that descriptor.
        on_close: called when it is closed.
    """

    def __init__(self, opened: OpenFile, fd: int, on_close: Callable[[], None]) -> None:
        super().__init__(fd, on_close, closefd=False)
        self._opened = opened
        self._began: int | None = None
        self._reached = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move; `socket.sendfile` moves behind what it sent."""
        self._reached = super().seek(offset, whence)
        if self._began is None:
            self._began = self._reached
        return self._reached

    def close(self) -> None:
        """Close, and count what went."""
        if not self.closed:
            self._opened.count(max(self._reached, self.tell()) - (self._began or 0))
        super().close()
        self._opened.close()


class ArchivedRanges(RawIOBase):
    """An archived file on its way whose bytes the store gives by range; as `ArchivedFile` otherwise."""

    def __init__(self, opened: OpenFile, on_close: Callable[[], None]) -> None:
        self._opened = opened
        self._on_close = on_close
        self._offset = 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to where the answer begins."""
        if whence != os.SEEK_SET:
            raise UnsupportedOperation
        self._offset = offset
        return offset

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read what comes next, and count it as given."""
        into = memoryview(buffer).cast("B")
        got = self._opened.read_at(self._offset, len(into))
        into[: len(got)] = got
        self._offset += len(got)
        self._opened.count(len(got))
        return len(got)

    def close(self) -> None:
        """Close, and say so."""
        if not self.closed:
            self._on_close()
            self._opened.close()
        super().close()


def archived(opened: OpenFile, on_close: Callable[[], None]) -> ArchivedFile | ArchivedRanges:
    """Return an archived file to be handed to the server, which copies it in the kernel if the store has a descriptor."""
    return ArchivedRanges(opened, on_close) if opened.fd is None else ArchivedFile(opened, opened.fd, on_close)


class Sending:
    """What a process is sending at this moment."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._changed = threading.Condition()
        self._running: dict[int, tuple[socket.socket, Callable[[], bool]]] = {}
        self._next = 0
        self._thread: threading.Thread | None = None

    def begin(self, connection: socket.socket, may_go_on: Callable[[], bool]) -> Callable[[], None]:
        """Watch a connection on which a file is being sent; what is returned ends the watch, and must be called."""
        with self._changed:
            self._next += 1
            number = self._next
            self._running[number] = (connection, may_go_on)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="sending", daemon=True)
                self._thread.start()
            self._changed.notify()
        return lambda: self._end(number)

    def _end(self, number: int) -> None:
        with self._changed:
            self._running.pop(number, None)

    def _watch(self) -> None:
        pause = threading.Event()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._running)
            with self._changed:
                running = list(self._running.items())
            for number, (_, may_go_on) in running:
                # Spread over the time: all at once they would keep small requests waiting.
                pause.wait(self._seconds / len(running))
                if not _asked(may_go_on):
                    self._cut(number)

    def _cut(self, number: int) -> None:
        # Under the lock: a connection whose file has just ended may serve another request, and another user's.
        with self._changed:
            connection, _ = self._running.pop(number, (None, None))
            if connection is None:
                return
            try:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # the client was first
        _log.info("an answer was cut off: its reader may not have the file any more")


def _asked(may_go_on: Callable[[], bool]) -> bool:
    try:
        return may_go_on()
    except Unavailable:
        # It cannot be found out; a database that is away for a moment should not end every download.
        return True
    except Exception as error:  # noqa: BLE001 - the thread serves all others too
        _log.error("a file that is being sent was cut off: it cannot be asked whether it may: %s", place_of(error))
        return False
