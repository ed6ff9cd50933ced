"""The queue: jobs put in by the transaction that wants them, taken by one worker at a time, taken over when it dies.

May live here: queueing, claiming, leases. Not: what a job does.
"""

import functools
import hashlib
import os
import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database, Row
from catalog.database.tables import jobs, studies
from catalog.pure.errors import Conflict, NotFound
from catalog.pure.jobs import JobEvent, JobState, after, before

LEASE_SECONDS = 60
MOST_DEATHS = 3
"""A job whose worker died so often with it, without coming further, is not begun again."""
_LONGEST_PAUSE = 3600
_LONGEST_RETRY = 600

Stop = Callable[[], None]
"""Called between the steps of a job; raises when the job should be given back."""


class JobKind(StrEnum):
    """What a job does: with a batch, or with what is archived."""

    CHECK = "check"
    PUBLISH = "publish"
    ERASE = "erase"
    CORRECT = "correct"
    BIN = "bin"
    SEND = "send"
    COMMIT = "commit"


@dataclass(frozen=True, slots=True)
class Job:
    """A job that this worker holds. Of the numbers of what it may be about, those are 0 that it is not about."""

    id: int
    kind: JobKind
    batch_id: int
    study_id: int | None
    attempts: int
    correction_id: int = 0
    deaths: int = 0
    bin_id: int = 0
    delivery_id: int = 0


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job as a list shows it; columns as `catalog.database.tables.jobs` describes them, `study` a code, '' if none."""

    id: int
    kind: JobKind
    state: JobState
    batch: int | None
    correction: int | None
    bin: int | None
    delivery: int | None
    study: str
    attempts: int
    done: int
    error: str
    created: int
    not_before: int
    ended: int | None


def enqueue(
    connection: sa.Connection,
    kind: JobKind,
    batch_id: int | None = None,
    study_id: int | None = None,
    correction_id: int | None = None,
    bin_id: int | None = None,
    delivery_id: int | None = None,
    peer: str | None = None,
) -> int:
    """Queue a job in the caller's transaction and return its number. `peer`: whom it calls, one job at a time."""
    values = {
        "kind": kind, "batch_id": batch_id, "correction_id": correction_id, "bin_id": bin_id, "study_id": study_id,
        "delivery_id": delivery_id, "peer": peer,
        "state": JobState.QUEUED, "attempts": 0, "deaths": 0, "not_before": 0, "lease": 0, "worker": "", "done": 0,
        "error": "", "created": clock.now(),
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
    due = _is_due(jobs, clock.now())
    row = database.row(sa.select(sa.func.count(), sa.func.min(jobs.c.created)).where(due))
    return (row[0], row[1]) if row is not None else (0, None)


def list_jobs(
    database: Database, states: Collection[JobState] = (), limit: int | None = None, *, after: int | None = None
) -> list[JobInfo]:
    """Return jobs in the order in which they were queued, those in some states or in any.

    They are the newest `limit`, or the oldest of those with a larger number than `after`.
    """
    statement = _INFO.limit(limit)
    if states:
        statement = statement.where(jobs.c.state.in_(states))
    if after is not None:
        return [_info(row) for row in database.rows(statement.where(jobs.c.id > after).order_by(jobs.c.id))]
    return [_info(row) for row in reversed(database.rows(statement.order_by(jobs.c.id.desc())))]


def show_job(database: Database, number: int) -> JobInfo:
    """Return one job.

    Raises:
        NotFound: there is none of that number.
    """
    row = database.row(_INFO.where(jobs.c.id == number))
    if row is None:
        raise NotFound(f"there is no job {number}; see `archimed job list --all`")
    return _info(row)


def requeue(connection: sa.Connection, which: sa.ColumnElement[bool]) -> int:
    """Let failed jobs run again, and those that wait for their next attempt run now; return how many."""
    states = (*before(JobEvent.REQUEUE), JobState.QUEUED)
    values = {
        "state": after(JobEvent.REQUEUE), "attempts": 0, "deaths": 0, "not_before": 0, "ended": None, "lease": 0, "worker": "",
    }  # fmt: skip
    return connection.execute(jobs.update().where(which, jobs.c.state.in_(states)).values(values)).rowcount


def requeue_failed(database: Database, kinds: Collection[JobKind], after_seconds: int) -> None:
    """Let jobs of some kinds run again that failed long ago, unless they ended their workers."""
    which = sa.and_(
        jobs.c.kind.in_(kinds), jobs.c.state == JobState.FAILED, jobs.c.ended <= clock.now() - after_seconds,
        jobs.c.deaths < MOST_DEATHS,
    )  # fmt: skip
    if database.row(sa.select(jobs.c.id).where(which).limit(1)) is not None:
        with database.write() as connection:
            requeue(connection, which)


def worker_name() -> str:
    """Return a name for this process that no other process has or will have on this machine since it booted."""
    return f"{_machine()}:{os.getpid()}:{_started(os.getpid())}"


class Queue:
    """The jobs as one worker sees them.

    Args:
        worker: its name, from `worker_name`.
    """

    def __init__(self, database: Database, worker: str) -> None:
        self._database = database
        self._worker = worker

    def claim(
        self,
        batch_id: int | None = None,
        correction_id: int | None = None,
        bin_id: int | None = None,
        delivery_id: int | None = None,
        kinds: Collection[JobKind] = tuple(JobKind),
    ) -> Job | None:
        """Take the oldest job that may run now; None if there is none.

        Per study one job runs at a time, so that names in an exam are given by one hand; and one for each DICOM peer. A running
        job whose lease ran out, or whose worker on this machine is gone, is taken over.

        Args:
            kinds: take a job of these kinds only.
            delivery_id: take the job of this delivery only.
            batch_id: take a job of this batch only.
            correction_id: take the job of this correction only.
            bin_id: take a job of this entry of the bin only.
        """
        now = clock.now()
        self._release_dead()
        other = jobs.alias()
        same = sa.or_(other.c.study_id == jobs.c.study_id, other.c.peer == jobs.c.peer)
        rival_runs = sa.exists().where(
            same, other.c.state == JobState.RUNNING, ~_is_lost(other, now), other.c.id != jobs.c.id
        )  # fmt: skip
        ready = (
            sa.select(jobs.c.id)
            .where(sa.or_(_is_due(jobs, now), sa.and_(jobs.c.state == JobState.RUNNING, _is_lost(jobs, now))), ~rival_runs)
            .where(jobs.c.kind.in_(kinds))
            .order_by(jobs.c.id)
            .limit(1)
        )
        if batch_id is not None:
            ready = ready.where(jobs.c.batch_id == batch_id)
        if correction_id is not None:
            ready = ready.where(jobs.c.correction_id == correction_id)
        if bin_id is not None:
            ready = ready.where(jobs.c.bin_id == bin_id)
        if delivery_id is not None:
            ready = ready.where(jobs.c.delivery_id == delivery_id)
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
                    state=after(JobEvent.CLAIM), attempts=jobs.c.attempts + 1, worker=self._worker, lease=now + LEASE_SECONDS,
                    deaths=jobs.c.deaths + sa.case((jobs.c.state == JobState.RUNNING, 1), else_=0),
                )
                .returning(*_HELD)
            ).first()  # fmt: skip
        return _held(row) if row is not None else None

    def take(self, connection: sa.Connection, number: int) -> Job:
        """Take one job, whoever holds it, in the caller's transaction; who runs it stops at its next step, without a trace.

        Raises:
            Conflict: it is done or failed already, or was never there.
        """
        row = connection.execute(
            jobs.update()
            .where(jobs.c.id == number, jobs.c.state.in_(before(JobEvent.CLAIM)))
            .values(state=after(JobEvent.CLAIM), worker=self._worker, lease=clock.now() + LEASE_SECONDS)
            .returning(*_HELD)
        ).first()
        if row is None:
            raise Conflict(f"job {number} does not wait and does not run")
        return _held(row)

    def renew(self, job: Job) -> None:
        """Hold the job for another lease."""
        with self._database.write() as connection:
            connection.execute(self._mine(job).values(lease=clock.now() + LEASE_SECONDS))

    def progress(self, connection: sa.Connection, job: Job, done: int) -> None:
        """Note in the caller's transaction how many files are worked through; hold the job for another lease.

        Raises:
            Conflict: another worker took the job over; the caller must stop without a trace.
        """
        deaths = sa.case((jobs.c.done < done, 0), else_=jobs.c.deaths)
        self._change(connection, job, {"done": done, "deaths": deaths, "lease": clock.now() + LEASE_SECONDS})

    def finish(self, connection: sa.Connection, job: Job) -> None:
        """Mark the job done in the caller's transaction.

        Raises:
            Conflict: another worker took the job over; the caller must stop without a trace.
        """
        self._change(connection, job, {"state": after(JobEvent.FINISH), "lease": 0, "error": "", "ended": clock.now()})

    def retry_later(self, job: Job, error: str) -> None:
        """Give the job back; it may run again after a pause that doubles with each attempt."""
        self._give_back(job, error, min(2**job.attempts, _LONGEST_RETRY), {})

    def wait(self, job: Job, error: str, seconds: int) -> None:
        """Give the job back until what it needs is there again: however long that takes, it counts as no attempt."""
        self._give_back(job, error, min(seconds, _LONGEST_PAUSE), {"attempts": jobs.c.attempts - 1})

    def _give_back(self, job: Job, error: str, pause: int, more: Mapping[str, Any]) -> None:
        values = {"state": after(JobEvent.RETRY), "lease": 0, "worker": "", "error": error, "not_before": clock.now() + pause}
        with self._database.write() as connection:
            connection.execute(self._mine(job).values({**values, **more}))

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
                        .values(state=after(JobEvent.RELEASE), lease=0, worker="", deaths=jobs.c.deaths + 1)
                    )


