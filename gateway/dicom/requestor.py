"""Associations that we ask for: to send files to a node, or to report to a source. One thread.

Negotiation is pynetdicom's PDU classes, as for associations that we accept (`negotiation`); a file's bytes go from the store to
the socket. Nothing that the peer sends is logged.
"""

import contextlib
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext

from catalog.pure.errors import Unavailable
from gateway.dicom import command as commands
from gateway.dicom import pdu
from gateway.dicom.negotiation import APPLICATION_CONTEXT, Roles, role, user_information
from gateway.dicom.pdu import Fragment, PeerError

CONNECT_SECONDS = 15.0
ANSWER_SECONDS = 300.0
MOST_CONTEXTS = 128
_LONGEST_ANSWER = 256 * 1024


@dataclass(frozen=True, slots=True)
class Kind:
    """What a presentation context is proposed for: a SOP class in one transfer syntax."""

    sop_class: str
    transfer_syntax: str


class Caller:
    """Makes associations.

    Args:
        own_title: our AE title.
        tls: what connections to peers are held to that must be called by TLS; None: none can be.
    """

    def __init__(self, own_title: str, tls: ssl.SSLContext | None = None) -> None:
        self._own_title = own_title
        self._tls = tls

    def call(
        self, host: str, port: int, title: str, kinds: Sequence[Kind], *, tls: bool = False, provides: bool = False
    ) -> "Requestor":
        """Return an association with a peer.

        Args:
            host: its IP address.
            port: its TCP port.
            title: its AE title.
            kinds: what is proposed, a presentation context for each; `MOST_CONTEXTS` at most.
            tls: whether it is called by TLS.
            provides: whether we are the provider (SCP) of what is proposed, though we ask for the association.

        Raises:
            Unavailable: it does not answer, or refuses the association.
        """
        if tls and self._tls is None:
            raise Unavailable("the peer must be called by TLS, which is not set up here: see [dicom.tls]")
        connection = _connected(host, port, self._tls if tls else None)
        return Requestor(connection, _request(title, self._own_title, kinds, provides=provides), kinds)


def _connected(host: str, port: int, tls: ssl.SSLContext | None) -> socket.socket:
    try:
        connection = socket.create_connection((host, port), CONNECT_SECONDS)
    except OSError as error:
        raise Unavailable(f"the node cannot be reached: {error.strerror or type(error).__name__}") from None
    if tls is None:
        return connection
    try:
        return tls.wrap_socket(connection)
    except OSError as error:
        connection.close()
        why = (isinstance(error, ssl.SSLError) and error.reason) or type(error).__name__
        raise Unavailable(f"the node and we cannot agree on TLS: {why}") from None


class Requestor:
    """An association with a peer that we asked for; close it by `release` or `abort`.

    Args:
        connection: with the peer; ours from now on.
        request: the association request.
        kinds: what it proposes.

    Raises:
        Unavailable: the peer does not answer, or refuses the association.
    """

    def __init__(self, connection: socket.socket, request: bytes, kinds: Sequence[Kind]) -> None:
        self._message = 0
        self._connection = connection
        try:
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection.sendall(request)
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
        self._message = self._message % 0xFFFF + 1
        request = commands.store_request(self._message, kind.sop_class, sop_instance, originator, originator_message)
        return self._ask(kind, request, data)

    def report(self, kind: Kind, sop_instance: str, event: int, data: bytes) -> int:
        """Send an N-EVENT-REPORT and return the status that it is answered with.

        Args:
            kind: as it was accepted (`accepted`).
            sop_instance: the SOP instance that it is about.
            event: its type.
            data: its data set.

        Raises:
            OSError, PeerError: the peer is gone, or broke the protocol.
        """
        self._message = self._message % 0xFFFF + 1
        return self._ask(kind, commands.event_report(self._message, kind.sop_class, sop_instance, event), [data])

    def _ask(self, kind: Kind, request: bytes, data: Iterable[bytes]) -> int:
        context = self.accepted[kind]
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
            self._connection.recv(65536)
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


def _request(called: str, calling: str, kinds: Sequence[Kind], *, provides: bool) -> bytes:
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
    classes = dict.fromkeys(kind.sop_class for kind in kinds) if provides else ()
    request.user_information = [*user_information(), *(role(sop_class, Roles.REQUESTOR_IS_SCP) for sop_class in classes)]
    return bytes(A_ASSOCIATE_RQ(request).encode())
