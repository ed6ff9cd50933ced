"""The bin's job: does what was asked for, in one transaction each, audits it and announces it to the faces.

Before it, it is written into the study's folder in the store. Killed between the two, the job comes again and writes the same.
"""

import dataclasses
from collections.abc import Sequence

import sqlalchemy as sa

from catalog import clock
from catalog.audit import record
from catalog.changes import ChangeKind, announce, announce_gone
from catalog.database import Database, Row
from catalog.database.tables import bin_entries, studies
from catalog.jobs import Job, Queue, Stop
from catalog.lifecycle.backup import is_running
from catalog.lifecycle.bin import moving, purging
from catalog.lifecycle.bin.moving import BinEntry
from catalog.lifecycle.retention import require_sane_clock
from catalog.pure.bin import Event, Kind, State, transition
from catalog.pure.errors import Conflict, NotFound, Unavailable
from catalog.pure.standing import Restored, Step
from catalog.store import Store, records, steps

_MOST_TRIES = 5


class _RollBack(Exception):
    """What a rehearsal found out."""

    def __init__(self, entry: BinEntry, steps: Sequence[Step] | None) -> None:
        super().__init__()
        self.entry = entry
        self.steps = steps


class _ChangedMeanwhileError(Exception):
    """The study was changed between rehearsal and commit: begin again."""


class BinJob:
    """Runs the bin's jobs."""

    def __init__(self, database: Database, store: Store, queue: Queue) -> None:
        self._database = database
        self._store = store
        self._queue = queue

    def run(self, job: Job, stop: Stop) -> None:
        """Do what was asked for of the job's entry.

        Raises:
            Conflict: another worker took the job over.
            OutOfSpace, Unavailable: the job can be tried again.
        """
        stop()
        row = self._database.row(_ASKED.where(bin_entries.c.id == job.bin_id))
        if row is not None and row.state == State.PURGING:
            self._purge(job, _entry(row), stop)
            return
        for _ in range(_MOST_TRIES):
            entry, done = self._rehearsed(job)
            if done is None:
                steps.remove_removal(self._store, entry.code, _record_name(entry, job))
            else:
                steps.write_removal(self._store, entry.code, _record_name(entry, job), done, _about(entry))
            try:
                self._commit(job, done)
            except _ChangedMeanwhileError:
                continue
            return
        raise Unavailable("the study was changed again and again meanwhile; this is tried again")

    def give_up(self, connection: sa.Connection, job: Job, reason: str) -> None:
        """Leave an entry as it was, in the transaction that gives up its job; what was begun to be purged stays so."""
        entry = _asked(connection, job.bin_id)
        if entry.state != State.PURGING:
            steps.remove_removal(self._store, entry.code, _record_name(entry, job))
        _close(connection, entry, Event.FAIL, problem=reason)

    def _rehearsed(self, job: Job) -> tuple[BinEntry, Sequence[Step] | None]:
        """Return what is to be written to the store, None if it cannot be done: all is done and rolled back.

        So the store has its record before the commit, and nothing is written to it in a transaction.
        """
        try:
            with self._database.write() as connection:
                self._queue.finish(connection, job)
                entry = _asked(connection, job.bin_id)
                try:
                    done = _move(connection, entry).steps
                except (NotFound, Conflict):
                    done = None
                raise _RollBack(entry, done)
        except _RollBack as rehearsed:
            return rehearsed.entry, rehearsed.steps

    def _commit(self, job: Job, rehearsed: Sequence[Step] | None) -> None:
        """Do what was asked for, if it is what was rehearsed."""
        with self._database.write() as connection:
            self._queue.finish(connection, job)
            entry = _asked(connection, job.bin_id)
            try:
                # Each looks at everything before it changes anything.
                done = _move(connection, entry)
            except (NotFound, Conflict) as error:
                if rehearsed is not None:
                    raise _ChangedMeanwhileError from None
                _close(connection, entry, Event.FAIL, problem=str(error))
                return
            if done.steps != rehearsed:
                raise _ChangedMeanwhileError
            if entry.state == State.RESTORING:
                _close(connection, entry, Event.DONE, path=_place(entry, done))
                announce(connection, ChangeKind.PUBLISHED, entry.study_id)
                return
            _close(connection, entry, Event.DONE)
            for folder, name in done.gone:
                announce_gone(connection, entry.study_id, folder, name)

    def _purge(self, job: Job, entry: BinEntry, stop: Stop) -> None:
        require_sane_clock(self._database)
        if is_running(self._database):
            raise Unavailable("a backup runs, whose catalogue names what would go; it goes afterwards")
        purging.delete_objects(self._database, self._store, entry, entry.code, stop)
        records.redact(self._store, entry.code, moving.entry_name(entry), _record_name(entry, job))
        steps.remove_removals(self._store, entry.code, f"{entry.put_follows:08d}-{entry.put:010d}.r", f"-{entry.id:08d}-0")
        with self._database.write() as connection:
            self._queue.finish(connection, job)
            purging.delete_rows(connection, entry)
            # Names may be why it had to go.
            _close(connection, entry, Event.DONE, path=entry.exam, reason="")


