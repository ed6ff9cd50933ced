"""The listening side: takes connections, reads their association requests, gives each association a thread.

A connection costs no thread before its whole association request is there; those that wait for theirs are few, small and
short-lived, and the oldest makes room for a new one. So a thousand that connect and say nothing keep nobody out. A TLS
handshake is part of that: it goes on as bytes come, and nobody waits for it.
"""

import contextlib
import itertools
import logging
import selectors
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from catalog.pure.addresses import check_host
from catalog.pure.errors import ArchimedError
from gateway.dicom import negotiation, pdu
from gateway.dicom.association import Association, Terms
from gateway.dicom.pdu import PeerError
from gateway.dicom.peers import Peers
from gateway.dicom.services import Service

log = logging.getLogger(__name__)

_TURN_SECONDS = 5.0
_LONGEST_REQUEST = 256 * 1024
"""Bytes an association request may have: all 128 contexts with some 60 transfer syntaxes each."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to receive.

    Args:
        ae_title: our own title.
        accept_any_called: take calls for any title, as most archives do; else only for our own.
        echo_from_anyone: answer a C-ECHO of unknown peers too, as monitors send it.
        associations: how many may be open at once; further ones are rejected as a passing condition. One address may hold three
            quarters of them: who is silent on all that it can get keeps no other scanner out.
        waiting: how many connections may be without their association request.
        request_seconds: how long one may wait for it (the standard's ARTIM timer).
        idle_seconds: how long a peer may stay silent before its association is aborted.
        touch_seconds: how often open associations keep their source's batch from being sealed: a third of the quiet time.
        grace_seconds: how long files under way may take when stopping.
    """

    ae_title: str
    accept_any_called: bool = True
    echo_from_anyone: bool = False
    associations: int = 64
    waiting: int = 128
    request_seconds: float = 30
    idle_seconds: float = 300
    touch_seconds: float = 20
    grace_seconds: float = 5

    @property
    def of_address(self) -> int:
        """How many associations of one address may be open at once."""
        return self.associations - self.associations // 4


@dataclass(frozen=True, slots=True)
class SecureListener:
    """A listener, bound and listening, whose connections begin with a TLS handshake, and what they are held to."""

    listener: socket.socket
    context: ssl.SSLContext


def run(
    services: Sequence[Service],
    peers: Peers,
    listener: socket.socket,
    settings: Settings,
    on_ready: Callable[[], None],
    on_turn: Callable[[], None] = lambda: None,
    secure: SecureListener | None = None,
) -> None:
    """Receive in this process until SIGTERM or SIGINT; in the main thread.

    Files under way are finished and answered, then associations are aborted.

    Args:
        services: what associations are for.
        peers: who may associate.
        listener: bound and listening; may be shared with other processes.
        settings: how to receive.
        on_ready: called once connections are taken.
        on_turn: called every few seconds, as long as connections are taken.
        secure: where TLS is spoken, besides.
    """
    receiver = Receiver(services, peers, listener, settings, secure)
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: receiver.stop()) for number in signals]
    try:
        receiver.serve(on_ready, on_turn)
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


@dataclass(slots=True)
class _Caller:
    """A connection whose association request is not complete."""

    connection: socket.socket
    address: str
    deadline: float
    request: bytearray = field(default_factory=bytearray)
    shakes_hands: bool = False

    def receive(self) -> bytes | None:
        """Return what has come; b"" when nothing more comes, None for nothing yet.

        Raises:
            OSError: the connection is lost, or its handshake failed.
        """
        if not isinstance(self.connection, ssl.SSLSocket):
            try:
                return self.connection.recv(65536)
            except BlockingIOError:
                return None
        got = bytearray()
        try:
            if self.shakes_hands:
                self.connection.do_handshake()
                self.shakes_hands = False
            # What the library has read already wakes no selector.
            while len(got) <= _LONGEST_REQUEST and (piece := self.connection.recv(65536)):
                got += piece
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return bytes(got) or None
        return bytes(got)


