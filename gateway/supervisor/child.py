"""A part as its own process sees it: how it is forked, says that it is ready, and ends with its parent."""

import contextlib
import ctypes
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from catalog.pure.errors import ArchimedError

log = logging.getLogger(__name__)

READY = b"ready"
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the process tree.

    `run(ready)` is called in a process of its own. It calls `ready` once when it accepts work, works until SIGTERM, finishes
    what it has begun and returns. It sets up its own signals: SIGTERM has its default action when it starts. `listener` is the
    socket it serves, held open by the parent between two lives of the part.
    """

    name: str
    run: Callable[[Callable[[], None]], None]
    listener: socket.socket | None = None


def fork(part: Part, not_its_own: Iterable[int], begin: Callable[[str], None]) -> tuple[int, int]:
    """Start a part in a child process; return its process id and the end of a pipe from which its first word can be read.

    The word is `READY`, or the sentence of the error that kept it from starting; nothing if it just died.

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


def _live(part: Part, writing: int) -> int:
    said = threading.Lock()

    def say(word: bytes) -> None:
        # Only the first word counts; each of a part's processes may say it. The parent may have stopped listening.
        if said.acquire(blocking=False):
            with contextlib.suppress(OSError):
                os.write(writing, word)
            os.close(writing)

    try:
        part.run(lambda: say(READY))
    except ArchimedError as error:
        log.error("%s", error)  # noqa: TRY400 - the sentence is what the operator needs
        say(str(error).encode())
        return 1
    except SystemExit as ending:  # gunicorn ends so
        return ending.code if isinstance(ending.code, int) else 1 if ending.code else 0
    except BaseException:
        log.exception("ended by an error that was not expected")
        return 70
    return 0


def _nothing(_number: int, _frame: object) -> None:
    """Handle a signal by doing nothing: the wake-up descriptor tells that it came."""
