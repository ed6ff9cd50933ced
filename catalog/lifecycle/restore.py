"""Bringing an archive back from a backup: the catalogue as it was, made to fit a store and a staging folder that may be newer.

Nothing is erased and nothing that is there is overwritten. May live here: what follows from the three places being of different
ages. Not: how a catalogue is made of its snapshot (`backup.snapshot`), where it lies.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from catalog.audit import Actor, record
from catalog.database import Database
from catalog.database.tables import (
    backups,
    batches,
    files,
    grants,
    staged_files,
    studies,
    tokens,
    users,
    web_sessions,
)
from catalog.gate.staged.area import Staging
from catalog.jobs import cancel
from catalog.lifecycle import numbers
from catalog.lifecycle.access import bring_centres_back, bring_grants_back, narrow
from catalog.lifecycle.backup.create import copy_records
from catalog.lifecycle.backup.listed import Named, coming, named
from catalog.lifecycle.copying import add_copy
from catalog.lifecycle.history import History, is_known
from catalog.lifecycle.study_rows import StudyRows
from catalog.pure.access import Role
from catalog.pure.batches import State
from catalog.pure.errors import Damaged
from catalog.pure.names import folded
from catalog.pure.staged_files import FileState
from catalog.store import Store
from catalog.store.records import ImportRecord, has_access, imports, read_access

_AT_ONCE = 200
_ROLES = list(Role)  # each may more than the one before
_LOST = "bytes were lost: the archive was brought back from a backup without them"
_WAITING = (State.OPEN, State.SEALED, State.CHECKED, State.ACCEPTED, State.FAILED)

Progress = Callable[[int], None]


@dataclass(slots=True)
class Restored:
    """What came back and what did not; `study/number` stands for an import, `study/digest` for an object."""

    studies: int = 0
    files: int = 0
    objects: int = 0
    """copied out of the backup; the store had the others"""
    records: int = 0
    imports: list[str] = field(default_factory=list)
    """brought back from the store, which is newer than the backup"""
    imports_left: list[str] = field(default_factory=list)
    """in the store, and could not be brought back"""
    lost: list[str] = field(default_factory=list)
    """objects that neither store nor backup has"""
    remade: list[str] = field(default_factory=list)
    """studies that were corrected, or whose bin was changed, after the backup: as the store says"""
    bin_left: list[str] = field(default_factory=list)
    """entries of the bin that could not be brought back; their files stay in the store"""
    batches_lost: list[int] = field(default_factory=list)
    """batches at the gate whose bytes are gone"""
    grants_cut: list[str] = field(default_factory=list)
    """`login/study`: taken back after the backup"""
    roles_cut: list[str] = field(default_factory=list)
    """logins whose role was lowered after the backup"""
    tokens: int = 0
    """revoked, all of them"""


class Restore:
    """One restore, into a catalogue that nobody uses yet.

    Args:
        database: the snapshot, made into a catalogue of the newest shape.
        store: the archive's store, prepared.
        copy: the store in the backup.
        staging: the staging folder, prepared.
    """

    def __init__(self, database: Database, store: Store, copy: Store, staging: Staging) -> None:
        self._database = database
        self._store = store
        self._copy = copy
        self._staging = staging
        self._found = Restored()

    def run(self, actor: Actor, progress: Progress) -> Restored:
        """Do it; broken off, it can be begun again with the snapshot.

        Args:
            actor: who does it.
            progress: called with the number of bytes of each object.

        Raises:
            Damaged: a record of the store is damaged.
            OutOfSpace, Unavailable: a disk or the catalogue refused.
        """
        found = self._found
        found.records = copy_records(self._copy, self._store, replace=False)
        numbers.lift(self._database, self._store, self._staging.notes.highest_batch())
        self._studies()
        self._objects(progress)
        self._access()
        self._batches()
        with self._database.write() as connection:
            found.tokens = connection.execute(tokens.delete()).rowcount
            connection.execute(web_sessions.delete())
            connection.execute(backups.delete().where(backups.c.ended.is_(None)))  # the one that made the snapshot
        found.studies, found.files = self._count(studies), self._count(files)
        detail = {"objects": found.objects, "lost": len(found.lost), "imports": len(found.imports), "files": found.files}
        with self._database.write() as connection:
            record(connection, actor=actor.name, acting_as=actor.acting_as, action="catalogue.restore", detail=detail)
        return found

    def _objects(self, progress: Progress) -> None:
        chunk: list[Named] = []
        for one in self._all_named():
            progress(one.stored.size)
            there = self._store.stat(one.study, one.stored.digest)
            if there is not None and there.size == one.stored.size:
                continue
            if chunk and (chunk[0].study != one.study or len(chunk) >= _AT_ONCE):
                self._bring(chunk)
                chunk = []
            chunk.append(one)
        self._bring(chunk)

    def _all_named(self) -> Iterator[Named]:
        yield from named(self._database)
        yield from coming(self._database)

    def _bring(self, chunk: list[Named]) -> None:
        """Copy objects of one study out of the backup, with one sync."""
        if not chunk:
            return
        study = chunk[0].study
        deposit = self._store.deposit(study, "restore")
        try:
            for stored in {one.stored.digest: one.stored for one in chunk}.values():
                try:
                    add_copy(self._copy, study, stored, deposit)
                    self._found.objects += 1
                except Damaged:
                    _note(self._found.lost, f"{study}/{stored.digest.hex()}")
            deposit.settle()
        finally:
            deposit.close()

    def _studies(self) -> None:
        """Bring back what was written to the store after the backup."""
        published = sa.select(batches.c.import_id).where(batches.c.state == State.PUBLISHED)
        known = {row.import_id for row in self._database.rows(published)}
        for code in self._store.studies():
            try:
                self._study(code, known)
            except Damaged:  # one study fails alone
                self._found.imports_left.append(f"{code} (a record of it is damaged)")

    def _study(self, code: str, known: set[str]) -> None:
        is_new = self._database.row(sa.select(studies.c.id).where(studies.c.code_key == folded(code))) is None
        rows = StudyRows(self._database, self._store, code)
        is_older = not is_known(self._database, self._store, code, rows.row)
        if is_older:
            # Corrected, put into the bin or purged since: places depend on each other, so all are taken from the store.
            rows.clear()
        for about, entries in imports(self._store, code):
            if is_older or about.id not in known:
                self._import(code, rows, about, list(entries), is_new=about.id not in known)
        if is_older:
            history = History(self._database, self._store, code, rows)
            history.make()
            self._found.remade.append(code)
            self._found.bin_left += history.left
        bring_centres_back(self._database, self._store, code, rows.row)
        if is_new:
            bring_grants_back(self._database, self._store, code, rows.row)

    def _import(self, code: str, rows: StudyRows, about: ImportRecord, entries: list[dict[str, Any]], *, is_new: bool) -> None:
        name = f"{code}/{about.number}"
        if not entries:  # all of it lies in the bin or was purged, or it was given up
            return
        try:
            if is_new and not self._has_all(code, entries):
                self._found.imports_left.append(name)
                return
            rows.add(about, entries)
        except (sa.exc.IntegrityError, KeyError):  # a place is taken; or an older record
            self._found.imports_left.append(name)
            return
        if not is_new:
            return
        with self._database.write() as connection:
            # It may have waited at the gate when the backup was made.
            number = connection.execute(sa.select(batches.c.id).where(batches.c.import_id == about.id)).scalar_one()
            cancel(connection, number)
            connection.execute(staged_files.delete().where(staged_files.c.batch_id == number))
            connection.execute(batches.update().where(batches.c.id == number).values(state=State.PUBLISHED))
        self._found.imports.append(name)

    def _has_all(self, code: str, entries: Iterable[dict[str, Any]]) -> bool:
        """Whether the store has all objects of an import: else it was given up, and only its manifest was left."""
        for entry in entries:
            there = self._store.stat(code, bytes.fromhex(entry["sha256"]))
            if there is None or there.size != entry["size"]:
                return False
        return True

    def _access(self) -> None:
        """Take back what the store says was taken back: it is never older than its own newest change."""
        for study in self._database.rows(sa.select(studies.c.id, studies.c.code)):
            if not has_access(self._store, study.code):
                continue
            now = {folded(user.login): user for user in read_access(self._store, study.code)}
            granted = self._database.rows(
                sa.select(users.c.id, users.c.login, users.c.login_key, users.c.role)
                .join(grants, grants.c.user_id == users.c.id)
                .where(grants.c.study_id == study.id)
            )
            for user in granted:
                if user.login_key not in now:
                    with self._database.write() as connection:
                        connection.execute(grants.delete().where(grants.c.user_id == user.id, grants.c.study_id == study.id))
                    self._found.grants_cut.append(f"{user.login}/{study.code}")
                    continue
                with self._database.write() as connection:
                    if narrow(connection, user.id, study.id, now[user.login_key]):
                        self._found.grants_cut.append(f"{user.login}/{study.code} (in part)")
                if _ROLES.index(Role(now[user.login_key].role)) < _ROLES.index(Role(user.role)):
                    with self._database.write() as connection:
                        connection.execute(users.update().where(users.c.id == user.id).values(role=now[user.login_key].role))
                    _note(self._found.roles_cut, user.login)

    def _batches(self) -> None:
        """Set aside the batches whose staged bytes are gone: their jobs would fail, or wait for ever."""
        waiting = self._database.rows(
            sa.select(batches.c.id, batches.c.drop_folder).where(batches.c.state.in_(_WAITING)).order_by(batches.c.id)
        )
        for batch in waiting:
            if not self._lacks_bytes(batch.id, batch.drop_folder):
                continue
            self._found.batches_lost.append(batch.id)
            with self._database.write() as connection:
                cancel(connection, batch.id)
                connection.execute(batches.update().where(batches.c.id == batch.id).values(state=State.FAILED, reason=_LOST))

    def _lacks_bytes(self, batch: int, drop_folder: str | None) -> bool:
        if drop_folder is not None and not self._staging.drop(drop_folder).path.is_dir():
            return True
        # What is stored already needs its staged bytes no more, if the store has it.
        needed = (FileState.STAGED, FileState.BAD, FileState.HELD, FileState.UNPACKED)
        rows = self._database.rows(
            sa.select(staged_files.c.file).where(staged_files.c.batch_id == batch, staged_files.c.state.in_(needed))
        )
        if any(not self._staging.path(row.file).exists() for row in rows):
            return True
        return any(
            self._store.stat(one.study, one.stored.digest) is None for one in coming(self._database) if one.batch == batch
        )

    def _count(self, table: sa.Table) -> int:
        row = self._database.row(sa.select(sa.func.count()).select_from(table))
        return int(row[0]) if row is not None else 0


def _note(names: list[str], name: str) -> None:
    if name not in names[-_AT_ONCE:]:
        names.append(name)
