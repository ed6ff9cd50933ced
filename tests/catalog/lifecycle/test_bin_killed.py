"""kill -9 of the worker while it puts into the bin, restores and purges: done, undone or resumed, nothing by halves."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

from catalog import clock
from catalog.database.tables import files, jobs
from catalog.lifecycle.verify import Verifier, findings
from catalog.pure.bin import State
from tests.binning import WHY, Binning
from tests.builders import BuiltArchive

_WORKER = """
import sys, threading
from catalog.database import Database
from catalog.jobs import JobKind, Queue, Worker, worker_name
from catalog.lifecycle.bin import BinJob
from catalog.store.local import LocalStore
from pathlib import Path
database = Database(sys.argv[1])
queue = Queue(database, worker_name())
worker = Worker(database, queue, {JobKind.BIN: BinJob(database, LocalStore(Path(sys.argv[2])), queue)})
print("begun", flush=True)
while worker.run_one(threading.Event()):
    pass
"""
_COUNT = 1500
_SERIES = "S/E1/001_RAW"


class Kept:
    """An archive whose worker is killed again and again."""

    def __init__(self, built: BuiltArchive) -> None:
        self.built = built
        self.bin = Binning(built).bin
        self.kills = 0
        built.study("S")
        built.user("ada")
        built.grant("ada", "S")
        built.add_series(_SERIES, {f"{number:05d}.raw": b"%d" % number for number in range(_COUNT)})
        built.add_series("S/E2/001_RAW", {"00001.raw": b"other"})

    def shown(self) -> int:
        row = self.built.database.row(sa.select(sa.func.count()).select_from(files))
        return int(row[0]) if row is not None else 0

    def work(self, number: int) -> State:
        """Let workers do what was asked for, and kill each after a while, later each time."""
        longest = 0.02
        while self.bin.info(number).state.is_under_way:
            store = self.built.folder / "var/store"
            url = self.built.database.url.render_as_string(hide_password=False)
            with subprocess.Popen(
                [sys.executable, "-c", _WORKER, url, store], cwd=Path(__file__).parents[3], stdout=subprocess.PIPE
            ) as worker:
                assert worker.stdout is not None
                worker.stdout.readline()
                try:
                    # The moment of death is what the test is about, so it is drawn, not waited for.
                    worker.wait(timeout=random.uniform(0.0, longest))
                except subprocess.TimeoutExpired:
                    worker.send_signal(signal.SIGKILL)
                    self.kills, longest = self.kills + 1, longest * 1.8
            assert self.shown() in (1, 1 + _COUNT), "all or nothing"
            with self.built.database.write() as connection:
                connection.execute(jobs.update().values(not_before=0, deaths=0))
        return self.bin.info(number).state


def test_killed_in_a_loop_nothing_is_by_halves(built_anywhere: BuiltArchive) -> None:
    random.seed(4711)
    kept = Kept(built_anywhere)
    (entry,) = kept.bin.put([_SERIES], WHY)
    assert kept.work(entry.id) is State.BINNED
    kept.bin.restore(entry.id)
    assert kept.work(entry.id) is State.RESTORED
    assert kept.shown() == 1 + _COUNT
    (entry,) = kept.bin.put([_SERIES], WHY)
    kept.work(entry.id)
    kept.bin.purge(entry.id, WHY)
    assert kept.work(entry.id) is State.PURGED
    assert kept.kills > 4
    Verifier(kept.built.database, kept.built.store, round_began=clock.now()).verify("S", lambda _: None)
    assert findings(kept.built.database) == []
    assert len(kept.built.store.list("S", limit=10)) == 1, "the bytes are gone"
