"""How much every user has in staging: counted as it is written, in the catalogue a second later, held against quotas.

What a process that died had not written yet is put right when the batch is sealed and counted. May live here: sums, limits.
"""

import logging
import threading
import time
from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import batches
from catalog.pure.batches import State
from catalog.pure.drops import SHOWN
from catalog.pure.errors import ArchimedError, OutOfSpace

_log = logging.getLogger(__name__)

_WRITE_SECONDS = 1.0

_ADD = (
    batches.update()
    .where(batches.c.id == sa.bindparam("batch"), batches.c.state == State.OPEN)
    .values(
        files=batches.c.files + sa.bindparam("count"),
        bytes=batches.c.bytes + sa.bindparam("size", type_=sa.BigInteger),
        last_write=sa.bindparam("now", type_=sa.BigInteger),
    )
)
_SUM = sa.select(sa.func.coalesce(sa.func.sum(batches.c.bytes), 0)).where(batches.c.state.in_(SHOWN))
_SUM_OF_USER = _SUM.where(batches.c.uploader_id == sa.bindparam("user", type_=sa.BigInteger))


@dataclass(frozen=True, slots=True)
class Limits:
    """The most bytes that may wait at the gate; None: as much as the disk takes."""

    per_user: int | None = None
    total: int | None = None


@dataclass(slots=True)
class _Unwritten:
    user: int
    files: int = 0
    bytes: int = 0


class Quota:
    """The sums of one process. Safe to share between threads; a thread of its own writes them to the catalogue."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits
        self._changed = threading.Condition()
        self._unwritten: dict[int, _Unwritten] = {}
        self._known: dict[int | None, tuple[float, int]] = {}
        self._writer: threading.Thread | None = None
        self._is_closed = False

    def grow(self, user: int, batch: int, size: int, files: int = 0) -> None:
        """Count bytes and files that are about to be written; negative ones are given back.

        Raises:
            OutOfSpace: a quota would be passed; nothing was counted.
        """
        if size > 0:
            left = self.left(user)
            if left is not None and size > left:
                raise OutOfSpace(
                    "the quota of the staging folder is used up; what is there is safe. Remove files, or wait until batches "
                    "are decided"
                )
        with self._changed:
            unwritten = self._unwritten.setdefault(batch, _Unwritten(user))
            unwritten.files += files
            unwritten.bytes += size
            if self._writer is None and not self._is_closed:
                self._writer = threading.Thread(target=self._write, name="staging-sums", daemon=True)
                self._writer.start()

    def left(self, user: int | None) -> int | None:
        """Return how many bytes the user may still bring, a scanner if `user` is None; None for as many as the disk takes."""
        lefts = []
        if self._limits.per_user is not None and user is not None:
            lefts.append(self._limits.per_user - self._sum(user))
        if self._limits.total is not None:
            lefts.append(self._limits.total - self._sum(None))
        return max(min(lefts), 0) if lefts else None

    def limit(self) -> int | None:
        """Return the most bytes that one user can have; None for as many as the disk takes."""
        limits = [limit for limit in (self._limits.per_user, self._limits.total) if limit is not None]
        return min(limits) if limits else None

    def forget(self, batch: int) -> None:
        """Drop what is not written yet of a batch: it was just counted anew, or is gone."""
        with self._changed:
            self._unwritten.pop(batch, None)
            self._known.clear()

    def write(self) -> None:
        """Write the sums to the catalogue now.

        Raises:
            Unavailable, OutOfSpace: the catalogue does not take it; they are written another time.
        """
        with self._changed:
            unwritten, self._unwritten = self._unwritten, {}
        if not unwritten:
            return
        now = clock.now()
        try:
            with self._database.write() as connection:
                for batch, sums in sorted(unwritten.items()):
                    connection.execute(_ADD, {"batch": batch, "count": sums.files, "size": sums.bytes, "now": now})
        except ArchimedError:
            with self._changed:
                for batch, sums in unwritten.items():
                    kept = self._unwritten.setdefault(batch, _Unwritten(sums.user))
                    kept.files += sums.files
                    kept.bytes += sums.bytes
            raise
        with self._changed:
            self._known.clear()

    def close(self) -> None:
        """Write what is left, as far as the catalogue answers."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._writer is not None:
            self._writer.join()
        try:
            self.write()
        except ArchimedError as error:
            _log.warning("sums of the staging folder were not written: %s", error)

    def _sum(self, user: int | None) -> int:
        at, written = self._known.get(user, (0.0, 0))
        if time.monotonic() - at > _WRITE_SECONDS:
            row = self._database.row(_SUM) if user is None else self._database.row(_SUM_OF_USER, {"user": user})
            written = int(row[0]) if row else 0
            self._known[user] = (time.monotonic(), written)
        with self._changed:
            return written + sum(sums.bytes for sums in self._unwritten.values() if user is None or sums.user == user)

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed, timeout=_WRITE_SECONDS)
                if self._is_closed:
                    break
            try:
                self.write()
            except ArchimedError as error:
                _log.warning("sums of the staging folder are written later: %s", error)
        self._database.drop_reader()
