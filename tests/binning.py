"""The bin in few words, for tests of what reads: asks and works in one."""

import sqlalchemy as sa

from catalog.audit import Actor
from catalog.database.tables import jobs
from catalog.jobs import Queue, worker_name
from catalog.lifecycle.bin import Bin, BinJob, Entry, KeepFor
from tests.builders import BuiltArchive

WHY = "a test"


class Binning:
    """The bin of an archive as the machine itself uses it."""

    def __init__(self, built: BuiltArchive) -> None:
        self._database = built.database
        self._queue = Queue(built.database, worker_name())
        self._job = BinJob(built.database, built.store, self._queue)
        self.bin = Bin(built.database, Actor("root"), None, KeepFor(withdraw=36500))

    def put(self, path: str) -> Entry:
        """Put something into the bin."""
        (entry,) = self.bin.put([path], WHY)
        return self._worked(entry)

    def restore(self, number: int) -> Entry:
        """Bring an entry back."""
        return self._worked(self.bin.restore(number))

    def purge(self, number: int) -> Entry:
        """Purge an entry."""
        return self._worked(self.bin.purge(number, WHY))

    def withdraw(self, batch: int) -> list[Entry]:
        """Put all that a batch brought into the bin."""
        return [self._worked(entry) for entry in self.bin.put_batch(batch, WHY)]

    def work(self, number: int) -> Entry:
        """Do what somebody asked of an entry."""
        return self._worked(self.bin.info(number))

    def _worked(self, entry: Entry) -> Entry:
        job = self._queue.claim(bin_id=entry.id)
        assert job is not None
        self._job.run(job, lambda: None)
        assert self._database.row(sa.select(jobs.c.id).where(jobs.c.state == "running")) is None
        return self.bin.info(entry.id)
