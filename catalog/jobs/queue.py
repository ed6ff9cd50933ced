"""The queue: jobs put in by the transaction that wants them, taken by one worker at a time, taken over when it dies.

May live here: queueing, claiming, leases. Not: what a job does.
"""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import jobs
from catalog.pure.errors import Conflict
from catalog.pure.jobs import JobEvent, JobState, after, before

LEASE_SECONDS = 60
_LONGEST_PAUSE = 600

Stop = Callable[[], None]
"""Called between the steps of a job; raises when the job should be given back."""


class JobKind(StrEnum):
    """What a job does: with a batch, or with what is archived."""

    CHECK = "check"
    PUBLISH = "publish"
    ERASE = "erase"
    CORRECT = "correct"


@dataclass(frozen=True, slots=True)
class Job:
    """A job that this worker holds. `batch_id` is 0 for a correction, `correction_id` for all others."""

    id: int
    kind: JobKind
    batch_id: int
    study_id: int | None
    attempts: int
    correction_id: int = 0


def enqueue(
    connection: sa.Connection,
    kind: JobKind,
    batch_id: int | None = None,
    study_id: int | None = None,
    correction_id: int | None = None,
) -> int:
    """Queue a job in the caller's transaction and return its number."""
    values = {
        "kind": kind, "batch_id": batch_id, "correction_id": correction_id, "study_id": study_id, "state": JobState.QUEUED,
        "attempts": 0, "not_before": 0, "lease": 0, "worker": "", "done": 0, "error": "", "created": clock.now(),
    }  # fmt: skip
    return int(connection.execute(jobs.insert().values(values).returning(jobs.c.id)).scalar_one())


def cancel(connection: sa.Connection, batch_id: int) -> None:
    """End a batch's jobs in the caller's transaction: one that runs stops at its next step, without a trace."""
    connection.execute(
        jobs.update()
        .where(jobs.c.batch_id == batch_id, jobs.c.state.in_(before(JobEvent.CANCEL)))
        .values(state=after(JobEvent.CANCEL), lease=0, ended=clock.now())
    )


def waiting_jobs(database: Database) -> tuple[int, int | None]:
    """Return how many jobs wait that could run now, and when the oldest of them was queued."""
    due = sa.and_(jobs.c.state == JobState.QUEUED, jobs.c.not_before <= clock.now())
    row = database.row(sa.select(sa.func.count(), sa.func.min(jobs.c.created)).where(due))
    return (row[0], row[1]) if row is not None else (0, None)


