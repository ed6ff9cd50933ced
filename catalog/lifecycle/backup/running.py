"""Which backups ran, and whether one runs now: while it does, nothing is purged, for its snapshot names what is there.

May live here: the rows of backups. Not: what is copied.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.audit import Actor, record
from catalog.database import Database
from catalog.database.tables import backups

_BEAT_SECONDS = 30
_DEAD_SECONDS = 600


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
    """One backup that runs. Used by one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.began = self._seen = clock.now()
        values = {"began": self.began, "beat": self.began, "ended": None, "objects": 0, "bytes": 0, "damaged": 0}
        with database.write() as connection:
            # Of those that were broken off nobody needs to know.
            connection.execute(backups.delete().where(backups.c.ended.is_(None), backups.c.beat < self.began - _DEAD_SECONDS))
            self._row = connection.execute(backups.insert().values(values).returning(backups.c.id)).scalar_one()

    def beat(self) -> None:
        """Say that it is at work; may be called as often as one likes.

        Raises:
            Unavailable, OutOfSpace: the catalogue refused.
        """
        now = clock.now()
        if abs(now - self._seen) < _BEAT_SECONDS:
            return
        with self._database.write() as connection:
            connection.execute(backups.update().where(backups.c.id == self._row).values(beat=now))
        self._seen = now

    def finish(self, actor: Actor, copied: Copied) -> None:
        """Say that it is complete.

        Raises:
            Unavailable, OutOfSpace: the catalogue refused.
        """
        counted = {"objects": copied.objects, "bytes": copied.bytes, "damaged": copied.damaged}
        with self._database.write() as connection:
            connection.execute(backups.update().where(backups.c.id == self._row).values(ended=clock.now(), **counted))
            record(connection, actor=actor.name, acting_as=actor.acting_as, action="backup.create", detail=counted)

    def break_off(self) -> None:
        """Forget it: what it copied stays, and the next one goes on from there."""
        with self._database.write() as connection:
            connection.execute(backups.delete().where(backups.c.id == self._row))
