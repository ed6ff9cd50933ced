"""What goes by itself: entries whose time is over, unless something keeps them; and purges that were given up, tried again."""

import sqlalchemy as sa

from catalog import clock
from catalog.audit import Actor
from catalog.database import Database
from catalog.database.tables import bin_entries, jobs
from catalog.jobs import JobKind, enqueue
from catalog.jobs.queue import MOST_DEATHS
from catalog.lifecycle.bin.requests import Bin, KeepFor
from catalog.lifecycle.retention import watch_clock
from catalog.pure.bin import State
from catalog.pure.errors import Conflict, Refused
from catalog.pure.jobs import JobState

_MOST_AT_ONCE = 100
_WORKER = Actor("worker")
_REASON = "its time in the bin is over"


class Expiry:
    """Empties the bin by the clock; to be called again and again, which also keeps watch of the clock.

    Args:
        database: the catalogue.
        keep: how long what is kept.
    """

    def __init__(self, database: Database, keep: KeepFor) -> None:
        self._database = database
        self._bin = Bin(database, _WORKER, None, keep)

    def expire(self) -> None:
        """Ask that what is over is purged."""
        if watch_clock(self._database):
            return
        self._go_on()
        due = sa.select(bin_entries.c.id).where(bin_entries.c.state == State.BINNED, bin_entries.c.expires <= clock.now())
        for row in self._database.rows(due.order_by(bin_entries.c.expires, bin_entries.c.id)):
            try:
                self._bin.purge(row.id, _REASON)
            except (Refused, Conflict):
                continue  # it is kept, and the list says why; or somebody was first

    def _go_on(self) -> None:
        """Queue again what was begun to be purged and given up."""
        is_over = sa.and_(jobs.c.state.in_((JobState.DONE, JobState.FAILED)), jobs.c.deaths < MOST_DEATHS)
        waits = sa.exists().where(jobs.c.bin_id == bin_entries.c.id, ~is_over)
        begun = sa.select(bin_entries.c.id, bin_entries.c.study_id).where(bin_entries.c.state == State.PURGING, ~waits)
        if rows := self._database.rows(begun.limit(_MOST_AT_ONCE)):
            with self._database.write() as connection:
                for row in rows:
                    enqueue(connection, JobKind.BIN, study_id=row.study_id, bin_id=row.id)


def expiring(database: Database, days: int) -> list[int]:
    """Return the entries whose time in the bin is over within so many days."""
    soon = clock.now() + days * 86400
    due = sa.select(bin_entries.c.id).where(bin_entries.c.state == State.BINNED, bin_entries.c.expires <= soon)
    return [row.id for row in database.rows(due.order_by(bin_entries.c.id))]