def worker_name() -> str:
    """Return a name for this process that no other process has or will have on this machine since it booted."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


class Queue:
    """The jobs as one worker sees them.

    Args:
        worker: its name, from `worker_name`.
    """

    def __init__(self, database: Database, worker: str) -> None:
        self._database = database
        self._worker = worker

    def claim(self, batch_id: int | None = None, correction_id: int | None = None) -> Job | None:
        """Take the oldest job that may run now; None if there is none.

        Per study one job runs at a time, so that names in an exam are given by one hand. A running job whose lease ran out, or
        whose worker on this machine is gone, is taken over.

        Args:
            batch_id: take a job of this batch only.
            correction_id: take the job of this correction only.
        """
        now = clock.now()
        self._release_dead()
        other = jobs.alias()
        same_study_runs = sa.exists().where(
            other.c.study_id == jobs.c.study_id, other.c.state == JobState.RUNNING, other.c.lease > now, other.c.id != jobs.c.id
        )
        ready = (
            sa.select(jobs.c.id)
            .where(
                sa.or_(
                    sa.and_(jobs.c.state == JobState.QUEUED, jobs.c.not_before <= now),
                    sa.and_(jobs.c.state == JobState.RUNNING, jobs.c.lease <= now),
                ),
                ~same_study_runs,
            )
            .order_by(jobs.c.id)
            .limit(1)
        )
        if batch_id is not None:
            ready = ready.where(jobs.c.batch_id == batch_id)
        if correction_id is not None:
            ready = ready.where(jobs.c.correction_id == correction_id)
        if self._database.row(ready) is None:
            return None  # the usual answer, without taking the write lock
        with self._database.write() as connection:
            if not self._database.is_sqlite:
                # Two workers must not each see no running job of a study and take one of it each.
                connection.execute(sa.text("lock table jobs in share row exclusive mode"))
            row = connection.execute(
                jobs.update()
                .where(jobs.c.id == ready.scalar_subquery())
                .values(
                    state=after(JobEvent.CLAIM), attempts=jobs.c.attempts + 1, worker=self._worker, lease=now + LEASE_SECONDS
                )
                .returning(jobs.c.id, jobs.c.kind, jobs.c.batch_id, jobs.c.correction_id, jobs.c.study_id, jobs.c.attempts)
            ).first()
        if row is None:
            return None
        return Job(row.id, JobKind(row.kind), row.batch_id or 0, row.study_id, row.attempts, row.correction_id or 0)

    def renew(self, job: Job) -> None:
        """Hold the job for another lease."""
        with self._database.write() as connection:
            connection.execute(self._mine(job).values(lease=clock.now() + LEASE_SECONDS))

    def progress(self, connection: sa.Connection, job: Job, done: int) -> None:
        """Note in the caller's transaction how many files are worked through; hold the job for another lease.

        Raises:
            Conflict: another worker took the job over; the caller must stop without a trace.
        """
        self._change(connection, job, {"done": done, "lease": clock.now() + LEASE_SECONDS})

    def finish(self, connection: sa.Connection, job: Job) -> None:
        """Mark the job done in the caller's transaction.

        Raises:
            Conflict: another worker took the job over; the caller must stop without a trace.
        """
        self._change(connection, job, {"state": after(JobEvent.FINISH), "lease": 0, "error": "", "ended": clock.now()})

    def retry_later(self, job: Job, error: str) -> None:
        """Give the job back; it may run again after a pause that doubles with each attempt."""
        pause = min(2**job.attempts, _LONGEST_PAUSE)
        with self._database.write() as connection:
            connection.execute(
                self._mine(job).values(
                    state=after(JobEvent.RETRY), lease=0, worker="", error=error, not_before=clock.now() + pause
                )
            )

    def give_up(self, connection: sa.Connection, job: Job, error: str) -> None:
        """Mark the job failed for good in the caller's transaction.

        Raises:
            Conflict: another worker took the job over; the caller must stop without a trace.
        """
        self._change(connection, job, {"state": after(JobEvent.GIVE_UP), "lease": 0, "error": error, "ended": clock.now()})

    def release(self, job: Job) -> None:
        """Give the job back at once, as if it had not been begun."""
        with self._database.write() as connection:
            connection.execute(
                self._mine(job).values(state=after(JobEvent.RELEASE), lease=0, worker="", attempts=jobs.c.attempts - 1)
            )

    def _change(self, connection: sa.Connection, job: Job, values: dict[str, object]) -> None:
        if connection.execute(self._mine(job).values(values)).rowcount != 1:
            raise Conflict("another worker took this job over")

    def _mine(self, job: Job) -> sa.Update:
        return jobs.update().where(jobs.c.id == job.id, jobs.c.worker == self._worker, jobs.c.state == JobState.RUNNING)

    def _release_dead(self) -> None:
        """Give back the jobs of workers of this machine that are no more, without waiting for their lease."""
        running = self._database.rows(sa.select(jobs.c.id, jobs.c.worker).where(jobs.c.state == JobState.RUNNING))
        dead = [row for row in running if row.worker != self._worker and _is_dead(row.worker)]
        if dead:
            with self._database.write() as connection:
                for row in dead:
                    connection.execute(
                        jobs.update()
                        .where(jobs.c.id == row.id, jobs.c.worker == row.worker, jobs.c.state == JobState.RUNNING)
                        .values(state=after(JobEvent.RELEASE), lease=0, worker="")
                    )


def _started(pid: int) -> str:
    # Field 22 of /proc/PID/stat, counted behind the command name, which may hold blanks and brackets: start time in ticks.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def _is_dead(worker: str) -> bool:
    host, pid, started = worker.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        return _started(int(pid)) != started
    except (FileNotFoundError, ProcessLookupError):
        return True
