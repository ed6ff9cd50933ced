"""The device: requests are taken from it one after the other, and each is answered or refused once, now or by a worker.

One thread takes them all. It may wait for nothing but the device: what may wait is given to `archimedfs.kernel.workers`.
May live here: the device and what a request is. Not: what is answered.
"""

import errno
import logging
import os
import struct
import threading
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeAlias

from archimedfs.errnos import told_errno
from archimedfs.kernel import messages
from archimedfs.kernel.messages import UNANSWERED, WRITING, Header, Opcode

_log = logging.getLogger(__name__)

# What the kernel takes for the least: a request without data, of which a name is the longest part, is far smaller.
_BUFFER = 1 << 16
# Unmounted, or aborted.
_ENDED = frozenset({errno.ENODEV, errno.ECONNABORTED, errno.ENOTCONN, errno.EBADF})
# The request was interrupted before it was taken.
_AGAIN = frozenset({errno.EINTR, errno.ENOENT, errno.EAGAIN})
_STOP_SECONDS = 5.0

_Parameters = ParamSpec("_Parameters")
Bytes: TypeAlias = bytes | bytearray | memoryview


class Refusal(Exception):
    """A request is answered with an errno."""

    def __init__(self, number: int) -> None:
        super().__init__(os.strerror(number))
        self.number = number


class Request:
    """What the kernel asks; `body` is gone when the handler returns, so what workers need of it is read before."""

    __slots__ = ("_device", "body", "node", "opcode", "pid", "uid", "unique")

    def __init__(self, device: "Device", header: Header, body: memoryview) -> None:
        self._device = device
        self.opcode = header.opcode
        self.unique = header.unique
        self.node = header.node
        self.uid = header.uid
        self.pid = header.pid
        self.body = body

    def answer(self, payload: Bytes = b"") -> bool:
        """Answer; return whether anybody still waits for it."""
        return self._device.send(messages.OUT_HEADER.pack(messages.OUT_HEADER.size + len(payload), 0, self.unique), payload)

    def refuse(self, number: int) -> None:
        """Answer with an errno."""
        self._device.send(messages.OUT_HEADER.pack(messages.OUT_HEADER.size, -number, self.unique), b"")

    def run(self, work: Callable[_Parameters, object], *args: _Parameters.args, **named: _Parameters.kwargs) -> None:
        """Do what answers this request; if it raises, that is the answer."""
        try:
            work(*args, **named)
        except Refusal as refusal:
            self.refuse(refusal.number)
        except struct.error:
            self.refuse(errno.EINVAL)  # shorter than it says
        except Exception as error:  # noqa: BLE001 - whatever it is, the mount lives on
            self.refuse(told_errno(error, _name_of(self.opcode)))


Handler: TypeAlias = Callable[[Request], object]


