"""Unpacking one archive into its batch: all of its files or none, in one transaction.

The archive stays where it is, in the state "unpacked", until its batch is erased. Killed on the way, nothing is known of the
files that came out, and the next sweep removes them. May live here: staging and catalogue. Not: formats.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa

from catalog import clock, durable
from catalog.database import Database, Row
from catalog.database.tables import batches, staged_files
from catalog.gate.staged.area import Session, Staging
from catalog.gate.unpacking import tars, zips
from catalog.gate.unpacking.limits import Budget, Limits, Member
from catalog.pure.errors import Unreadable

_BUSY = "the staging folder cannot be written"
_HEAD_BYTES = 4096


class Unpacker:
    """Unpacks archives of batches."""

    def __init__(self, database: Database, staging: Staging, limits: Limits | None = None) -> None:
        self._database = database
        self._staging = staging
        self._limits = limits or Limits()

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

    def unpack(self, batch_id: int, row: Row, stop: Callable[[], None]) -> int:
        """Make the files of an archive files of its batch, and return how many these are.

        Args:
            row: `id`, `file` and `size` of the staged archive.

        Raises:
            Unreadable: nothing of it was taken; the reason is for its owner.
            OutOfSpace, Unavailable: nothing of it was taken; it can be tried again.
        """
        depth = self._staging.depth_of(row.file) + 1
        if depth > self._limits.depth:
            raise Unreadable(f"archives lie in archives, more than {self._limits.depth} deep; unpack them and bring the files")
        session = self._staging.session(is_unpacked=True)
        names: list[str] = []
        rows: list[dict[str, Any]] = []
        try:
            with durable.translated(_BUSY):
                for member in self._members(row):
                    stop()
                    file, size = _write(session, member)
                    names.append(member.name)
                    rows.append(self._row(batch_id, row, len(rows), file, size))
                folder = self._staging.name_of(row.file).rpartition("/")[0]
                self._staging.write_names(session.name, names, folder=folder, depth=depth)
                session.sync()
            self._insert(batch_id, row.id, rows)
        except BaseException:
            session.discard()
            raise
        finally:
            session.close()
        return len(rows)

    def _members(self, row: Row) -> Iterator[Member]:
        path = self._staging.path(row.file)
        budget = Budget(self._limits, row.size)
        with path.open("rb") as opened:
            is_zip = zips.is_zip(opened.read(_HEAD_BYTES))
        return zips.members(path, self._limits, budget) if is_zip else tars.members(path, budget)

    def _row(self, batch_id: int, archive: Row, index: int, file: str, size: int) -> dict[str, Any]:
        return {
            "batch_id": batch_id, "file": file, "variant": 0, "size": size, "received": clock.now(), "state": "staged",
            "instance": self._staging.digest(f"member {archive.id} {index}"), "reason": "", "result": "",
        }  # fmt: skip

    def _insert(self, batch_id: int, archive: int, rows: list[dict[str, Any]]) -> None:
        with self._database.write() as connection:
            if rows:
                connection.execute(staged_files.insert(), rows)
            connection.execute(staged_files.update().where(staged_files.c.id == archive).values(state="unpacked", reason=""))
            connection.execute(
                batches.update()
                .where(batches.c.id == batch_id)
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
