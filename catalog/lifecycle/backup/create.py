"""Making a backup while everything runs: a snapshot of the catalogue, then what it names and the backup does not have yet.

Costs what is new, not what the archive holds. Killed at any moment, the next run goes on; the JSON, which says that it is
complete, is written last. May live here: what is copied, and in which order. Not: the folder's names (`folder`).
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from catalog import clock
from catalog.audit import Actor
from catalog.database import Database
from catalog.database.tables import audit_closed
from catalog.lifecycle.backup import snapshot, staged
from catalog.lifecycle.backup.folder import About, BackupFolder
from catalog.lifecycle.backup.listed import Named, coming, is_named, named, size, watermark
from catalog.lifecycle.backup.running import Copied, Running
from catalog.lifecycle.copying import add_copy
from catalog.pure.errors import Damaged
from catalog.pure.generation import Mark
from catalog.store import Deposit, RecordStore, Store, StoredObject
from catalog.store import records as study_records

_AT_ONCE = 500
_BYTES_AT_ONCE = 1 << 30
_MARGIN_SECONDS = 3600
"""How far clocks of the store and of this machine may be apart."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Created:
    """What a backup is, and what it copied this time."""

    about: About
    copied: Copied
    records: int


def create(
    database: Database,
    store: Store,
    folder: BackupFolder,
    target: Store,
    mark: Mark,
    actor: Actor,
    *,
    staging: tuple[Path, Path] | None = None,
    closed: Path | None = None,
    keep: int = 7,
    progress: Progress = lambda _: None,
) -> Created:
    """Bring a backup up to date.

    Args:
        database: the catalogue.
        store: the store.
        folder: the backup's folder, prepared and locked.
        target: the store in it.
        mark: which archive it is, and how old.
        actor: who does it.
        staging: the staging folder, to be copied too, and where to; None: it is not.
        closed: the folder of closed years of the audit.
        keep: how many snapshots of the catalogue stay.
        progress: called with the number of bytes of each piece that was copied or found there.

    Raises:
        Damaged: what the backup says of itself cannot be read.
        OutOfSpace, Unavailable: a disk or the catalogue refused; the next run goes on.
    """
    before = folder.about()
    running = Running(database)
    try:
        running.wait_for_purges()
        name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(running.began)) + snapshot.suffix(database)
        snapshot.take(database, folder.catalogues / name)
        copier = _Copier(database, store, target, progress)
        until = copier.copy_since(before)
        since = max(1, before.began - _MARGIN_SECONDS) if before else 0
        written = copy_records(store, target, since)
        if closed is not None and database.row(sa.select(audit_closed.c.year).limit(1)) is not None:
            staged.add_files(closed, folder.audit)
        if staging is not None:
            staged.mirror(*staging)
        about = About(mark, running.began, clock.now(), name, until, staging is not None, tuple(copier.not_copied))
        folder.complete(about)
        folder.forget_catalogues(keep)
    except BaseException:
        with suppress(Exception):  # what went wrong first is to be raised
            running.break_off()
        raise
    running.finish(actor, copier.counted)
    return Created(about, copier.counted, written)


def left(database: Database, folder: BackupFolder) -> int:
    """Return how many bytes there are to copy, for who shows how far it is."""
    before = folder.about()
    return size(database, before.newest_file if before else 0)


def copy_records(source: RecordStore, target: RecordStore, since: int = 0, *, replace: bool = True) -> int:
    """Copy the records of all studies that the target does not have, or has as they were; return how many.

    Args:
        source: where they are.
        target: where they go.
        since: those that were not written since are taken to be the same if the target has them; 0: each is compared.
        replace: whether one that the target has is replaced.

    Raises:
        OutOfSpace, Unavailable: a store refused.
    """
    count = 0
    for study in source.studies():
        theirs = set(study_records.names(target, study))
        written = set(study_records.names(source, study, since))
        for name in study_records.names(source, study):
            if name in theirs and (not replace or name not in written):
                continue
            with suppress(Damaged):  # removed meanwhile
                content = list(source.read_record(study, name))
                if name not in theirs or list(target.read_record(study, name)) != content:
                    target.write_record(study, name, content)
                    count += 1
    return count


class _Copier:
    """Copies objects, each proved, some hundred with one sync. What is damaged is noted and does not stop the rest."""

    def __init__(self, database: Database, store: Store, target: Store, progress: Progress) -> None:
        self._database = database
        self._store = store
        self._target = target
        self._progress = progress
        self.objects = self.bytes = 0
        self.not_copied: list[tuple[str, str, int]] = []

    @property
    def counted(self) -> Copied:
        """What was copied."""
        return Copied(self.objects, self.bytes, len(self.not_copied))

    def copy_since(self, before: About | None) -> int:
        """Copy what the catalogue names since a backup, and what that one could not; return the newest file's row.

        Called when the snapshot is taken: whatever that names is at or below this row, or still on its way.
        """
        on_their_way = list(coming(self._database))
        until = watermark(self._database)
        self._copy_all(_again(before))
        self._copy_all(named(self._database, before.newest_file if before else 0, until))
        self._copy_all(on_their_way)
        return until

    def _copy_all(self, wanted: Iterable[Named]) -> None:
        """Copy what the target does not have.

        Raises:
            OutOfSpace, Unavailable: a store refused; what was copied stays.
        """
        for study, members in _by_study(wanted):
            deposit = self._target.deposit(study, "backup")
            try:
                self._copy(study, members, deposit)
                deposit.settle()
            finally:
                deposit.close()

    def _copy(self, study: str, members: Iterable[StoredObject], deposit: Deposit) -> None:
        for stored in members:
            there = self._target.stat(study, stored.digest)
            if there is not None and there.size == stored.size:
                self._progress(stored.size)
                continue
            try:
                add_copy(self._store, study, stored, deposit, self._progress)
            except Damaged:
                # Purged a moment before the backup began: it is no loss.
                if is_named(self._database, study, stored.digest):
                    self.not_copied.append((study, stored.digest.hex(), stored.size))
                continue
            self.objects += 1
            self.bytes += stored.size


def _by_study(wanted: Iterable[Named]) -> Iterator[tuple[str, list[StoredObject]]]:
    """Yield objects of one study, as many as are put in place at once."""
    chunk: dict[bytes, StoredObject] = {}
    study, total = "", 0
    for one in wanted:
        if chunk and (one.study != study or len(chunk) >= _AT_ONCE or total >= _BYTES_AT_ONCE):
            yield study, list(chunk.values())
            chunk, total = {}, 0
        study = one.study
        chunk[one.stored.digest] = one.stored
        total += one.stored.size
    if chunk:
        yield study, list(chunk.values())


def _again(before: About | None) -> Iterator[Named]:
    for study, digest, length in before.not_copied if before else ():
        yield Named(0, study, StoredObject(bytes.fromhex(digest), length))