class Device:
    """An open FUSE device, and the thread that takes its requests.

    Args:
        handlers: what answers each kind of request. Those that write are refused, and others that are missing are not known:
            the kernel then asks no more, or does itself what it asked for.
        on_forgotten: called with the inode numbers that the kernel has forgotten.
    """

    def __init__(self, handlers: Mapping[int, Handler], on_forgotten: Callable[[list[int]], None]) -> None:
        self._descriptor = -1
        self._on_forgotten = on_forgotten
        self._on_agreed: Callable[[], None] = _nobody
        self._handlers: dict[int, Handler] = {int(opcode): _read_only for opcode in WRITING}
        self._handlers |= {int(Opcode.INIT): self._init, int(Opcode.DESTROY): Request.answer}
        self._handlers |= {int(opcode): handler for opcode, handler in handlers.items()}
        self._buffer = bytearray(_BUFFER)
        self._turn = threading.Lock()
        self._turns = 0
        self._seen_turns = -1
        self._is_stopped = False

    def attach(self, descriptor: int, on_agreed: Callable[[], None]) -> None:
        """Take the device that is mounted; it stays open as long as this process.

        Args:
            descriptor: the device.
            on_agreed: called when the kernel and this program have agreed on how to talk.
        """
        self._descriptor = descriptor
        self._on_agreed = on_agreed

    def serve(self) -> None:
        """Take requests until the mount is gone, or `stop` was called and another request came."""
        buffers = [self._buffer]
        view = memoryview(self._buffer)
        descriptor, turn, read = self._descriptor, self._turn, os.readv
        while True:
            try:
                size = read(descriptor, buffers)
            except OSError as error:
                if error.errno in _ENDED:
                    return
                if error.errno in _AGAIN:
                    continue
                raise
            if not size:
                return
            with turn:
                if self._is_stopped:
                    return
                self._turns += 1
                self._take(view[:size])

    def stop(self) -> None:
        """Let nothing be answered any more that is taken from now on; wait for what is being answered."""
        self._is_stopped = True
        if self._turn.acquire(timeout=_STOP_SECONDS):
            self._turn.release()

    def is_turning(self) -> bool:
        """Whether requests are taken: none is being answered right now, or another one than at the last call."""
        turns, self._seen_turns = self._seen_turns, self._turns
        return not self._turn.locked() or turns != self._seen_turns

    def forget_inode(self, inode: int) -> None:
        """Have the kernel drop attributes and pages. Waits for requests on them, so never on the thread that answers.

        Raises:
            OSError: ENOENT where the kernel does not hold it.
        """
        self._notify(messages.NOTIFY_INVAL_INODE, messages.inval_inode(inode))

    def forget_name(self, folder: int, name: bytes) -> None:
        """Have the kernel drop a name, as `forget_inode` drops pages."""
        self._notify(messages.NOTIFY_INVAL_ENTRY, messages.inval_entry(folder, name))

    def _notify(self, code: int, payload: bytes) -> None:
        os.writev(self._descriptor, [messages.OUT_HEADER.pack(messages.OUT_HEADER.size + len(payload), code, 0), payload])

    def send(self, header: bytes, payload: Bytes) -> bool:
        """Send an answer; return whether anybody waits for it."""
        try:
            os.writev(self._descriptor, [header, payload])
        except OSError as error:
            # Who asked was interrupted, or the mount is gone.
            if error.errno != errno.ENOENT and error.errno not in _ENDED:
                _log.error("the kernel did not take an answer: %s", os.strerror(error.errno or 0))
            return False
        return True

    def _take(self, message: memoryview) -> None:
        if len(message) < messages.IN_HEADER.size:
            return  # nobody can be answered
        header = Header._make(messages.IN_HEADER.unpack_from(message))
        opcode = header.opcode
        end = len(message) - header.extensions * 8
        request = Request(self, header, message[messages.IN_HEADER.size : end])
        if opcode in UNANSWERED:
            if opcode in (Opcode.FORGET, Opcode.BATCH_FORGET) and end >= messages.IN_HEADER.size + 8:
                self._on_forgotten(messages.forgotten(opcode, header.node, request.body))
            return
        if header.length != len(message) or end < messages.IN_HEADER.size:
            request.refuse(errno.EIO)
            return
        handler = self._handlers.get(opcode)
        if handler is None:
            request.refuse(errno.ENOSYS)
            return
        request.run(handler, request)

    def _init(self, request: Request) -> None:
        agreed = messages.agree(request.body)
        if agreed is None:
            _log.error("this kernel is too old for the mount; Linux 5.4 or newer is needed")
            raise Refusal(errno.EPROTO)
        request.answer(agreed.answer)
        self._on_agreed()


def _nobody() -> None:
    """Tell nobody: the device is not attached."""


def _read_only(_request: Request) -> None:
    # The kernel knows that the mount is read-only and hardly ever asks.
    raise Refusal(errno.EROFS)


def _name_of(opcode: int) -> str:
    try:
        return Opcode(opcode).name.lower()
    except ValueError:
        return "request"