_ASKED = sa.select(
    *(bin_entries.c[field.name] for field in dataclasses.fields(BinEntry) if field.name != "code"), studies.c.code
).join(studies, studies.c.id == bin_entries.c.study_id)


def _move(connection: sa.Connection, entry: BinEntry) -> moving.Done:
    """Move rows as an entry's state asks for.

    Raises:
        NotFound, Conflict: it cannot be done.
    """
    if entry.state == State.PUTTING:
        return moving.put(connection, entry)
    if entry.state == State.RESTORING:
        return moving.restore(connection, entry)
    raise Conflict(f"nothing is to be done: the entry is {entry.state}")


def _asked(connection: sa.Connection, number: int) -> BinEntry:
    return _entry(connection.execute(_ASKED.where(bin_entries.c.id == number)).one())


def _entry(row: Row) -> BinEntry:
    values = dict(zip(row._fields, row, strict=True))
    return BinEntry(**values | {"kind": Kind(row.kind), "state": State(row.state)})


def _record_name(entry: BinEntry, job: Job) -> str:
    # Behind the corrections that were there when it was asked for, and in the order of the study's jobs.
    step = 0 if entry.state == State.PUTTING else 1
    return f"{entry.follows:08d}-{entry.asked:010d}.r{job.id:010d}-{entry.id:08d}-{step}"


def _about(entry: BinEntry) -> dict[str, str | int | None] | None:
    """Return what is written to the store of an entry besides its steps, when it is put into the bin."""
    if entry.state != State.PUTTING:
        return None
    return {
        "kind": entry.kind, "path": entry.path, "reason": entry.reason, "by": entry.put_by, "at": entry.put,
        "expires": entry.expires,
    }  # fmt: skip


def _place(entry: BinEntry, done: moving.Done) -> str:
    """Return where an entry is now, as its path says it."""
    places = [step for step in done.steps if isinstance(step, Restored)]
    if len(places) != 1 or entry.kind in (Kind.EXAM, Kind.BATCH):
        return str(places[0].now.exam) if places and entry.kind == Kind.EXAM else entry.path
    (step,) = places
    path = f"{step.now.exam}/{step.now.series}"
    if entry.kind == Kind.FILE:
        name = entry.path.split("/", 2)[2]
        path += f"/{dict(step.renamed).get(name, name)}"
    return path


def _close(connection: sa.Connection, entry: BinEntry, event: Event, *, problem: str = "", **values: str) -> None:
    """Give an entry its next state, and audit it."""
    after = transition(entry.state, event)
    ended = clock.now() if after in (State.RESTORED, State.PURGED, State.REFUSED) else None
    changed = {"state": after, "problem": problem, "ended": ended, **values}
    held = connection.execute(
        bin_entries.update()
        .where(bin_entries.c.id == entry.id)
        .values(changed)
        .returning(bin_entries.c.files, bin_entries.c.bytes)
    ).one()
    detail = {"exam": entry.exam, "kind": entry.kind, "files": held.files, "bytes": held.bytes}
    action = "bin.failed" if problem else f"bin.{after}"
    record(
        connection, actor="worker", acting_as=entry.asked_by, action=action, study=entry.code, subject=f"bin {entry.id}",
        detail=detail | ({"problem": problem} if problem else {}),
    )  # fmt: skip
