"""Associations that we ask for: to send files to a node. One thread.

Negotiation is pynetdicom's PDU classes, as for associations that we accept (`negotiation`); a file's bytes go from the store to
the socket. Nothing that the peer sends is logged.
"""

import contextlib
import select
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext

from catalog.pure.errors import Unavailable
from gateway.dicom import command as commands
from gateway.dicom import pdu
from gateway.dicom.negotiation import APPLICATION_CONTEXT, user_information
from gateway.dicom.pdu import Fragment, PeerError

CONNECT_SECONDS = 30.0
ANSWER_SECONDS = 300.0
MOST_CONTEXTS = 128
_LONGEST_ANSWER = 256 * 1024


@dataclass(frozen=True, slots=True)
class Kind:
    """What a presentation context is proposed for: a SOP class in one transfer syntax."""

    sop_class: str
    transfer_syntax: str


class Requestor:
    """An association with a node that we asked for; close it by `release` or `abort`.

    Args:
        host: the node's IP address.
        port: its TCP port.
        called: its AE title.
        calling: our own.
        kinds: what is proposed, a presentation context for each; `MOST_CONTEXTS` at most.

    Raises:
        Unavailable: it does not answer, or refuses the association.
    """

    def __init__(self, host: str, port: int, called: str, calling: str, kinds: Sequence[Kind]) -> None:
        self._message = 0
        try:
            self._connection = socket.create_connection((host, port), CONNECT_SECONDS)
        except OSError as error:
            raise Unavailable(f"the node cannot be reached: {error.strerror or type(error).__name__}") from None
        try:
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection.sendall(_request(called, calling, kinds))
            self.accepted, self._longest = self._answer(kinds)
        except PeerError as error:
            self._connection.close()
            raise Unavailable(str(error)) from None
        except OSError as error:
            self._connection.close()
            raise Unavailable(f"the node did not answer: {type(error).__name__}") from None
        self._connection.settimeout(ANSWER_SECONDS)
        self._stream = pdu.Stream(frozenset(self.accepted.values()), requestor=True)

    def store(
        self, kind: Kind, sop_instance: str, data: Iterable[bytes], originator: str = "", originator_message: int = 0
    ) -> int:
        """Send a file and return the status that it is answered with.

        Args:
            kind: as it was accepted (`accepted`).
            sop_instance: its SOP instance UID.
            data: its data set.
            originator: whose C-MOVE it answers.
            originator_message: the number of that.

        Raises:
            OSError, PeerError: the node is gone, or broke the protocol.
        """
        context = self.accepted[kind]
        self._message = self._message % 0xFFFF + 1
        request = commands.store_request(self._message, kind.sop_class, sop_instance, originator, originator_message)
        self._connection.sendall(pdu.command_pdus(context, request, self._longest))
        for unit in pdu.data_pdus(context, data, self._longest):
            self._connection.sendall(unit)
        answer = self._response()
        if answer.message != self._message:
            raise PeerError("a response came where nothing was asked", PeerError.UNEXPECTED_PARAMETER)
        return answer.status

    def release(self) -> None:
        """End it in order; what is not answered in time is cut off."""
        with contextlib.suppress(OSError, PeerError):
            self._connection.settimeout(CONNECT_SECONDS)
            self._connection.sendall(pdu.release_request())
            while select.select([self._connection], [], [], CONNECT_SECONDS)[0] and self._connection.recv(65536):
                break
        self._connection.close()

    def abort(self) -> None:
        """End it at once."""
        with contextlib.suppress(OSError):
            self._connection.sendall(pdu.abort(PeerError.NOT_SPECIFIED))
        self._connection.close()

    def _response(self) -> commands.Command:
        command = bytearray()
        while True:
            for event in self._stream.events():
                if not isinstance(event, Fragment) or not event.command:
                    raise PeerError("it ended the association")
                command += event.data
                if len(command) > commands.LONGEST:
                    raise PeerError("a command set does not end", PeerError.INVALID_PARAMETER)
                if event.last:
                    return commands.parse(command)
            count = self._connection.recv_into(self._stream.space())
            if not count:
                raise PeerError("it closed the connection without a release")
            self._stream.received(count)

    def _answer(self, kinds: Sequence[Kind]) -> tuple[Mapping[Kind, int], int]:
        head = self._exactly(6)
        kind, length = pdu.type_and_length(head)
        if kind == pdu.ASSOCIATE_RJ:
            raise PeerError("the node refuses our association; does it know our AE title and address?")
        if kind != pdu.ASSOCIATE_AC or length > _LONGEST_ANSWER:
            raise PeerError("the node did not answer with an association", PeerError.UNEXPECTED_PDU)
        answer = A_ASSOCIATE_AC()
        try:
            answer.decode(head + self._exactly(length))
            results = {item.context_id: item.result for item in answer.presentation_context}
            longest = answer.user_information.maximum_length or 0 if answer.user_information else 0
        except OSError:
            raise
        except Exception:  # noqa: BLE001 - pynetdicom's decoder lets out whatever the bytes provoke, and its text quotes them
            raise PeerError("the node's answer cannot be read", PeerError.INVALID_PARAMETER) from None
        return {kind: 2 * at + 1 for at, kind in enumerate(kinds) if results.get(2 * at + 1) == 0}, longest

    def _exactly(self, count: int) -> bytes:
        got = bytearray()
        while len(got) < count:
            piece = self._connection.recv(count - len(got))
            if not piece:
                raise PeerError("it closed the connection without an answer")
            got += piece
        return bytes(got)


def _request(called: str, calling: str, kinds: Sequence[Kind]) -> bytes:
    request = A_ASSOCIATE()
    request.application_context_name = APPLICATION_CONTEXT
    request.calling_ae_title, request.called_ae_title = calling, called
    contexts = []
    for at, kind in enumerate(kinds[:MOST_CONTEXTS]):
        context = PresentationContext()
        context.context_id = 2 * at + 1
        context.abstract_syntax = UID(kind.sop_class)
        context.transfer_syntax = [UID(kind.transfer_syntax)]
        contexts.append(context)
    request.presentation_context_definition_list = contexts
    request.user_information = user_information()
    return bytes(A_ASSOCIATE_RQ(request).encode())
