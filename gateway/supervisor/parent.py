"""The parent: it starts, watches, restarts and stops the parts. It has no threads and opens nothing but pipes."""

import contextlib
import logging
import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from catalog.pure.errors import Unavailable
from gateway.supervisor.child import BREATH, READY, Part, fork
from gateway.supervisor.notify import ALIVE, STOPPING, alive_seconds, notify
from gateway.supervisor.notify import READY as ACCEPTING

log = logging.getLogger(__name__)

_LONGEST_WORD = 4096
_MOST_EARLY_DEATHS = 5
"""How often a part may be killed before it was ready once."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the parent waits, in seconds.

    `start`: for the first readiness of all parts. `finish`: for one part to finish its work when stopped. `first_delay`,
    doubled at each death up to `longest_delay`: before a part is started again; a part that lived for `settled` begins anew.
    """

    start: float = 60.0
    finish: float = 30.0
    first_delay: float = 0.5
    longest_delay: float = 30.0
    settled: float = 60.0


@dataclass(slots=True, eq=False)
class _Life:
    """A part and its present process, if it has one."""

    part: Part
    pid: int | None = None
    pipe: int | None = None  # on which it is heard
    started: float = 0.0
    heard: float = 0.0  # when, last; or when it was started
    is_ready: bool = False  # this process
    deaths: int = 0  # one after the other, none of them settled
    due: float | None = None  # when to start it again
    was_ready: bool = False  # in any of its processes
    complaint: str = ""  # what kept it from starting, in its own words


