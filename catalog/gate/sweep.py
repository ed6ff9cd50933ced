"""What staging holds and the catalogue does not know: found again and again, and set aside. A chore of the worker.

May live here: what counts as unknown, and what of it is no loss and goes at once. Not: where it is kept
(`catalog/gate/staged/orphans.py`).
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import audit, batches, jobs, staged_files
from catalog.gate.drops import partials
from catalog.gate.staged.area import EndedSession, Staging
from catalog.gate.staged.drop_folder import DropFolder
from catalog.gate.staged.orphans import Kind
from catalog.pure.batches import State
from catalog.pure.drops import SHOWN
from catalog.pure.jobs import UNFINISHED

_log = logging.getLogger(__name__)

_CHUNK = 500
_FORGOTTEN_SECONDS = 3600


class Sweeper:
    """Sets aside what no batch has.

    Args:
        database: the catalogue, which must be of one age with staging.
        staging: the staging area.
        keep_seconds: what was set aside is erased for good after so long.
    """

    def __init__(self, database: Database, staging: Staging, *, keep_seconds: int) -> None:
        self._database = database
        self._staging = staging
        self._keep_seconds = keep_seconds

    def sweep(self) -> None:
        """Look through all of staging once.

        Raises:
            OutOfSpace, Unavailable: the disk or the catalogue refused; the next look goes on.
        """
        self._staging.remove_temporary_files()
        for session in self._staging.ended_sessions():
            self._look_at_session(session)
        for key in self._staging.all_drops():
            self._look_at_drop(key)
        partials.set_given_up_aside(self._staging)
        self._expire()

    def _look_at_session(self, session: EndedSession) -> None:
        """Set aside received files without a row, of a receiver that is gone."""
        known = {file for start in range(0, len(session.files), _CHUNK) for file in self._known(session.files[start:][:_CHUNK])}
        unknown = [file for file in session.files if file not in known]
        # What came out of an archive lies in the archive still, and an empty file holds nothing.
        empty = [file for file in unknown if session.is_unpacked or not _size(self._staging.path(file))]
        if lost := [file for file in unknown if file not in set(empty)]:
            moves = [(path := self._staging.path(file), path.name) for file in lost]
            self._note(Kind.RECEIVED, self._staging.orphans.set_aside(Kind.RECEIVED, moves), len(lost))
        self._staging.erase(empty)
        if not known:
            self._staging.remove_session(session.folder)

    def _known(self, files: Sequence[str]) -> list[str]:
        statement = sa.select(staged_files.c.file).where(staged_files.c.file.in_(files))
        return [row.file for row in self._database.rows(statement)]

    def _look_at_drop(self, key: str) -> None:
        """Set aside the files of a dropped batch that is not in the catalogue; remove the folder of one that is over."""
        drop = self._staging.drop(key)
        if not self._is_forgotten(key, drop):
            return
        is_over = self._database.row(sa.select(batches.c.id).where(batches.c.drop_folder == key).limit(1)) is not None
        moves = [] if is_over else drop.left_files()
        if moves:
            self._note(Kind.DROPPED, self._staging.orphans.set_aside(Kind.DROPPED, moves), len(moves))
        self._staging.erase_drop(key)

    def _is_forgotten(self, key: str, drop: DropFolder) -> bool:
        is_used = sa.exists().where(batches.c.drop_folder == key, batches.c.state.in_((*SHOWN, State.REJECTED)))
        is_erased_yet = sa.exists().where(
            jobs.c.batch_id == batches.c.id, jobs.c.state.in_(UNFINISHED), batches.c.drop_folder == key
        )
        row = self._database.row(sa.select(sa.or_(is_used, is_erased_yet)))
        try:
            changed = drop.path.stat().st_mtime
        except FileNotFoundError:
            return False
        return row is not None and not row[0] and time.time() - changed > _FORGOTTEN_SECONDS

    def _expire(self) -> None:
        """Erase what was set aside long ago, unless the clock is behind what has happened already."""
        newest = self._database.row(sa.select(sa.func.max(audit.c.at)))
        if newest is not None and newest[0] is not None and newest[0] > clock.now():
            return
        for name in self._staging.orphans.erase_older(clock.now() - self._keep_seconds):
            _log.warning("orphan %s: kept for as long as `keep_orphans_days` says, erased", name)

    def _note(self, kind: Kind, name: str, count: int) -> None:
        _log.warning(
            "orphan %s: %d %s files that no batch has were set aside; see `archimed staging orphans`", name, count, kind
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
