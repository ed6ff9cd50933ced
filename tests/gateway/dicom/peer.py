"""A peer in raw bytes, polite or not, and small data sets to send."""

import socket
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from pynetdicom import build_context
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification

MR = "1.2.840.10008.5.1.4.1.1.4"
VERIFICATION = "1.2.840.10008.1.1"
EXPLICIT = "1.2.840.10008.1.2.1"
RELEASE = b"\x05\x00" + struct.pack(">I", 4) + bytes(4)


def associate_rq(
    contexts: Sequence[tuple[str, Sequence[str]]] = ((MR, [EXPLICIT]),),
    calling: str = "MR1",
    called: str = "ARCHIMED",
    longest: int = 16384,
) -> bytes:
    """Return an association request; contexts are numbered 1, 3, 5 ..."""
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = calling, called
    proposed = []
    for number, (abstract, transfer) in enumerate(contexts):
        context = build_context(abstract, list(transfer))
        context.context_id = 2 * number + 1
        proposed.append(context)
    request.presentation_context_definition_list = proposed
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = longest
    implementation.implementation_class_uid = "1.2.3.4"
    request.user_information = [length, implementation]
    return A_ASSOCIATE_RQ(request).encode()


def element(number: int, value: bytes) -> bytes:
    """Return an element of a command set."""
    return struct.pack("<HHI", 0, number, len(value)) + value


def command(field: int, *elements: bytes, message: int = 7, data_set: bool = True) -> bytes:
    """Return a command set."""
    body = b"".join(
        (
            *elements[:1],
            element(0x0100, struct.pack("<H", field)),
            element(0x0110, struct.pack("<H", message)),
            element(0x0800, b"\0\0" if data_set else b"\x01\x01"),
            *elements[1:],
        )
    )
    return element(0, struct.pack("<I", len(body))) + body


def c_store(instance: bytes | None = b"1.2.3", sop_class: bytes = MR.encode(), **rest: bool) -> bytes:
    """Return the command set of a C-STORE."""
    priority = element(0x0700, b"\0\0")
    uid = [] if instance is None else [element(0x1000, instance + b"\0" * (len(instance) % 2))]
    return command(0x0001, element(0x0002, sop_class + b"\0" * (len(sop_class) % 2)), priority, *uid, **rest)


def c_echo() -> bytes:
    """Return the command set of a C-ECHO."""
    return command(0x0030, element(0x0002, VERIFICATION.encode() + b"\0"), data_set=False)


def pdv(context: int, control: int, data: bytes) -> bytes:
    """Return a fragment; control: 1 command, 2 last."""
    return struct.pack(">IBB", len(data) + 2, context, control) + data


def p_data(*pdvs: bytes) -> bytes:
    """Return a P-DATA-TF."""
    data = b"".join(pdvs)
    return struct.pack(">BxI", 4, len(data)) + data


def store_message(instance: bytes, data: bytes, context: int = 1, longest: int = 16000) -> bytes:
    """Return a whole C-STORE request."""
    pieces = [data[start : start + longest] for start in range(0, len(data), longest)] or [b""]
    sent = [p_data(pdv(context, 3, c_store(instance)))]
    sent += [p_data(pdv(context, 0, piece)) for piece in pieces[:-1]]
    sent.append(p_data(pdv(context, 2, pieces[-1])))
    return b"".join(sent)


class Peer:
    """A connection to a receiver."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def pdu(self) -> tuple[int, bytes]:
        """Return type and body of the next PDU; type 0 when the connection is closed."""
        head = self._read(6)
        if len(head) < 6:
            return 0, b""
        kind, length = struct.unpack(">BxI", head)
        return kind, self._read(length)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                more = self.socket.recv(count - len(data))
            except ConnectionResetError:
                more = b""
            if not more:
                break
            data += more
        return data

    def associate(self, request: bytes | None = None) -> "Peer":
        """Ask for an association and expect it."""
        self.send(request or associate_rq())
        kind, _ = self.pdu()
        assert kind == 2, f"PDU type {kind} instead of an acceptance"
        return self

    def contexts(self, request: bytes) -> list[tuple[int, int, str]]:
        """Ask for an association; return number, result and transfer syntax of each context."""
        self.send(request)
        kind, body = self.pdu()
        assert kind == 2
        answer = A_ASSOCIATE_AC()
        answer.decode(struct.pack(">BxI", 2, len(body)) + body)
        return [(item.context_id, item.result, item.transfer_syntax) for item in answer.presentation_context]

    def status(self) -> int:
        """Return the status of the next response."""
        kind, body = self.pdu()
        assert kind == 4, f"PDU type {kind} instead of a response"
        found = body.index(struct.pack("<HHI", 0, 0x0900, 2))
        return int(struct.unpack_from("<H", body, found + 8)[0])

    def store(self, instance: bytes, data: bytes, **how: int) -> int:
        """Send a file; return the status."""
        self.send(store_message(instance, data, **how))
        return self.status()

    def release(self) -> None:
        """End politely."""
        self.send(RELEASE)
        assert self.pdu()[0] == 6
        assert self.pdu()[0] == 0
