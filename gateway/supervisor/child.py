"""A part as its own process sees it: how it is forked, says that it is ready, and ends with its parent."""

import contextlib
import ctypes
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from catalog.pure.errors import ArchimedError

log = logging.getLogger(__name__)

READY = b"ready"
BREATH = b"."
_ALIVE_SECONDS = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the process tree.

    `run(ready, alive)` is called in a process of its own. It calls `ready` once when it accepts work, works until SIGTERM,
    finishes what it has begun and returns. It sets up its own signals: SIGTERM has its default action when it starts. In each
    turn of its work it calls `alive`, which costs nothing; one that is silent for `longest_silence` seconds hangs, and is
    killed and started again. `listener` is the socket it serves, held open by the parent between two lives of the part, and
    so are `others`: sockets that it serves too.
    """

    name: str
    run: Callable[[Callable[[], None], Callable[[], None]], None]
    listener: socket.socket | None = None
    longest_silence: float = 60.0
    others: tuple[socket.socket, ...] = ()

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """All sockets that it serves."""
        return (*([self.listener] if self.listener else []), *self.others)


def fork(part: Part, not_its_own: Iterable[int], begin: Callable[[str], None]) -> tuple[int, int]:
    """Start a part in a child process; return its process id and the end of a pipe from which it can be heard.

    It says `READY`, or the sentence of the error that kept it from starting; nothing if it just died. A `BREATH`, before and
    after, says that it is alive.

    Args:
        part: the part.
        not_its_own: descriptors of the parent that the child must not hold.
        begin: called with the part's name in the child before all else; sets up logging.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    # A request to stop that comes before the child has put the parent's handlers away waits until it has.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        with contextlib.suppress(OSError):  # the child does the same: whoever is first
            os.setpgid(pid, pid)
        os.close(writing)
        os.set_blocking(reading, False)
        return pid, reading
    status = 70
    try:
        _become_child(parent)
        for descriptor in (reading, *not_its_own):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        begin(part.name)
        status = _live(part, writing)
    finally:
        # Not sys.exit: the parent's clean-ups and buffers are not this process's to run.
        os._exit(status)


def stop_on_sigterm() -> threading.Event:
    """Return an event that SIGTERM sets; for a part that is no server with signal handling of its own.

    The event is set in a thread: a handler that runs inside `Event.wait` of the same thread could wait for itself.
    """
    stop = threading.Event()
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(writing, False)

    def wait() -> None:
        os.read(reading, 1)
        stop.set()

    threading.Thread(target=wait, name="sigterm", daemon=True).start()
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, _nothing)
    return stop


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Have this process sent a signal when the thread that started it ends, however that ends.

    SIGKILL does no harm to a part: what is not acknowledged may be lost at any moment, what is acknowledged cannot be.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def _become_child(parent: int) -> None:
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    # A group of its own: Ctrl-C reaches the parent alone, which stops the parts in order.
    os.setpgid(0, 0)
    die_with_parent()
    if os.getppid() != parent:  # it died before it could be watched
        os._exit(1)
    os.register_at_fork(after_in_child=die_with_parent)  # processes that the part forks, too


class _Voice:
    """The part's end of the pipe; each of its processes and threads may use it."""

    def __init__(self, writing: int) -> None:
        os.set_blocking(writing, False)
        self._writing = writing
        self._said = threading.Lock()
        self._last = 0.0

    def ready(self) -> None:
        """Say that the part accepts work; only the first word counts."""
        if self._said.acquire(blocking=False):
            self._write(READY)

    def alive(self) -> None:
        """Say that the part's work goes on, not more often than anybody needs to hear it."""
        now = time.monotonic()
        if now - self._last >= _ALIVE_SECONDS:
            self._last = now
            self._write(BREATH)

    def complain(self, sentence: str) -> None:
        """Say why the part could not start."""
        if self._said.acquire(blocking=False):
            self._write(sentence.encode())

    def _write(self, word: bytes) -> None:
        # The parent may have stopped listening, or be too busy for one more word.
        with contextlib.suppress(OSError):
            os.write(self._writing, word)


def _live(part: Part, writing: int) -> int:
    voice = _Voice(writing)
    try:
        part.run(voice.ready, voice.alive)
    except ArchimedError as error:
        log.error("%s", error)  # noqa: TRY400 - the sentence is what the operator needs
        voice.complain(str(error))
        return 1
    except SystemExit as ending:  # gunicorn ends so
        return ending.code if isinstance(ending.code, int) else 1 if ending.code else 0
    except BaseException:
        log.exception("ended by an error that was not expected")
        return 70
    return 0


def _nothing(_number: int, _frame: object) -> None:
    """Handle a signal by doing nothing: the wake-up descriptor says that it came."""
