"""One association: negotiation, then requests and answers until the peer releases it, breaks off, or we stop.

One thread an association. The bytes of a data set go from the socket's buffer to the file and nowhere else; a request is
answered with success after `Incoming.commit` and not before. Log lines name the source, nothing that the peer sent.
"""

import contextlib
import logging
import socket
import struct
import threading
import time
from dataclasses import dataclass

from catalog.gate.receive.intake import Intake, SourceRef
from catalog.pure.errors import ArchimedError
from gateway.dicom import command as commands
from gateway.dicom import negotiation, pdu
from gateway.dicom.command import Command, Status
from gateway.dicom.negotiation import Context, Rejection, Request
from gateway.dicom.part10 import FileHead
from gateway.dicom.pdu import Aborted, Fragment, PeerError, Released
from gateway.dicom.storing import Storing

log = logging.getLogger(__name__)

_FAREWELL_SECONDS = 2.0
_TIME = struct.Struct("@ll")


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every association.

    Args:
        intake: where files go.
        ae_title: our own title.
        accept_any_called: take calls for any title, as most archives do; else only for our own.
        idle_seconds: how long a peer may stay silent before the association is aborted.
    """

    intake: Intake
    ae_title: str
    accept_any_called: bool
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
        self.source: SourceRef | None = None
        self._terms = terms
        self._connection = connection
        self._address = address
        self._request = request
        self._turn = threading.Lock()  # guards the two flags
        self._busy = self._stopping = False
        self._contexts: dict[int, Context] = {}
        self._heads: dict[int, FileHead] = {}
        self._longest = 0
        self._command = bytearray()
        self._command_context: int | None = None
        self._storing: Storing | None = None
        self._kept = self._refused = 0

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
            if self._storing is not None:
                self._storing.discard()
            self._connection.close()
            if self.source is not None:
                log.info("association of %s ended: %d files kept, %d refused", self._who, self._kept, self._refused)

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
            self._connection.shutdown(how)

    @property
    def _who(self) -> str:
        return self.source.name if self.source is not None else "an unknown source"

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
            rejection = self._judge(request)
        except ArchimedError as error:
            log.warning("an association cannot be decided on: %s", error)
            rejection = negotiation.CONGESTED
        if rejection is not None:
            self._send_last(negotiation.reject(rejection))
            return False
        self._contexts = {context.number: context for context in request.contexts if context.accepted}
        self._heads = {
            context.number: FileHead.of(context.sop_class, context.transfer_syntax, request.calling)
            for context in self._contexts.values()
        }
        self._longest = request.longest
        self._connection.sendall(negotiation.accept(request))
        return True

    def _judge(self, request: Request) -> Rejection | None:
        if not request.understood:
            return negotiation.NOT_UNDERSTOOD
        source = self._terms.intake.source_for(request.calling, self._address)
        if source is None:
            log.warning("an association of an unknown source was refused; the audit says whose")
            self._terms.intake.refuse(request.calling, self._address)
            return negotiation.UNKNOWN_CALLER
        self.source = source
        if not self._terms.accept_any_called and request.called != self._terms.ae_title:
            log.warning("association of %s refused: it calls another AE title than ours", self._who)
            return negotiation.UNKNOWN_CALLED
        return None

    def _converse(self) -> None:
        stream = pdu.Stream(self._contexts)
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
            if self._storing is not None:
                self._storing.flush()

    def _receive(self, space: memoryview) -> int:
        try:
            count = self._connection.recv_into(space)
        except BlockingIOError:
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
        storing = self._storing
        if fragment.command:
            self._take_command(fragment)
        elif storing is None or fragment.context != self._command_context:
            raise PeerError("a data set came without its command", PeerError.UNEXPECTED_PDU)
        else:
            storing.take(fragment.data)
            if fragment.last:
                self._finish(fragment.context, storing)

    def _take_command(self, fragment: Fragment) -> None:
        if self._storing is not None or self._command_context not in (None, fragment.context):
            raise PeerError("messages are mixed up", PeerError.UNEXPECTED_PDU)
        self._command_context = fragment.context
        self._command += fragment.data
        if len(self._command) > commands.LONGEST:
            raise PeerError("a command set does not end", PeerError.INVALID_PARAMETER)
        if not fragment.last:
            return
        command = commands.parse(self._command)
        self._command.clear()
        if command.field == commands.C_CANCEL_RQ:
            self._done()  # nothing here takes long enough to be cancelled
            return
        storing = self._begin(self._contexts[fragment.context], command)
        if command.has_data_set:
            self._storing = storing
        else:
            self._finish(fragment.context, storing)

    def _begin(self, context: Context, command: Command) -> Storing:
        """Decide on a request before its data set comes."""
        status = _objection(context, command)
        if status is not Status.SUCCESS or command.field != commands.C_STORE_RQ or command.sop_instance is None:
            return Storing(command, status, None, b"")
        try:
            incoming = self._terms.intake.begin(self._known_source())
        except ArchimedError:
            return Storing(command, Status.OUT_OF_RESOURCES, None, b"")
        return Storing(command, status, incoming, self._heads[context.number].bytes_for(command.sop_instance))

    def _known_source(self) -> SourceRef:
        if self.source is None:
            raise RuntimeError("an association goes on only with a known source")
        return self.source

    def _finish(self, context: int, storing: Storing) -> None:
        status = storing.finish()
        self._storing = None
        if storing.command.field == commands.C_STORE_RQ:
            if status is Status.SUCCESS:
                self._kept += 1
            else:
                self._refused += 1
                log.warning("a file of %s was refused: %s", self._who, status.comment)
        answer = commands.response(storing.command, status)
        self._connection.sendall(pdu.command_pdus(context, answer, self._longest))
        self._done()

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
            self._connection.shutdown(socket.SHUT_WR)
            while self._connection.recv(65536) and time.monotonic() < end:
                pass


def _objection(context: Context, command: Command) -> Status:
    """Return what is wrong with a request, or SUCCESS."""
    if command.field == commands.C_ECHO_RQ:
        return Status.SUCCESS
    if command.field != commands.C_STORE_RQ:
        return Status.UNRECOGNISED_OPERATION
    if context.sop_class == negotiation.VERIFICATION or command.sop_class != context.sop_class.encode("ascii"):
        return Status.SOP_CLASS_NOT_SUPPORTED
    if command.sop_instance is None:
        return Status.NO_INSTANCE
    return Status.SUCCESS if command.has_data_set else Status.NO_DATA_SET
