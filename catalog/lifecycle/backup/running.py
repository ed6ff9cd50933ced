"""Which backups ran, and whether one runs now: while it does, nothing is purged, for its snapshot names what is there.

May live here: the rows of backups. Not: what is copied.
"""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.audit import Actor, record
from catalog.database import Database
from catalog.database.tables import backups, bin_entries, jobs
from catalog.pure.bin import State
from catalog.pure.errors import ArchimedError
from catalog.pure.jobs import JobState

_BEAT_SECONDS = 30
_DEAD_SECONDS = 600
_LOOK_SECONDS = 0.2


def is_running(database: Database) -> bool:
    """Whether a backup runs: ask before anything is deleted that a catalogue may name.

    One that was killed counts for ten minutes, and no longer.

    Raises:
        Unavailable: the catalogue does not answer.
    """
    now = clock.now()
    seen = sa.and_(backups.c.beat > now - _DEAD_SECONDS, backups.c.beat < now + _DEAD_SECONDS)
    return database.row(sa.select(backups.c.id).where(backups.c.ended.is_(None), seen).limit(1)) is not None


def newest(database: Database) -> int | None:
    """Return when the newest complete backup began; None if there is none.

    Raises:
        Unavailable: the catalogue does not answer.
    """
    row = database.row(sa.select(sa.func.max(backups.c.began)).where(backups.c.ended.is_not(None)))
    return row[0] if row is not None else None


@dataclass(frozen=True, slots=True)
class Copied:
    """What a backup copied: a number of objects, their bytes, and how many could not be copied."""

    objects: int
    bytes: int
    damaged: int


class Running:
    """One backup that runs: says so until `finish` or `break_off`, from a thread of its own, however long one step takes.

    Args:
        database: the catalogue.

    Raises:
        Unavailable, OutOfSpace: the catalogue refused.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.began = clock.now()
        values = {"began": self.began, "beat": self.began, "ended": None, "objects": 0, "bytes": 0, "damaged": 0}
        with database.write() as connection:
            # Of those that were broken off nobody needs to know.
            connection.execute(backups.delete().where(backups.c.ended.is_(None), backups.c.beat < self.began - _DEAD_SECONDS))
            self._row = connection.execute(backups.insert().values(values).returning(backups.c.id)).scalar_one()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._live, name="backup", daemon=True)
        self._thread.start()

    def wait_for_purges(self) -> None:
        """Wait until no purge deletes any more: those that come later see this backup, and wait for it.

        A purge is running before it looks for backups, and a backup before it looks for purges: one of the two sees the other.

        Raises:
            Unavailable: the catalogue does not answer.
        """
        purges = (
            sa.select(jobs.c.id)
            .join(bin_entries, bin_entries.c.id == jobs.c.bin_id)
            .where(jobs.c.state == JobState.RUNNING, bin_entries.c.state == State.PURGING)
            .limit(1)
        )
        while self._database.row(purges.where(jobs.c.lease > clock.now())) is not None:
            time.sleep(_LOOK_SECONDS)

    def beat(self) -> None:
        """Say that it is at work.

        Raises:
            Unavailable, OutOfSpace: the catalogue refused.
        """
        with self._database.write() as connection:
            connection.execute(backups.update().where(backups.c.id == self._row).values(beat=clock.now()))

    def finish(self, actor: Actor, copied: Copied) -> None:
        """Say that it is complete.

        Raises:
            Unavailable, OutOfSpace: the catalogue refused.
        """
        self._stop()
        counted = {"objects": copied.objects, "bytes": copied.bytes, "damaged": copied.damaged}
        with self._database.write() as connection:
            connection.execute(backups.update().where(backups.c.id == self._row).values(ended=clock.now(), **counted))
            record(connection, actor=actor.name, acting_as=actor.acting_as, action="backup.create", detail=counted)

    def break_off(self) -> None:
        """Forget it: what it copied stays, and the next one goes on from there."""
        self._stop()
        with self._database.write() as connection:
            connection.execute(backups.delete().where(backups.c.id == self._row))

    def _live(self) -> None:
        while not self._end.wait(_BEAT_SECONDS):
            with suppress(ArchimedError):  # the backup itself finds out when the catalogue is away
                self.beat()

    def _stop(self) -> None:
        self._end.set()
        self._thread.join()
