"""PDUs of an established association (DICOM PS3.8 section 9.3): cutting them out of a byte stream, and making ours.

Bytes in, fragments out: nothing here reads a socket, writes a file or knows what a message means. Whatever the bytes are, the
only error is `PeerError`, and memory stays at the one buffer made at the start.
"""

import struct
from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from catalog.pure.errors import ArchimedError

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)

MAX_PDU = 256 * 1024
"""Longest P-DATA-TF we announce, in bytes after its header: large enough that headers cost nothing."""

_BUFFER = 2 * MAX_PDU
_HEADER = struct.Struct(">BxI")
_PDV = struct.Struct(">IBB")
_SHORT = 4
"""Length of every fixed PDU: release, abort, reject."""


class PeerError(ArchimedError):
    """The peer broke the protocol or is gone; the association ends, with this reason in our A-ABORT."""

    NOT_SPECIFIED, UNRECOGNISED_PDU, UNEXPECTED_PDU = 0, 1, 2
    UNEXPECTED_PARAMETER, INVALID_PARAMETER = 5, 6

    def __init__(self, message: str, reason: int = NOT_SPECIFIED) -> None:
        super().__init__(message)
        self.reason = reason


class Fragment(NamedTuple):
    """A piece of a message: of its command set or its data set; `last` ends that set. `data` holds until the next receive."""

    context: int
    command: bool
    last: bool
    data: memoryview


class Released(NamedTuple):
    """The peer asks to end the association."""


class Aborted(NamedTuple):
    """The peer ended the association."""


type_and_length = _HEADER.unpack_from


class Stream:
    """What a peer sends once its association is accepted.

    Receive into `space()`, call `received(n)`, then go through `events()` before receiving again.

    Args:
        contexts: presentation context numbers that were accepted.
        requestor: whether we asked for the association, so that a release may be answered.
    """

    def __init__(self, contexts: Container[int], *, requestor: bool = False) -> None:
        self._contexts = contexts
        self._requestor = requestor
        self._buffer = memoryview(bytearray(_BUFFER))
        self._start = self._end = 0
        self._pdu = 0  # bytes of the current P-DATA-TF that are still to come
        self._pdv = 0  # bytes of the current fragment that are still to come
        self._context = self._control = 0

    def space(self) -> memoryview:
        """Return where the next bytes belong; never empty."""
        if self._start == self._end:
            self._start = self._end = 0
        return self._buffer[self._end :]

    def received(self, count: int) -> None:
        """Say how many bytes were put into `space()`."""
        self._end += count

    def events(self) -> Iterator[Fragment | Released | Aborted]:
        """Yield what the bytes so far say; a long fragment comes in pieces, as it arrives.

        Raises:
            PeerError: the bytes break the protocol.
        """
        while True:
            if self._pdv:
                if self._start == self._end:
                    return
                yield self._piece()
            elif self._pdu:
                if self._end - self._start < _PDV.size:
                    break
                self._begin_fragment()
                if not self._pdv:
                    yield self._piece()
            else:
                if self._end - self._start < _HEADER.size:
                    break
                ending = self._begin_pdu()
                if ending is not None:
                    yield ending
                    return
        self._keep_rest()

    def _keep_rest(self) -> None:
        """Move the few bytes of an unfinished header to the front, where their successors fit behind them."""
        rest = self._end - self._start
        self._buffer[:rest] = bytes(self._buffer[self._start : self._end])
        self._start, self._end = 0, rest

    def _begin_pdu(self) -> Released | Aborted | None:
        kind, length = _HEADER.unpack_from(self._buffer, self._start)
        if kind == P_DATA:
            if not _PDV.size <= length <= MAX_PDU:
                raise PeerError("a data unit has a length that was not agreed on", PeerError.INVALID_PARAMETER)
            self._start += _HEADER.size
            self._pdu = length
            return None
        if kind in (RELEASE_RQ, RELEASE_RP, ABORT) and length == _SHORT:
            if kind == RELEASE_RP and not self._requestor:
                raise PeerError("a data unit came that has no place here", PeerError.UNEXPECTED_PDU)
            return Aborted() if kind == ABORT else Released()
        if ASSOCIATE_RQ <= kind <= ABORT:
            raise PeerError("a data unit came that has no place here", PeerError.UNEXPECTED_PDU)
        raise PeerError("a data unit is of no known type", PeerError.UNRECOGNISED_PDU)

    def _begin_fragment(self) -> None:
        length, self._context, self._control = _PDV.unpack_from(self._buffer, self._start)
        # the length counts the context number and the control byte, which belong to the header here
        if length < 2 or length + 4 > self._pdu:
            raise PeerError("a fragment does not fit into its data unit", PeerError.INVALID_PARAMETER)
        self._pdu -= length + 4
        if 0 < self._pdu < _PDV.size:
            raise PeerError("a data unit ends with half a fragment", PeerError.INVALID_PARAMETER)
        if self._context not in self._contexts:
            raise PeerError("a fragment belongs to no accepted presentation context", PeerError.INVALID_PARAMETER)
        self._start += _PDV.size
        self._pdv = length - 2

    def _piece(self) -> Fragment:
        count = min(self._pdv, self._end - self._start)
        data = self._buffer[self._start : self._start + count]
        self._start += count
        self._pdv -= count
        last = bool(self._control & 2) and not self._pdv
        return Fragment(self._context, bool(self._control & 1), last, data)


def command_pdus(context: int, command: bytes, longest: int) -> bytes:
    """Return a command set as P-DATA-TF PDUs.

    Args:
        longest: longest PDU the peer takes, counted after the header; 0 for any.
    """
    room = max(longest - _PDV.size, 2) if longest else len(command)
    pieces = []
    for start in range(0, len(command), room):
        piece = command[start : start + room]
        control = 3 if start + room >= len(command) else 1
        pieces += [_HEADER.pack(P_DATA, len(piece) + _PDV.size), _PDV.pack(len(piece) + 2, context, control), piece]
    return b"".join(pieces)


def data_pdus(context: int, pieces: Iterable[bytes], longest: int) -> Iterator[bytes]:
    """Yield a data set as P-DATA-TF PDUs.

    Args:
        context: the presentation context's number.
        pieces: the data set, in pieces as long as they come; none of them empty.
        longest: longest PDU the peer takes, counted after the header; 0 for any.
    """
    room = max((min(longest, MAX_PDU) if longest else MAX_PDU) - _PDV.size, 2)
    held = b""
    for piece in pieces:
        held = held + piece if held else piece
        while len(held) > room:
            yield _data_pdu(context, held[:room], last=False)
            held = held[room:]
    yield _data_pdu(context, held, last=True)


def _data_pdu(context: int, data: bytes, *, last: bool) -> bytes:
    return b"".join((_HEADER.pack(P_DATA, len(data) + _PDV.size), _PDV.pack(len(data) + 2, context, 2 if last else 0), data))


def release_request() -> bytes:
    """Return an A-RELEASE-RQ."""
    return _HEADER.pack(RELEASE_RQ, _SHORT) + bytes(4)


def release_reply() -> bytes:
    """Return an A-RELEASE-RP."""
    return _HEADER.pack(RELEASE_RP, _SHORT) + bytes(4)


def abort(reason: int) -> bytes:
    """Return an A-ABORT of the service provider."""
    return _HEADER.pack(ABORT, _SHORT) + bytes((0, 0, 2, reason))
