"""The worker: runs the jobs of the queue one after the other, and regular chores between them. One a process.

May live here: which job runs when, and what becomes of it when it fails. Not: what a job does.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from catalog.database import Database
from catalog.faults import place_of
from catalog.jobs.queue import LEASE_SECONDS, MOST_DEATHS, Job, JobKind, Queue, Stop
from catalog.pure.errors import ArchimedError, Away, Conflict, Damaged, Invalid, OutOfSpace, Unavailable

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_FAILED_PAUSE_SECONDS = 5.0
_MOST_ATTEMPTS = 8
_WAIT_SECONDS = 15


class _StoppedError(Exception):
    """The worker is asked to stop: the job goes back into the queue."""


class Handler(Protocol):
    """What one kind of job does. A job may be killed at any instruction and is then run again."""

    def run(self, job: Job, stop: Stop) -> None:
        """Do the job; its last transaction marks it as done (`Queue.finish`).

        Raises:
            Conflict: another worker took the job over.
            Invalid: it will never succeed.
            ArchimedError: it can be tried again.
        """

    def give_up(self, connection: sa.Connection, job: Job, reason: str) -> None:
        """Leave what the job was about in order, in the transaction that gives the job up."""


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do between jobs, again and again: whenever the queue is looked at, or after `every_seconds` at most.

    One that fails is tried again after a while and stops neither the others nor the jobs. `name` is for the log.
    """

    name: str
    do: Callable[[], None]
    every_seconds: int = 0


def _nothing_wrong() -> None:
    """Let everything be done."""


def _what(job: Job) -> str:
    """Return what a job is about, for the log."""
    if job.bin_id or job.delivery_id:
        return str(job.bin_id or job.delivery_id)
    return f"batch {job.batch_id}" if job.batch_id else f"correction {job.correction_id}"


class Worker:
    """Runs jobs in this process.

    Args:
        queue: the queue as this worker sees it, which the handlers were made with.
        handlers: what each kind of job does; jobs of other kinds are left to other workers.
        chores: what is done between jobs, in this order.
        guard: raises while nothing at all may be done, because catalogue, staging and store are not of one age.
    """

    def __init__(
        self,
        database: Database,
        queue: Queue,
        handlers: Mapping[JobKind, Handler],
        chores: Sequence[Chore] = (),
        guard: Callable[[], None] = _nothing_wrong,
    ) -> None:
        self._database = database
        self._queue = queue
        self._handlers = handlers
        self._chores = chores
        self._guard = guard
        self._due = [0.0 for _ in chores]
        self._problems: dict[str, str] = {}
        self._on_turn: Callable[[], None] = lambda: None

    def run(self, stop: threading.Event, on_turn: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` is set. A catalogue that does not answer is waited for.

        Args:
            stop: set, it ends a running job at its next file.
            on_turn: called whenever the queue was looked at and between a job's files.
        """
        self._on_turn = on_turn
        while not stop.is_set():
            on_turn()
            busy = False
            with self._contained("the worker waits"):
                self._guard()
                self.do_chores()
                busy = self.run_one(stop)
            if not busy:
                stop.wait(_POLL_SECONDS)

    def do_chores(self) -> None:
        """Do the chores that are due, each for itself: one that fails is due again after a pause."""
        for number, chore in enumerate(self._chores):
            if time.monotonic() >= self._due[number]:
                self._due[number] = time.monotonic() + max(chore.every_seconds, _FAILED_PAUSE_SECONDS)
                with self._contained(f"{chore.name} failed"):
                    chore.do()
                    self._due[number] = time.monotonic() + chore.every_seconds

    @contextmanager
    def _contained(self, what: str) -> Iterator[None]:
        """Log an error and go on; the same error once, however often it comes back."""
        try:
            yield
        except ArchimedError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - a fault of the program in one step must not stop all others
            problem = f"a fault of the program ({place_of(error)})"
        else:
            if self._problems.pop(what, None) is not None:
                _log.info("%s no more", what)
            return
        if self._problems.get(what) != problem:
            self._problems[what] = problem
            _log.error("%s: %s", what, problem)

    def run_one(
        self,
        stop: threading.Event,
        batch_id: int | None = None,
        correction_id: int | None = None,
        bin_id: int | None = None,
        delivery_id: int | None = None,
    ) -> bool:
        """Run one job if there is one that may run now; return whether there was.

        Args:
            stop: set, it ends the job at its next file; it goes on another time.
            batch_id: a job of this batch only.
            correction_id: the job of this correction only.
            bin_id: a job of this entry of the bin only.
            delivery_id: the job of this delivery only.

        Raises:
            ArchimedError: no job may run now, or none could be claimed.
        """
        self._guard()
        job = self._queue.claim(batch_id, correction_id, bin_id, delivery_id, tuple(self._handlers))
        if job is None:
            return False
        ended = threading.Event()
        keeper = threading.Thread(target=self._keep_lease, args=(job, ended), name="lease", daemon=True)
        keeper.start()
        try:
            self._run(job, stop)
        finally:
            ended.set()
            keeper.join()
        return True

    def _run(self, job: Job, stop: threading.Event) -> None:
        def between_files() -> None:
            self._on_turn()
            if stop.is_set():
                raise _StoppedError

        where = f"job {job.id} ({job.kind} {_what(job)})"
        if job.deaths >= MOST_DEATHS:
            reason = f"it ended the program {job.deaths} times; look at the log, then `archimed job retry {job.id}`"
            self._failed(job, where, reason, again=False)
            return
        try:
            self._handlers[job.kind].run(job, between_files)
        except _StoppedError:
            self._queue.release(job)
        except Conflict:
            _log.warning("%s was taken over by another worker", where)
        except (OutOfSpace, Unavailable) as error:
            _log.warning("%s waits: %s", where, error)
            self._queue.wait(job, str(error), error.seconds if isinstance(error, Away) else _WAIT_SECONDS)
        except ArchimedError as error:
            # What cannot be used or is gone stays so however often it is tried.
            self._failed(job, where, str(error), again=not isinstance(error, Invalid | Damaged))
        except Exception as error:  # noqa: BLE001 - a fault of the program must not end the worker, nor lose the batch
            self._failed(job, where, f"a fault of the program ({place_of(error)})")
        else:
            _log.info("%s done", where)

    def _failed(self, job: Job, where: str, reason: str, *, again: bool = True) -> None:
        if again and job.attempts < _MOST_ATTEMPTS:
            _log.warning("%s failed, will be tried again: %s", where, reason)
            self._queue.retry_later(job, reason)
            return
        _log.error("%s failed for good: %s", where, reason)
        with self._database.write() as connection:
            self._queue.give_up(connection, job, reason)
            self._handlers[job.kind].give_up(connection, job, reason)

    def cancel(self, number: int, reason: str) -> None:
        """Give up a job that waits or runs; what it was about is left in order, as when it fails for good.

        Raises:
            Conflict: it is done or failed already.
        """
        with self._database.write() as connection:
            job = self._queue.take(connection, number)
            self._queue.give_up(connection, job, reason)
            # Who may give up a job need not be one who runs it: those that call peers leave nothing in disorder.
            if job.kind in self._handlers:
                self._handlers[job.kind].give_up(connection, job, reason)

    def _keep_lease(self, job: Job, ended: threading.Event) -> None:
        while not ended.wait(LEASE_SECONDS / 4):
            try:
                self._queue.renew(job)
            except Unavailable:
                _log.warning("job %d: the lease could not be renewed", job.id)
        self._database.drop_reader()
