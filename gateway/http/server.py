"""gunicorn as this appliance needs it: processes with threads on a socket that is bound already, limits, log lines.

Knows no archive: it is handed a function that makes the application, and calls it in each worker process after the fork, so
that no database connection is carried over one. TLS is the proxy's: gunicorn stays on loopback or a private network behind it.

A thread is taken by a connection only while there is something to do for it: the kernel keeps connections back that send
nothing, what a client does not read at once is sent by a thread that sends for all (`outgoing`), and one that stalls in its
headers, its body or its reading is cut off. One that sends a byte now and then is the proxy's to stop.
"""

import logging
import os
import shutil
import signal
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger

from catalog.faults import place_of
from catalog.pure.errors import Unavailable
from gateway.credentials.addresses import OVER_SOCKET
from gateway.http.requests import Exchange, method_of
from gateway.http.worker import shares

if TYPE_CHECKING:
    from gateway.http.outgoing import Outgoing

_WSGIApplication: TypeAlias = Callable[[dict[str, Any], Any], Iterable[bytes]]

STALLED_SECONDS = 60
HEADER_SECONDS = 10
GRACEFUL_SECONDS = 10
_CONNECTIONS_PER_WORKER = 500
_KEEPALIVE_SECONDS = 15
_LONGEST_LINE = 8190
_LONGEST_HEADER = 16_384
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it, for its owner alone

_CANNOT_START = "the HTTP server ended because its workers cannot start; the log says why"

_log = logging.getLogger(__name__)
_requests = logging.getLogger("gateway.http.requests")