_HELD = (
    jobs.c.id, jobs.c.kind, jobs.c.batch_id, jobs.c.correction_id, jobs.c.bin_id, jobs.c.delivery_id, jobs.c.study_id,
    jobs.c.attempts, jobs.c.deaths,
)  # fmt: skip
_INFO = sa.select(jobs, studies.c.code).select_from(jobs.outerjoin(studies, studies.c.id == jobs.c.study_id))


def _held(row: Row) -> Job:
    batch, correction = row.batch_id or 0, row.correction_id or 0
    return Job(
        row.id,
        JobKind(row.kind),
        batch,
        row.study_id,
        row.attempts,
        correction,
        row.deaths,
        row.bin_id or 0,
        row.delivery_id or 0,
    )


def _info(row: Row) -> JobInfo:
    return JobInfo(
        row.id, JobKind(row.kind), JobState(row.state), row.batch_id, row.correction_id, row.bin_id, row.delivery_id,
        row.code or "", row.attempts, row.done, row.error, row.created, row.not_before, row.ended,
    )  # fmt: skip


def _is_due(table: sa.FromClause, now: int) -> sa.ColumnElement[bool]:
    """Whether a job waits and may run; a time further off than any pause was set by a clock that was wrong."""
    due = sa.or_(table.c.not_before <= now, table.c.not_before > now + _LONGEST_PAUSE)
    return sa.and_(table.c.state == JobState.QUEUED, due)


def _is_lost(table: sa.FromClause, now: int) -> sa.ColumnElement[bool]:
    """Whether a running job's lease ran out; one longer than any lease was set by a clock that was wrong."""
    return sa.or_(table.c.lease <= now, table.c.lease > now + 2 * LEASE_SECONDS)


@functools.cache
def _machine() -> str:
    """Return what is this machine's, or this container's of it, alone: machines may share a host name."""
    ids = [socket.gethostname()]
    with suppress(OSError):
        ids.append(Path("/etc/machine-id").read_text())
    with suppress(OSError):  # a sandbox may hide it
        ids.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.blake2b("|".join(ids).encode(), digest_size=8).hexdigest()


def _started(pid: int) -> str:
    # Field 22 of /proc/PID/stat, counted behind the command name, which may hold blanks and brackets: start time in ticks.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def _is_dead(worker: str) -> bool:
    """Whether a worker is known to be gone: one of another machine or container is not, before its lease has run out."""
    machine, pid, started = worker.rsplit(":", 2)
    if machine != _machine():
        return False
    try:
        return _started(int(pid)) != started
    except (FileNotFoundError, ProcessLookupError):
        return True
