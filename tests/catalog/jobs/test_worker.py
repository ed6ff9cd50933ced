"""One failing thing fails alone: a job that kills its worker, a full disk, a chore that raises, a clock that jumped."""

import itertools
import logging
import threading
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import jobs
from catalog.jobs import Chore, Job, JobKind, Queue, Stop, Worker, enqueue, list_jobs, requeue, requeue_failed, worker_name
from catalog.jobs.queue import MOST_DEATHS
from catalog.pure.errors import Conflict, Damaged, OutOfSpace, Unavailable
from catalog.pure.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Callable


_NUMBERS = itertools.count()


class Work:
    """A handler that does as it is told, and remembers what was given up."""

    def __init__(self, queue: Queue, database: Database) -> None:
        self.queue, self.database = queue, database
        self.do: Callable[[Job], None] = lambda _: None
        self.given_up: list[str] = []

    def run(self, job: Job, stop: Stop) -> None:
        stop()
        self.do(job)
        with self.database.write() as connection:
            self.queue.finish(connection, job)

    def give_up(self, connection: sa.Connection, job: Job, reason: str) -> None:
        self.given_up.append(reason)


class Shop:
    """A queue with one worker."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.queue = Queue(database, worker_name())
        self.work = Work(self.queue, database)
        self.worker = Worker(database, self.queue, dict.fromkeys(JobKind, self.work))

    def put(self, kind: JobKind = JobKind.CHECK) -> int:
        with self.database.write() as connection:
            return enqueue(connection, kind)

    def run(self) -> bool:
        return self.worker.run_one(threading.Event())

    def now(self) -> None:
        """Let no pause be waited for."""
        with self.database.write() as connection:
            connection.execute(jobs.update().values(not_before=0))

    def state(self, number: int) -> tuple[JobState, int, str]:
        (info,) = [info for info in list_jobs(self.database) if info.id == number]
        return info.state, info.attempts, info.error


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


def die_with(shop: Shop, number: int) -> None:
    """Let a worker of this machine claim the job and be gone."""
    job = gone_worker(shop).claim()
    assert job is not None
    assert job.id == number


def gone_worker(shop: Shop) -> Queue:
    """Return the queue as a process of this machine sees it that is no more."""
    return Queue(shop.database, f"{worker_name().rpartition(':')[0]}:gone{next(_NUMBERS)}")


def test_a_job_that_kills_its_worker_is_set_aside_and_the_next_runs(shop: Shop) -> None:
    killer, other = shop.put(), shop.put()
    for _ in range(MOST_DEATHS):
        die_with(shop, killer)
    assert shop.run()
    assert shop.state(killer)[0] is JobState.FAILED
    assert shop.work.given_up == [f"it ended the program 3 times; look at the log, then `archimed job retry {killer}`"]
    assert shop.run()
    assert shop.state(other)[0] is JobState.DONE
    requeue_failed(shop.database, (JobKind.CHECK,), 0)
    assert not shop.run(), "it is not tried again by itself"
    with shop.database.write() as connection:
        assert requeue(connection, jobs.c.id == killer) == 1
    assert shop.run()
    assert shop.state(killer)[0] is JobState.DONE


def test_coming_further_each_time_is_no_dying(shop: Shop) -> None:
    number = shop.put()
    for done in range(1, 2 * MOST_DEATHS):
        gone = gone_worker(shop)
        job = gone.claim()
        assert job is not None
        with shop.database.write() as connection:
            gone.progress(connection, job, done)
    assert shop.run()
    assert shop.state(number)[0] is JobState.DONE


@pytest.mark.parametrize("error", [OutOfSpace("the disk is full"), Unavailable("the disk does not answer")])
def test_what_is_away_is_waited_for_however_long(shop: Shop, error: Exception) -> None:
    number = shop.put()

    def fail(_: Job) -> None:
        raise error

    shop.work.do = fail
    for _ in range(20):
        assert shop.run()
        shop.now()
    assert shop.state(number) == (JobState.QUEUED, 0, str(error))
    shop.work.do = lambda _: None
    assert shop.run()
    assert (shop.state(number)[0], shop.work.given_up) == (JobState.DONE, [])


def test_what_is_gone_is_given_up_at_once_and_tried_again_much_later(shop: Shop) -> None:
    number = shop.put()

    def fail(_: Job) -> None:
        raise Damaged("the folder is gone")

    shop.work.do = fail
    assert shop.run()
    assert (shop.state(number)[0], shop.work.given_up) == (JobState.FAILED, ["the folder is gone"])
    requeue_failed(shop.database, (JobKind.CHECK,), 3600)
    assert shop.state(number)[0] is JobState.FAILED
    requeue_failed(shop.database, (JobKind.ERASE,), 0)
    assert shop.state(number)[0] is JobState.FAILED
    requeue_failed(shop.database, (JobKind.CHECK,), 0)
    assert shop.state(number)[0] is JobState.QUEUED


@pytest.mark.parametrize("held", [False, True])
def test_times_that_a_wrong_clock_wrote_are_not_waited_for(shop: Shop, monkeypatch: pytest.MonkeyPatch, *, held: bool) -> None:
    number = shop.put()
    now = clock.now()
    with monkeypatch.context() as ahead:
        ahead.setattr(clock, "now", lambda: now + 10 * 365 * 86400)
        elsewhere = Queue(shop.database, "another:1:1")
        job = elsewhere.claim()
        assert job is not None
        if not held:
            elsewhere.retry_later(job, "failed")
    assert shop.run()
    assert shop.state(number)[0] is JobState.DONE


def test_a_lease_of_another_machine_is_honoured(shop: Shop) -> None:
    """Two containers may share host name and process numbers."""
    shop.put()
    machine, pid, started = worker_name().rsplit(":", 2)
    assert Queue(shop.database, f"{machine[::-1]}x:{pid}:{started}0").claim() is not None
    assert not shop.run()


def test_a_job_is_cancelled_while_another_worker_runs_it(shop: Shop) -> None:
    number = shop.put()
    elsewhere = Queue(shop.database, "another:1:1")
    job = elsewhere.claim()
    assert job is not None
    shop.worker.cancel(number, "not wanted")
    assert (shop.state(number)[0], shop.work.given_up) == (JobState.FAILED, ["not wanted"])
    with pytest.raises(Conflict), shop.database.write() as connection:
        elsewhere.finish(connection, job)
    with pytest.raises(Conflict, match="does not wait"):
        shop.worker.cancel(number, "again")


def test_a_chore_that_fails_stops_neither_the_others_nor_the_jobs(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    def fail() -> None:
        done.append("failed")
        raise KeyError("Doe^Jane")

    stop = threading.Event()

    def last() -> None:
        done.append("last")
        if len(done) > 4:
            stop.set()

    queue = Queue(database, worker_name())
    work = Work(queue, database)
    chores = [Chore("the first", fail), Chore("the last", last)]
    with database.write() as connection:
        number = enqueue(connection, JobKind.ERASE)
    with caplog.at_level(logging.ERROR):
        Worker(database, queue, dict.fromkeys(JobKind, work), chores).run(stop)
    assert [info.state for info in list_jobs(database) if info.id == number] == [JobState.DONE]
    (record,) = [record for record in caplog.records if "the first failed" in record.getMessage()]
    assert "Doe" not in record.getMessage()


def test_nothing_runs_while_the_guard_raises(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    stop, asked = threading.Event(), []

    def guard() -> None:
        asked.append(1)
        if len(asked) > 2:
            stop.set()
        raise Unavailable("the catalogue is older than the store")

    queue = Queue(database, worker_name())
    work = Work(queue, database)
    with database.write() as connection:
        enqueue(connection, JobKind.ERASE)
    done: list[int] = []
    worker = Worker(database, queue, dict.fromkeys(JobKind, work), [Chore("x", lambda: done.append(1))], guard)
    with caplog.at_level(logging.ERROR):
        worker.run(stop)
    assert ([info.state for info in list_jobs(database)], done) == ([JobState.QUEUED], [])
    assert len([record for record in caplog.records if "older than the store" in record.getMessage()]) == 1
