"""The kernel's side of the FUSE protocol, without a kernel: messages of any shape, and the answers to them."""

import errno
import itertools
import select
import socket
from types import TracebackType
from typing import Any, NamedTuple, Self

from archimedfs.kernel import messages
from archimedfs.kernel.device import Device
from archimedfs.kernel.messages import Opcode

UID = 61_001
_SECONDS = 20
_MOST = 1 << 21


class Answer(NamedTuple):
    """`error` is an errno, 0 where it worked."""

    error: int
    payload: bytes

    @property
    def name(self) -> str:
        return errno.errorcode.get(self.error, "")


def message(opcode: int, node: int, body: bytes = b"", *, unique: int = 2, uid: int = UID, pid: int = 0) -> bytes:
    """Return a request as the kernel writes it."""
    length = messages.IN_HEADER.size + len(body)
    return messages.IN_HEADER.pack(length, opcode, unique, node, uid, uid, pid, 0, 0) + body


class Kernel:
    """Speaks with handlers through a device that is a socket; each message is taken as soon as it is sent."""

    def __init__(self, handlers: dict[int, Any]) -> None:
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.forgotten: list[int] = []
        self.agreed = 0
        # Answers to what was sent before, that came while another was waited for.
        self.others: list[tuple[int, Answer] | None] = []
        self._uniques = itertools.count(1 << 40)
        self.device = Device(handlers, self.forgotten.extend)
        self.device.attach(self._theirs.fileno(), self._agree)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:  # fmt: skip
        self._ours.close()
        self._theirs.close()

    def _agree(self) -> None:
        self.agreed += 1

    def send(self, raw: bytes) -> None:
        """Have the device take a message."""
        self.device._take(memoryview(raw))

    def received(self) -> tuple[int, Answer] | None:
        """Return the next answer with the number of its request; None if there is none by now."""
        if not select.select([self._ours], [], [], 0)[0]:
            return None
        raw = self._ours.recv(_MOST)
        length, error, unique = messages.OUT_HEADER.unpack_from(raw)
        assert length == len(raw)
        return unique, Answer(-error, raw[messages.OUT_HEADER.size :])

    def ask(self, opcode: int, node: int, body: bytes = b"", **named: Any) -> Answer:
        """Send a request and return the answer, which may come from a worker."""
        wanted = next(self._uniques)
        self.send(message(opcode, node, body, unique=wanted, **named))
        while select.select([self._ours], [], [], _SECONDS)[0]:
            found = self.received()
            if found is not None and found[0] == wanted:
                return found[1]
            self.others.append(found)
        raise AssertionError("there is no answer")

    def open(self, node: int, **named: Any) -> Answer:
        return self.ask(Opcode.OPEN, node, bytes(8), **named)

    def read(self, number: int, offset: int = 0, size: int = 4096) -> Answer:
        return self.ask(Opcode.READ, 1, read_in(number, offset, size))


def number_of(answer: Answer) -> int:
    """Return the number that OPEN or OPENDIR gave."""
    assert not answer.error, answer.name
    return int.from_bytes(answer.payload[:8], "little")


def read_in(number: int, offset: int, size: int) -> bytes:
    """Return the body of READ, READDIR and READDIRPLUS."""
    return number.to_bytes(8, "little") + offset.to_bytes(8, "little") + size.to_bytes(4, "little") + bytes(20)
