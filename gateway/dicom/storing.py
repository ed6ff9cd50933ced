"""One C-STORE under way: the bytes of its data set go into staging as they come, after a file head of ours."""

import os
from collections.abc import Sequence

from catalog import durable
from catalog.gate.receive.intake import Incoming
from catalog.pure.errors import ArchimedError
from gateway.dicom.command import Command, Status

_MOST_PIECES = 512
"""writev(2) takes 1,024 pieces; a peer may send fragments of one byte."""


class Storing:
    """A data set that is being received; one thread.

    Once something is wrong the rest is read and forgotten, so that the association goes on after our answer.

    Args:
        command: the request.
        status: what is wrong with it already, or SUCCESS.
        incoming: where the bytes go; None if the status is not SUCCESS.
        head: what the file begins with.
    """

    def __init__(self, command: Command, status: Status, incoming: Incoming | None, head: bytes) -> None:
        self.command = command
        self._status = status
        self._incoming = incoming
        self._pieces: list[bytes | memoryview] = [head]

    def take(self, data: memoryview) -> None:
        """Take the next bytes; they must stay as they are until `flush`."""
        if self._incoming is not None:
            self._pieces.append(data)
            if len(self._pieces) >= _MOST_PIECES:
                self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        if self._incoming is None or not self._pieces:
            return
        try:
            with durable.translated("the staging folder cannot be written"):
                _write(self._incoming.fd, self._pieces)
        except ArchimedError:
            self._fail()
        self._pieces.clear()

    def finish(self) -> Status:
        """Make the file durable; the answer to the request."""
        self.flush()
        if self._incoming is not None and self.command.sop_instance is not None:
            incoming, self._incoming = self._incoming, None
            try:
                incoming.commit(self.command.sop_instance.decode("ascii"))
            except ArchimedError:
                # Whatever keeps it from being kept, the sender shall keep it and send it again.
                self._status = Status.OUT_OF_RESOURCES
        return self._status

    def discard(self) -> None:
        """Leave nothing behind; harmless after `finish`."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.discard()

    def _fail(self) -> None:
        self.discard()
        self._status = Status.OUT_OF_RESOURCES


def _write(fd: int, pieces: Sequence[bytes | memoryview]) -> None:
    written = os.writev(fd, pieces)
    if written < sum(map(len, pieces)):
        # The disk is about to be full: go on until it says so.
        rest = memoryview(b"".join(pieces))[written:]
        while rest:
            rest = rest[os.write(fd, rest) :]