@dataclass(slots=True, eq=False)
class _Signals:
    """The parent's signals, as a descriptor that becomes readable and a count of requests to stop."""

    requests: int = 0
    reading: int = -1
    _writing: int = -1
    _before: dict[int, object] = field(default_factory=dict)
    _wakeup_before: int = -1

    def __enter__(self) -> Self:
        self.reading, self._writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            self._before[number] = signal.signal(number, self._note)
        self._wakeup_before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # it came from signal.signal
        os.close(self.reading)
        os.close(self._writing)

    def drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.reading, _LONGEST_WORD)

    def _note(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self.requests += 1


class Supervisor:
    """Runs parts as one process tree. Parts are stopped in the order in which they are given."""

    def __init__(self, parts: Sequence[Part], begin: Callable[[str], None], patience: Patience | None = None) -> None:
        """`begin` is called with the part's name in each new process before the part runs; it sets up logging."""
        self._lives = [_Life(part) for part in parts]
        self._begin = begin
        self._patience = patience or Patience()
        self._selector = selectors.DefaultSelector()
        self._signals = _Signals()

    def run(self, announce: Callable[[], None]) -> None:
        """Start all parts, call `announce` once each is ready, and keep them alive until SIGTERM or SIGINT; then stop them.

        Must be called in the main thread of a process without other threads: parts are forked.

        Raises:
            Unavailable: a part could not start; nothing is left running.
        """
        with self._signals, self._selector:
            self._selector.register(self._signals.reading, selectors.EVENT_READ)
            try:
                self._start_all(announce)
                every = alive_seconds()
                while not self._signals.requests:
                    if every:
                        notify(ALIVE)
                    self._look(time.monotonic() + every if every else None)
            finally:
                notify(STOPPING)
                self._stop_all()

    def _start_all(self, announce: Callable[[], None]) -> None:
        deadline = time.monotonic() + self._patience.start
        for life in self._lives:
            self._start(life)
        while not self._signals.requests:
            late = [life.part.name for life in self._lives if not life.was_ready]
            if not late:
                announce()
                notify(ACCEPTING)
                return
            if time.monotonic() >= deadline:
                raise Unavailable(f"not ready after {self._patience.start:.0f} seconds: {', '.join(late)}; see the log above")
            self._look(deadline)

    def _look(self, deadline: float | None) -> None:
        """Wait for the next thing that happens, at most until `deadline`, and deal with it."""
        hung = (self._hangs_at(life) for life in self._lives)
        moments = [moment for moment in (deadline, *hung, *(life.due for life in self._lives)) if moment is not None]
        ready = self._selector.select(max(0.0, min(moments) - time.monotonic()) if moments else None)
        self._signals.drain()
        for key, _ in ready:
            if isinstance(key.data, _Life):
                self._hear(key.data)
        for life in self._lives:
            if life.pid is not None and (status := _end_of(life.pid)) is not None:
                self._bury(life, status)
            self._kill_if_hung(life)
            if life.due is not None and life.due <= time.monotonic():
                self._start(life)

    def _start(self, life: _Life) -> None:
        descriptors = [key.fd for key in self._selector.get_map().values()]
        others = [held.fileno() for other in self._lives if other is not life for held in other.part.sockets]
        life.pid, life.pipe = fork(life.part, [*descriptors, *others, self._selector.fileno()], self._begin)
        life.started = life.heard = time.monotonic()
        life.due, life.is_ready = None, False
        self._selector.register(life.pipe, selectors.EVENT_READ, life)

    def _hear(self, life: _Life) -> None:
        """Take what a part's process said from its pipe, if it has said anything."""
        if life.pipe is None:
            return
        try:
            words = os.read(life.pipe, _LONGEST_WORD)
        except BlockingIOError:
            return
        if not words:
            self._stop_hearing(life)
        life.heard = time.monotonic()
        if life.is_ready:
            return
        words = words.lstrip(BREATH)  # it may say that it is alive, or has just done so, in the same moment
        if words.startswith(READY):
            life.was_ready = life.is_ready = True
            log.info("%s is ready", life.part.name)
        elif words:
            life.complaint = words.decode(errors="replace")

    def _stop_hearing(self, life: _Life) -> None:
        if life.pipe is not None:
            self._selector.unregister(life.pipe)
            os.close(life.pipe)
            life.pipe = None

    def _hangs_at(self, life: _Life) -> float | None:
        """Return when a part must be taken for hung if nothing is heard of it; one that starts may take its time."""
        if life.pid is None:
            return None
        return life.heard + (
            life.part.longest_silence if life.is_ready else max(self._patience.start, life.part.longest_silence)
        )

    def _kill_if_hung(self, life: _Life) -> None:
        moment = self._hangs_at(life)
        if life.pid is None or moment is None or moment > time.monotonic():
            return
        self._hear(life)  # this process may have been the one that was stopped
        if (moment := self._hangs_at(life)) is not None and moment <= time.monotonic():
            log.error(
                "%s hangs: nothing was heard of it for %.0f seconds; it is killed", life.part.name, life.part.longest_silence
            )
            _kill_group(life.pid)
            life.heard = time.monotonic()  # its end is noted as any other's

    def _bury(self, life: _Life, status: int) -> None:
        """Note that a part's process ended unasked, and when to start it again.

        Raises:
            Unavailable: the part was never ready and ended by itself, or was killed again and again: starting it once more
                would not help.
        """
        self._hear(life)
        self._stop_hearing(life)  # a process it left behind may still hold the other end
        life.pid = None
        how = _described(status)
        # One that was killed (too little memory, by hand) did nothing wrong: it gets a few more tries.
        if not life.was_ready and (life.complaint or not os.WIFSIGNALED(status) or life.deaths + 1 >= _MOST_EARLY_DEATHS):
            raise Unavailable(life.complaint or f"the part {life.part.name} could not start ({how}); see the log above")
        life.deaths = 1 if time.monotonic() - life.started >= self._patience.settled else life.deaths + 1
        delay = min(self._patience.first_delay * 2 ** (life.deaths - 1), self._patience.longest_delay)
        life.due = time.monotonic() + delay
        log.error("%s ended unasked (%s); it starts again in %.1f seconds", life.part.name, how, delay)

    def _stop_all(self) -> None:
        """Stop the parts one after the other; a second request to stop, or a part that does not finish, makes it short."""
        for life in self._lives:
            # Nobody shall be left waiting in the queue of a socket that no part serves any more.
            for held in life.part.sockets:
                held.close()
            if life.pid is None:
                continue
            log.info("stopping %s", life.part.name)
            with contextlib.suppress(ProcessLookupError):
                os.kill(life.pid, signal.SIGTERM)
            status = self._wait_for_end(life.pid)
            if status is None:
                log.error("%s does not finish; it is killed", life.part.name)
                _kill_group(life.pid)
                _, status = os.waitpid(life.pid, 0)
            log.info("%s stopped (%s)", life.part.name, _described(status))
            life.pid = None
            if life.pipe is not None:
                os.close(life.pipe)

    def _wait_for_end(self, pid: int) -> int | None:
        deadline = time.monotonic() + self._patience.finish
        while (status := _end_of(pid)) is None:
            if time.monotonic() >= deadline or self._signals.requests > 1:
                return None
            self._selector.select(min(deadline - time.monotonic(), 1.0))
            self._signals.drain()
        return status


def _end_of(pid: int) -> int | None:
    """Return the wait status of a child that has ended, after ending what it left in its process group."""
    if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return None
    _kill_group(pid)  # before it is reaped: until then the number cannot be anybody else's
    return os.waitpid(pid, 0)[1]


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _described(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