class Receiver:
    """Receives on one listener, and on one for TLS if there is one.

    `serve` blocks; `stop` may be called from anywhere, signal handlers too.
    """

    def __init__(
        self,
        services: Sequence[Service],
        peers: Peers,
        listener: socket.socket,
        settings: Settings,
        secure: SecureListener | None = None,
    ) -> None:
        self._services = services
        self._listeners: dict[socket.socket, ssl.SSLContext | None] = {listener: None}
        if secure is not None:
            self._listeners[secure.listener] = secure.context
        self._settings = settings
        self._terms = Terms(
            services, peers, settings.ae_title, settings.accept_any_called, settings.echo_from_anyone, settings.idle_seconds
        )
        self._selector = selectors.DefaultSelector()
        self._callers: dict[socket.socket, _Caller] = {}  # the oldest first
        self._open: dict[Association, threading.Thread] = {}
        self._turn = threading.Lock()  # guards _open
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Make `serve` end."""
        with contextlib.suppress(OSError):
            self._wake.send(b"x")

    def serve(self, on_ready: Callable[[], None] = lambda: None, on_turn: Callable[[], None] = lambda: None) -> None:
        """Receive until `stop`."""
        # It quotes what it cannot decode, and that came from the peer.
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
        toucher = threading.Thread(target=self._touch, name="dicom-touch", daemon=True)
        toucher.start()
        for listener in self._listeners:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        on_ready()
        try:
            while self._serve_once():
                on_turn()
        finally:
            self._stopping.set()
            self._close()
            toucher.join()

    def _serve_once(self) -> bool:
        oldest = next(iter(self._callers.values()), None)
        patience = oldest.deadline - time.monotonic() if oldest else _TURN_SECONDS
        for key, _ in self._selector.select(min(max(0.0, patience), _TURN_SECONDS)):
            if key.fileobj is self._woken:
                return False
            if key.fileobj in self._listeners:
                self._accept(key.fileobj)
            elif key.data.connection in self._callers:  # not dropped since, to make room
                self._listen_to(key.data)
        now = time.monotonic()
        for caller in [caller for caller in self._callers.values() if caller.deadline <= now]:
            self._drop(caller)
        return True

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # another process took it, or it is gone
        except OSError as error:
            log.error("no connection can be taken: %s", error.strerror)  # noqa: TRY400 - a line, not a traceback
            time.sleep(0.1)  # no descriptors left: associations that end give some back
            return
        if len(self._callers) >= self._settings.waiting:
            self._drop(next(iter(self._callers.values())))
        connection.setblocking(False)
        context = self._listeners[listener]
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        # "%" and the interface follow a link-local address
        caller = _Caller(
            connection, check_host(address[0].partition("%")[0]), time.monotonic() + self._settings.request_seconds,
            shakes_hands=context is not None,
        )  # fmt: skip
        self._callers[connection] = caller
        self._selector.register(connection, selectors.EVENT_READ, caller)

    def _listen_to(self, caller: _Caller) -> None:
        try:
            data = caller.receive()
        except OSError as error:
            if caller.shakes_hands:
                reason = (isinstance(error, ssl.SSLError) and error.reason) or type(error).__name__
                log.warning("a TLS handshake with %s failed: %s", caller.address, reason)
            data = b""
        if data is None:
            return
        caller.request += data
        try:
            complete = _is_complete(caller.request)
        except PeerError as error:
            log.warning("a connection was dropped: %s", error)
            with contextlib.suppress(OSError):
                caller.connection.send(pdu.abort(error.reason))
            self._drop(caller)
            return
        if complete:
            self._associate(caller)
        elif not data:
            self._drop(caller)

    def _drop(self, caller: _Caller) -> None:
        self._forget(caller)
        caller.connection.close()

    def _forget(self, caller: _Caller) -> None:
        self._selector.unregister(caller.connection)
        del self._callers[caller.connection]

    def _associate(self, caller: _Caller) -> None:
        self._forget(caller)
        association = Association(self._terms, caller.connection, caller.address, bytes(caller.request))
        if self._start(association, caller.connection):
            return
        log.warning("an association of %s was rejected: %d are open already", caller.address, len(self._open))
        with contextlib.suppress(OSError):
            caller.connection.send(negotiation.reject(negotiation.TOO_MANY))
        caller.connection.close()

    def _start(self, association: Association, connection: socket.socket) -> bool:
        thread = threading.Thread(target=self._hold, args=(association,), name="dicom-association", daemon=True)
        with self._turn:
            of_address = sum(other.address == association.address for other in self._open)
            if len(self._open) >= self._settings.associations or of_address >= self._settings.of_address:
                return False
            connection.setblocking(True)
            try:
                thread.start()
            except RuntimeError:  # the system gives no further thread
                return False
            self._open[association] = thread
        return True

    def _hold(self, association: Association) -> None:
        try:
            association.serve()
        finally:
            with self._turn:  # which is free once `_start` has noted it
                del self._open[association]

    def _touch(self) -> None:
        """Keep the batches of open associations open."""
        while not self._stopping.wait(self._settings.touch_seconds):
            with self._turn:
                peers = {
                    association.peer for association in self._open
                    if association.peer is not None and association.fed_within(self._settings.idle_seconds)
                }  # fmt: skip
            for peer, service in itertools.product(peers, self._services):
                try:
                    service.still_open(peer)
                except ArchimedError as error:
                    log.warning("the batch of %s could be sealed early: %s", peer.name, error)

    def _close(self) -> None:
        """End everything: first politely."""
        self._selector.close()
        for caller in self._callers.values():
            caller.connection.close()
        for listener in self._listeners:
            listener.close()
        with self._turn:
            left = dict(self._open)
        for association in left:
            association.stop()
        deadline = time.monotonic() + self._settings.grace_seconds
        for thread in left.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        for association in left:
            association.kill()
        for thread in left.values():
            thread.join(1)
        self._wake.close()
        self._woken.close()


def _is_complete(request: bytearray) -> bool:
    """Whether an association request is there as a whole.

    Raises:
        PeerError: it is something else, or more.
    """
    if request and request[0] != pdu.ASSOCIATE_RQ:
        raise PeerError("it did not begin with an association request", PeerError.UNEXPECTED_PDU)
    if len(request) < 6:
        return False
    _, length = pdu.type_and_length(request)
    if length > _LONGEST_REQUEST:
        raise PeerError("its association request is too long", PeerError.INVALID_PARAMETER)
    if len(request) > length + 6:
        raise PeerError("it went on before its association was accepted", PeerError.UNEXPECTED_PDU)
    return bool(len(request) == length + 6)