def run(
    app_factory: Callable[[], _WSGIApplication],
    fd: int,
    *socket_fds: int,
    workers: int,
    threads: int,
    proxies: Collection[str] = (),
    on_ready: Callable[[], None],
    on_turn: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then let running requests end, for `GRACEFUL_SECONDS` at most.

    It takes over this process: its signals, its children, and for the time of the call its environment.

    Args:
        app_factory: makes the application; called once in each worker process. If it has an `at_end`, that is called when the
            process has answered its last request.
        fd: a bound TCP socket, listening or not; it is closed in the end.
        socket_fds: further sockets, bound to paths: what comes over these comes from a proxy that is trusted.
        workers: the number of processes.
        threads: the number of threads in each, which is how many requests it answers at a time.
        proxies: addresses whose X-Forwarded-Proto is believed beside that of those.
        on_ready: called in this process once the first worker answers.
        on_turn: called in this process about once a second, as long as it looks after its workers.

    Raises:
        Unavailable: the application could not be made.
    """
    owner = os.getpid()
    folder = _make_folder()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    for name in ("NOTIFY_SOCKET", "SCRIPT_NAME"):  # the supervisor talks to systemd; a header may not move the root
        os.environ.pop(name, None)
    _limit_stalling(fd)
    try:
        _Application(app_factory, (fd, *socket_fds), workers, threads, proxies, folder, on_ready, on_turn).run()
    except SystemExit as end:
        if os.getpid() != owner:
            # A worker: the caller's clean-up is the caller's, not its copy's.
            logging.shutdown()
            os._exit(end.code if isinstance(end.code, int) else 1)
        if end.code:
            raise Unavailable(_CANNOT_START) from None
    except HaltServer:
        # Raised while it halts, when a second worker did not start either.
        raise Unavailable(_CANNOT_START) from None
    finally:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)
            os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)


def _make_folder() -> str:
    """Make the folder of figures and heartbeats, in memory if possible; remove those of servers that were killed."""
    parent = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    for left in parent.glob("archimed-http-*-*"):
        pid = left.name.split("-")[2]
        if not Path("/proc", pid).exists() and os.access(left, os.W_OK):
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"archimed-http-{os.getpid()}-", dir=parent)


def _limit_stalling(fd: int) -> None:
    # Connections inherit it from the socket that accepts them. gunicorn itself waits for headers without a limit, and lets a
    # connection that sends nothing hold a thread for five seconds.
    with socket.socket(fileno=os.dup(fd)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", HEADER_SECONDS, 0))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, HEADER_SECONDS)


class _Application(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    def __init__(
        self,
        factory: Callable[[], _WSGIApplication],
        fds: Sequence[int],
        workers: int,
        threads: int,
        proxies: Collection[str],
        folder: str,
        on_ready: Callable[[], None],
        on_turn: Callable[[], None],
    ) -> None:
        self._factory = factory
        self._on_ready = on_ready
        self._on_turn = on_turn
        self._at_end: Callable[[], None] = lambda: None  # in the master, where gunicorn calls it at each worker's end, too
        self._settings = {
            "bind": [f"fd://{fd}" for fd in fds],
            "forwarded_allow_ips": ",".join(proxies),
            "workers": workers,
            "threads": threads,
            "worker_class": "gateway.http.worker.Worker",
            "worker_connections": max(_CONNECTIONS_PER_WORKER, 2 * threads),
            "worker_tmp_dir": folder,
            "graceful_timeout": GRACEFUL_SECONDS,
            "keepalive": _KEEPALIVE_SECONDS,
            "limit_request_line": _LONGEST_LINE,
            "limit_request_field_size": _LONGEST_HEADER,
            "forwarder_headers": "",
            "control_socket_disable": True,
            "logger_class": _Lines,
            "pre_request": _remember,
            "child_exit": _forget_figures,
            "worker_exit": lambda _server, _worker: self._at_end(),
            "proc_name": "archimed-http",
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> _WSGIApplication:
        app = self._factory()
        self._at_end = getattr(app, "at_end", self._at_end)

        def served(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            connection: Outgoing = environ["gunicorn.socket"]
            connection.settimeout(STALLED_SECONDS)
            if connection.family == socket.AF_UNIX:
                environ["REMOTE_ADDR"] = OVER_SOCKET
            Exchange(connection, _current.request.force_close, connection.hand_over, shares.take).join(environ)
            return app(environ, start_response)

        return served

    def run(self) -> None:
        master = _Master(self, self._on_ready, self._on_turn)
        self.cfg.set("post_worker_init", master.note_worker)
        master.run()


class _Master(Arbiter):  # type: ignore[misc] # gunicorn has no types
    """The master process; calls back when the first worker answers, which gunicorn has no hook for."""

    def __init__(self, app: _Application, on_ready: Callable[[], None], on_turn: Callable[[], None]) -> None:
        self._on_turn = on_turn
        self._on_ready: Callable[[], None] | None = on_ready
        self._answering, self._note = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        super().__init__(app)
        self.systemd = True  # it leaves the path of a socket alone that was handed to it; who made it may hand it on

    def note_worker(self, _worker: Any) -> None:
        """Say, in a worker, that it answers."""
        os.write(self._note, b"1")
        # Wakes the master's loop; without a dead child it does nothing else there.
        os.kill(self.pid, signal.SIGCHLD)

    def manage_workers(self) -> None:
        """Keep up the number of workers; called in each turn of the master's loop."""
        super().manage_workers()
        self._on_turn()
        if self._on_ready is not None and self._one_answers():
            on_ready, self._on_ready = self._on_ready, None
            on_ready()

    def _one_answers(self) -> bool:
        try:
            return bool(os.read(self._answering, 1))
        except BlockingIOError:
            return False


_current = threading.local()


def _remember(_worker: Any, request: Any) -> None:
    # The application is called next in this thread; gunicorn's environ has no way to close a connection.
    _current.request = request


def _forget_figures(_master: Any, worker: Any) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call] # so in prometheus-client


class _Lines(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's messages as ordinary log records, without what a client sent: a path may be a name, a header a password."""

    def setup(self, cfg: Any) -> None:
        """Leave handlers and levels to the process."""
        self.cfg = cfg
        self._access_log_enabled = _requests.isEnabledFor(logging.INFO)
        self.error_log = _log

    def exception(self, msg: str, *_args: Any, **_kwargs: Any) -> None:
        """Write where an error came from."""
        error = sys.exception()
        _log.error("%s: %s", msg.partition(" %")[0], place_of(error) if error else "no exception")

    def warning(self, msg: str, *args: Any, **_kwargs: Any) -> None:
        """Write a warning; of a request that could not be parsed, only that there was one."""
        if msg.startswith("Invalid request from ip="):
            _log.info("a request could not be parsed")
        else:
            _log.warning(msg, *args)

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Write one line a request, with the path only of what is in the archive."""
        exchange = Exchange.of(environ)
        _requests.info(
            "%s %s %s %s bytes %d ms",
            method_of(environ),
            exchange.shown_path or f"({exchange.part or 'refused'})",
            str(resp.status).partition(" ")[0],
            resp.sent or resp.response_length or 0,
            request_time / timedelta(milliseconds=1),
        )
