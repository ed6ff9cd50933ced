"""Unpacking one archive into its batch: all of its files or none, in one transaction.

The archive stays where it is, in the state "unpacked", until its batch is erased. Killed on the way, nothing is known of the
files that came out, and the next sweep removes them. May live here: staging and catalogue. Not: formats.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from catalog import clock, durable
from catalog.database import Database
from catalog.database.tables import batches, staged_files
from catalog.gate.batches import StagedFile
from catalog.gate.staged.area import Origin, Staging
from catalog.gate.staged.session import Session
from catalog.gate.unpacking import tars, zips
from catalog.gate.unpacking.limits import Budget, Limits, Member, Quota, Spent
from catalog.pure.errors import Unreadable
from catalog.pure.staged_files import FileEvent, FileState, after

_BUSY = "the staging folder cannot be written"
_HEAD_BYTES = 4096
_ROWS_AT_ONCE = 1000


class Unpacker:
    """Unpacks the archives of one batch. An archive and all archives in it share one budget.

    Args:
        batch: the batch.
        quota: what who brought the batch may have at the gate.
        limits: what an archive may hold.
    """

    def __init__(
        self,
        database: Database,
        staging: Staging,
        batch: int,
        quota: Quota,
        limits: Limits | None = None,
    ) -> None:
        self._database = database
        self._staging = staging
        self._batch = batch
        self._quota = quota
        self._limits = limits or Limits()
        self._spent: dict[int, Spent] | None = None

    def is_archive(self, file: str) -> bool:
        """Whether a staged file is an archive of other files.

        Raises:
            OutOfSpace, Unavailable: its bytes cannot be read.
        """
        path = self._staging.path(file)
        with durable.translated("a staged file cannot be read"), path.open("rb") as opened:
            head = opened.read(_HEAD_BYTES)
            if zips.is_zip(head):
                return not zips.is_document(path, self._limits)
            return tars.is_tar(path)

    def unpack(self, archive: StagedFile, stop: Callable[[], None]) -> int:
        """Make the files of an archive files of its batch, and return how many these are.

        Args:
            archive: the staged archive.

        Raises:
            Unreadable: nothing of it was taken; the reason is for its owner.
            OutOfSpace, Unavailable: nothing of it was taken; it can be tried again.
        """
        around = self._staging.origin_of(archive.file)
        origin = Origin(1, archive.id, archive.size) if around is None else replace(around, depth=around.depth + 1)
        if origin.depth > self._limits.depth:
            raise Unreadable(f"archives lie in archives, more than {self._limits.depth} deep; unpack them and bring the files")
        budget = self._budget(origin)
        session = self._staging.session(is_unpacked=True)
        names: list[str] = []
        rows: list[dict[str, Any]] = []
        try:
            with durable.translated(_BUSY):
                for member in self._members(archive, budget):
                    stop()
                    file, size = _write(session, member)
                    names.append(member.name)
                    rows.append(self._row(archive, len(rows), file, size))
                folder = self._staging.name_of(archive.file).rpartition("/")[0]
                self._staging.write_names(session.name, names, folder, origin)
                session.sync()
            self._insert(archive.id, rows)
        except BaseException:
            session.discard()
            raise
        finally:
            session.close()
        self._quota.forget(self._batch)
        budget.before.files += budget.now.files
        budget.before.bytes += budget.now.bytes
        return len(rows)

    def _budget(self, origin: Origin) -> Budget:
        if self._spent is None:
            self._spent = self._spent_before()
        user = self._database.row(sa.select(batches.c.uploader_id).where(batches.c.id == self._batch))
        uploader = user.uploader_id if user is not None else None
        before = self._spent.setdefault(origin.root, Spent())
        return Budget(self._limits, origin.packed, before, lambda: self._quota.left(uploader))

    def _spent_before(self) -> dict[int, Spent]:
        """Return what came out of each archive of the batch when it was checked before."""
        found: dict[int, Spent] = {}
        origins: dict[str, Origin | None] = {}
        statement = sa.select(staged_files.c.file, staged_files.c.size).where(staged_files.c.batch_id == self._batch)
        for row in self._database.rows(statement):
            session = row.file.rpartition("/")[0]
            origin = origins[session] if session in origins else self._staging.origin_of(row.file)
            origins[session] = origin
            if origin is not None:
                spent = found.setdefault(origin.root, Spent())
                spent.files += 1
                spent.bytes += row.size
        return found

    def _members(self, archive: StagedFile, budget: Budget) -> Iterator[Member]:
        path = self._staging.path(archive.file)
        with path.open("rb") as opened:
            is_zip = zips.is_zip(opened.read(_HEAD_BYTES))
        return zips.members(path, self._limits, budget) if is_zip else tars.members(path, budget)

    def _row(self, archive: StagedFile, index: int, file: str, size: int) -> dict[str, Any]:
        return {
            "batch_id": self._batch, "file": file, "variant": 0, "size": size, "received": clock.now(),
            "instance": self._staging.digest(f"member {archive.id} {index}"), "state": FileState.STAGED,
            "reason": "", "result": "",
        }  # fmt: skip

    def _insert(self, archive: int, rows: list[dict[str, Any]]) -> None:
        with self._database.write() as connection:
            for at in range(0, len(rows), _ROWS_AT_ONCE):
                connection.execute(staged_files.insert(), rows[at : at + _ROWS_AT_ONCE])
            aside = {"state": after(FileEvent.UNPACK), "reason": ""}
            connection.execute(staged_files.update().where(staged_files.c.id == archive).values(aside))
            connection.execute(
                batches.update()
                .where(batches.c.id == self._batch)
                .values(
                    files=batches.c.files + len(rows),
                    bytes=batches.c.bytes + sa.literal(sum(row["size"] for row in rows), sa.BigInteger),
                )
            )


def _write(session: Session, member: Member) -> tuple[str, int]:
    file, fd = session.create()
    with os.fdopen(fd, "wb") as target:
        for chunk in member.chunks:
            target.write(chunk)
        return file, target.tell()
