"""One association: negotiation, then requests and answers until the peer releases it, breaks off, or we stop.

One thread an association. It knows no service: what is negotiated comes from them, and each request goes to the one that
serves its command field. Log lines name the peer as the archive knows it, nothing that it sent.
"""

import contextlib
import logging
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from catalog.pure.errors import ArchimedError
from gateway.dicom import command as commands
from gateway.dicom import negotiation, pdu
from gateway.dicom.command import Command, Counters, Status
from gateway.dicom.negotiation import Context, Proposed, Rejection, Request, Roles
from gateway.dicom.pdu import Aborted, Fragment, PeerError, Released
from gateway.dicom.peers import Peer, Peers
from gateway.dicom.services import Answered, Operation, Service, Session
from gateway.dicom.tls import fingerprint

log = logging.getLogger(__name__)

_FAREWELL_SECONDS = 2.0
_TIME = struct.Struct("@ll")


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every association.

    Args:
        services: what associations are for; of two that take a context, the first chooses its transfer syntax.
        peers: who may associate.
        ae_title: our own title.
        accept_any_called: take calls for any title, as most archives do; else only for our own.
        echo_from_anyone: answer a C-ECHO of unknown peers too, as monitors send it.
        idle_seconds: how long a peer may stay silent before the association is aborted.
    """

    services: Sequence[Service]
    peers: Peers
    ae_title: str
    accept_any_called: bool
    echo_from_anyone: bool
    idle_seconds: float


class _Stopped(Exception):
    """We are asked to stop and nothing is half done."""


class Association:
    """The peer's connection from its association request on; `serve` runs in a thread of its own.

    Args:
        terms: what holds for every association.
        connection: connected, blocking; closed by `serve`.
        address: the peer's IP address.
        request: the A-ASSOCIATE-RQ that was read from it.
    """

    def __init__(self, terms: Terms, connection: socket.socket, address: str, request: bytes) -> None:
        self.peer: Peer | None = None
        self._terms = terms
        self._connection = connection
        self.address = address
        self._request = request
        self._turn = threading.Lock()  # guards the two flags
        self._busy = self._stopping = False
        self._fed = time.monotonic()
        self._contexts: dict[int, Context] = {}
        self._sessions: dict[int, Session] = {}  # by command field
        self._stream = pdu.Stream(())
        self._longest = 0
        self._sub_operation = 0  # number of the last request of ours
        self._cancelled: set[int] = set()
        self._command = bytearray()
        self._command_context: int | None = None
        self._operation: Operation | None = None

    def fed_within(self, seconds: float) -> bool:
        """Whether it began, or something of a data set came, so short a time ago: who only sends echoes keeps no batch open."""
        return time.monotonic() - self._fed < seconds

    def serve(self) -> None:
        """Do everything, and close the connection."""
        try:
            self._prepare()
            if self._negotiate():
                self._converse()
        except PeerError as error:
            log.warning("association of %s aborted: %s", self._who, error)
            self._send_last(pdu.abort(error.reason))
        except _Stopped:
            self._send_last(pdu.abort(PeerError.NOT_SPECIFIED))
        except OSError as error:
            log.warning("connection of %s lost: %s", self._who, type(error).__name__)
        except Exception as error:  # noqa: BLE001 - one association fails alone; text and traceback could quote its bytes
            log.error("association of %s failed within: %s", self._who, type(error).__name__)  # noqa: TRY400 - see above
            self._send_last(pdu.abort(PeerError.NOT_SPECIFIED))
        finally:
            if self._operation is not None:
                self._operation.discard()
            self._connection.close()
            if self.peer is not None:
                done = [text for session in dict.fromkeys(self._sessions.values()) if (text := session.summary())]
                log.info("association of %s ended: %s", self._who, ", ".join(done) or "nothing was asked for")

    def stop(self) -> None:
        """Ask, from another thread, to end after the file that is under way."""
        with self._turn:
            self._stopping = True
            if not self._busy:
                self._shut(socket.SHUT_RD)

    def kill(self) -> None:
        """End now, from another thread."""
        self._shut(socket.SHUT_RDWR)

    def _shut(self, how: int) -> None:
        with contextlib.suppress(OSError):
            # Of TLS, shutdown() would also forget the keys, and we may still say a word.
            socket.socket.shutdown(self._connection, how)

    @property
    def _certificate(self) -> str | None:
        return fingerprint(self._connection) if isinstance(self._connection, ssl.SSLSocket) else None

    @property
    def _who(self) -> str:
        return self.peer.name if self.peer is not None else "an unknown peer"

    def _prepare(self) -> None:
        # Timeouts of the socket itself: Python's own would cost a poll(2) for every receive.
        seconds = self._terms.idle_seconds
        timeout = _TIME.pack(int(seconds), int(seconds % 1 * 1_000_000))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._connection.setsockopt(socket.SOL_SOCKET, option, timeout)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _negotiate(self) -> bool:
        request = negotiation.parse(self._request)
        try:
            rejection, peer = self._judge(request)
        except ArchimedError as error:
            log.warning("an association cannot be decided on: %s", error)
            rejection, peer = negotiation.CONGESTED, None
        if rejection is not None or peer is None:
            self._send_last(negotiation.reject(rejection or negotiation.UNKNOWN_CALLER))
            return False
        contexts = [self._decide(peer, proposed) for proposed in request.proposed]
        self._contexts = {context.number: context for context in contexts if context.accepted}
        for service in self._terms.services:
            self._sessions.update(dict.fromkeys(service.fields, service.open(peer, self._contexts)))
        self._longest = request.longest
        self._connection.sendall(negotiation.accept(request, contexts))
        return True

    def _judge(self, request: Request) -> tuple[Rejection | None, Peer | None]:
        if not request.understood:
            return negotiation.NOT_UNDERSTOOD, None
        peer = self._terms.peers.find(request.calling, self.address, self._certificate)
        if peer is None and self._terms.echo_from_anyone and _only_verifies(request):
            peer = Peer(request.calling, self.address)
        if peer is None:
            log.warning("an association from %s was refused: no source and no node; the audit has its title", self.address)
            self._terms.peers.refuse(request.calling, self.address)
            return negotiation.UNKNOWN_CALLER, None
        self.peer = peer
        if not self._terms.accept_any_called and request.called != self._terms.ae_title:
            log.warning("association of %s refused: it calls another AE title than ours", self._who)
            return negotiation.UNKNOWN_CALLED, None
        return None, peer

    def _decide(self, peer: Peer, proposed: Proposed) -> Context:
        taken = Roles.NONE
        choose = negotiation.as_sent
        for service in self._terms.services:
            roles = service.roles(peer, proposed) & proposed.roles
            if roles and not taken:
                choose = service.transfer_syntax
            taken |= roles
        return negotiation.accepted(proposed, taken, choose)

    def _converse(self) -> None:
        self._stream = stream = pdu.Stream(self._contexts)
        while True:
            stream.received(self._receive(stream.space()))
            for event in stream.events():
                match event:
                    case Fragment():
                        self._take(event)
                    case Released():
                        self._send_last(pdu.release_reply())
                        return
                    case Aborted():
                        log.warning("association of %s aborted by it", self._who)
                        return
            if self._operation is not None:
                self._operation.flush()

    def _receive(self, space: memoryview) -> int:
        try:
            count = self._connection.recv_into(space)
        except (BlockingIOError, ssl.SSLWantReadError):
            raise PeerError("it stayed silent for too long") from None
        if count:
            # DCMTK writes the command and the data set apart and, by Nagle's algorithm, waits with the second for our
            # acknowledgement of the first; the kernel would put that off by 40 ms. It forgets this option, so: each time.
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            return count
        if self._stopping:
            raise _Stopped
        raise PeerError("it closed the connection without a release")

    def _take(self, fragment: Fragment) -> None:
        if not self._busy:
            with self._turn:
                self._busy = True
        operation = self._operation
        if fragment.command:
            self._take_command(fragment)
        elif operation is None or fragment.context != self._command_context:
            raise PeerError("a data set came without its command", PeerError.UNEXPECTED_PDU)
        else:
            operation.take(fragment.data)
            self._fed = time.monotonic()
            if fragment.last:
                self._finish(operation)

    def _take_command(self, fragment: Fragment) -> None:
        if self._operation is not None or self._command_context not in (None, fragment.context):
            raise PeerError("messages are mixed up", PeerError.UNEXPECTED_PDU)
        self._command_context = fragment.context
        self._command += fragment.data
        if len(self._command) > commands.LONGEST:
            raise PeerError("a command set does not end", PeerError.INVALID_PARAMETER)
        if not fragment.last:
            return
        command = commands.parse(self._command)
        self._command.clear()
        if command.is_response:
            raise PeerError("a response came where nothing was asked", PeerError.UNEXPECTED_PARAMETER)
        if command.field == commands.C_CANCEL_RQ:
            self._done()  # what it means is answered already
            return
        session = self._sessions.get(command.field)
        if session is None:
            operation: Operation = Answered(command, Status.UNRECOGNISED_OPERATION)
        else:
            operation = session.begin(self._contexts[fragment.context], command)
        self._operation = operation
        if not command.has_data_set:
            self._finish(operation)

    def _finish(self, operation: Operation) -> None:
        operation.finish(self)
        self._operation = None
        self._cancelled.clear()
        self._done()

    def respond(self, command: Command, status: Status, *, identifier: bytes = b"", counters: Counters | None = None) -> None:
        """Send a response; see `services.Replies`."""
        context = self._context_of_request()
        answer = commands.response(command, status, has_identifier=bool(identifier), counters=counters)
        data = pdu.command_pdus(context, answer, self._longest)
        if identifier:
            data += b"".join(pdu.data_pdus(context, [identifier], self._longest))
        self._connection.sendall(data)

    def is_cancelled(self, command: Command) -> bool:
        """Whether a request is cancelled; see `services.Replies`."""
        while self._next_command(wait=False) is not None:
            raise PeerError("a response came where nothing was asked", PeerError.UNEXPECTED_PARAMETER)
        return command.message in self._cancelled or self._stopping

    def store(self, context: int, sop_class: str, sop_instance: str, data: Iterable[bytes]) -> int:
        """Send a file and return how it is answered; see `services.Replies`."""
        self._sub_operation = self._sub_operation % 0xFFFF + 1
        request = commands.store_request(self._sub_operation, sop_class, sop_instance)
        self._connection.sendall(pdu.command_pdus(context, request, self._longest))
        for unit in pdu.data_pdus(context, data, self._longest):
            self._connection.sendall(unit)
        answer = self._next_command(wait=True)
        if answer is None or answer.message != self._sub_operation:
            raise PeerError("a response came where nothing was asked", PeerError.UNEXPECTED_PARAMETER)
        return answer.status

    def _context_of_request(self) -> int:
        if self._command_context is None:
            raise RuntimeError("a response belongs to a request that is under way")
        return self._command_context

    def _next_command(self, *, wait: bool) -> Command | None:
        """Return the next response that comes while a request of the peer is under way; None: none is there yet.

        Cancels are noted. Whoever iterates over the stream's events further out goes on behind what was read here.
        """
        command = bytearray()
        while True:
            for event in self._stream.events():
                if not isinstance(event, Fragment):
                    raise PeerError("it ended the association within a request")
                if not event.command:
                    raise PeerError("a data set came without its command", PeerError.UNEXPECTED_PDU)
                command += event.data
                if len(command) > commands.LONGEST:
                    raise PeerError("a command set does not end", PeerError.INVALID_PARAMETER)
                if not event.last:
                    continue
                found = commands.parse(command)
                command.clear()
                if found.is_response:
                    return found
                if found.field != commands.C_CANCEL_RQ:
                    raise PeerError("messages are mixed up", PeerError.UNEXPECTED_PDU)
                self._cancelled.add(found.message)
            if not wait and not command and not self._is_readable():
                return None
            self._stream.received(self._receive(self._stream.space()))

    def _is_readable(self) -> bool:
        if isinstance(self._connection, ssl.SSLSocket) and self._connection.pending():
            return True
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(0))

    def _done(self) -> None:
        """A message is dealt with: the moment to stop if we shall."""
        self._command_context = None
        with self._turn:
            self._busy = False
            if self._stopping:
                raise _Stopped

    def _send_last(self, data: bytes) -> None:
        """Send our last word and let the peer close first, or bytes of its that we did not read would make the word unheard."""
        end = time.monotonic() + _FAREWELL_SECONDS
        with contextlib.suppress(OSError):
            self._connection.settimeout(_FAREWELL_SECONDS)
            self._connection.sendall(data)
            if isinstance(self._connection, ssl.SSLSocket):
                self._connection.unwrap()  # says that nothing more comes; some devices never answer it
                return
            self._connection.shutdown(socket.SHUT_WR)
            while self._connection.recv(65536) and time.monotonic() < end:
                pass


def _only_verifies(request: Request) -> bool:
    """Whether an association is for nothing but C-ECHO."""
    return all(proposed.sop_class == negotiation.VERIFICATION for proposed in request.proposed)
