"""The worker: seals what is quiet, runs the jobs of the queue one after the other, clears up. One a process.

May live here: which job runs when, and what becomes of it when it fails. Not: what a job does.
"""

import logging
import threading
from collections.abc import Callable

import sqlalchemy as sa

from catalog import clock
from catalog.corrections.doing import Corrector
from catalog.database import Database
from catalog.database.tables import batches
from catalog.faults import place_of
from catalog.gate.checking import Checker
from catalog.gate.deidentification import Deidentification
from catalog.gate.drops import sealing
from catalog.gate.erasing import Eraser
from catalog.gate.jobs import KIND_OF_EFFECT, LEASE_SECONDS, Job, JobKind, Queue, enqueue, worker_name
from catalog.gate.publishing import Publisher
from catalog.gate.staging import Staging
from catalog.pure.batches import Event, State, transition
from catalog.pure.errors import ArchimedError, Conflict, Invalid, Unavailable
from catalog.store import LocalStore

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_SWEEP_SECONDS = 600
_MOST_ATTEMPTS = 8


class _StoppedError(Exception):
    """The worker is asked to stop: the job goes back into the queue."""


class Worker:
    """Runs jobs in this process.

    Args:
        quiet_seconds: a batch that received nothing for so long is sealed.
        keep_rejected_seconds: so long after its rejection a batch can be restored; then its bytes are erased.
    """

    def __init__(
        self,
        database: Database,
        staging: Staging,
        store: LocalStore,
        deidentification: Deidentification,
        *,
        quiet_seconds: int,
        keep_rejected_seconds: int,
    ) -> None:
        self._database = database
        self._staging = staging
        self._quiet_seconds = quiet_seconds
        self._keep_rejected_seconds = keep_rejected_seconds
        self._on_turn: Callable[[], None] = lambda: None
        self._queue = Queue(database, worker_name())
        self._eraser = Eraser(database, staging, self._queue)
        self._publisher = Publisher(database, staging, store, deidentification, self._queue)
        self._corrector = Corrector(database, store, self._queue)
        self._runners = {
            JobKind.CHECK: Checker(database, staging, self._queue, deidentification).run,
            JobKind.PUBLISH: self._publisher.run,
            JobKind.ERASE: self._eraser.run,
            JobKind.CORRECT: self._corrector.run,
        }

    def run(self, stop: threading.Event, on_turn: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` is set. A catalogue that does not answer is waited for.

        Args:
            stop: set, it ends a running job at its next file.
            on_turn: called whenever the queue was looked at and between a job's files.
        """
        swept = 0
        self._on_turn = on_turn
        while not stop.is_set():
            on_turn()
            try:
                if clock.now() - swept >= _SWEEP_SECONDS:
                    self._eraser.sweep()
                    swept = clock.now()
                self.seal_quiet()
                self.expire_rejected()
                busy = self.run_one(stop)
            except ArchimedError as error:
                _log.warning("worker waits: %s", error)
                busy = False
            if not busy:
                stop.wait(_POLL_SECONDS)

    def seal_quiet(self) -> None:
        """Seal every open batch that has been quiet for long enough."""
        sealing.seal_quiet(self._database, self._staging, self._quiet_seconds)
        quiet = batches.c.last_write <= clock.now() - self._quiet_seconds
        self._all(State.OPEN, Event.SEAL, quiet, batches.c.drop_folder.is_(None))

    def expire_rejected(self) -> None:
        """Erase every batch whose rejection can no longer be taken back."""
        self._all(State.REJECTED, Event.EXPIRE, batches.c.decided <= clock.now() - self._keep_rejected_seconds)

    def _all(self, state: State, event: Event, *which: sa.ColumnElement[bool]) -> None:
        """Let an event happen to all batches in a state of which something is true."""
        now = sa.and_(batches.c.state == state, *which)
        if self._database.row(sa.select(batches.c.id).where(now).limit(1)) is None:
            return
        after, effects = transition(state, event)
        with self._database.write() as connection:
            moved = connection.execute(batches.update().where(now).values(state=after).returning(batches.c.id)).scalars().all()
            for number in moved:
                for effect in effects:
                    enqueue(connection, KIND_OF_EFFECT[effect], number)

    def run_one(self, stop: threading.Event, batch_id: int | None = None, correction_id: int | None = None) -> bool:
        """Run one job if there is one that may run now; return whether there was.

        Args:
            stop: set, it ends the job at its next file; it goes on another time.
            batch_id: a job of this batch only.
            correction_id: the job of this correction only.
        """
        job = self._queue.claim(batch_id, correction_id)
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

        what = f"batch {job.batch_id}" if job.batch_id else f"correction {job.correction_id}"
        where = f"job {job.id} ({job.kind} {what})"
        try:
            self._runners[job.kind](job, between_files)
        except _StoppedError:
            self._queue.release(job)
        except Conflict:
            _log.warning("%s was taken over by another worker", where)
        except ArchimedError as error:
            # A value that cannot be used stays so however often it is tried.
            self._failed(job, where, str(error), again=not isinstance(error, Invalid))
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
            if job.kind is JobKind.PUBLISH:
                self._publisher.give_up(connection, job.batch_id, reason)
            elif job.kind is JobKind.CORRECT:
                self._corrector.give_up(connection, job.correction_id, reason)

    def _keep_lease(self, job: Job, ended: threading.Event) -> None:
        while not ended.wait(LEASE_SECONDS / 4):
            try:
                self._queue.renew(job)
            except Unavailable:
                _log.warning("job %d: the lease could not be renewed", job.id)
        self._database.drop_reader()
