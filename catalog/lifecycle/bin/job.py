"""The bin's job: does what was asked for, in one transaction each, audits it and tells the faces.

Before it commits, the study's folder in the store is told. Killed between the two, the job comes again and tells the same.
"""

import sqlalchemy as sa

from catalog import clock
from catalog.audit import record
from catalog.changes import ChangeKind, announce, announce_gone
from catalog.database import Database, Row
from catalog.database.tables import bin_entries, studies
from catalog.jobs import Job, Queue, Stop
from catalog.lifecycle.bin import moving, purging
from catalog.lifecycle.retention import require_sane_clock
from catalog.pure.bin import Event, Kind, State, transition
from catalog.pure.errors import Conflict, NotFound
from catalog.pure.standing import Restored
from catalog.store import Store, records


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
            self._purge(job, row, stop)
            return
        with self._database.write() as connection:
            self._queue.finish(connection, job)
            entry = _asked(connection, job.bin_id)
            if entry.state == State.PUTTING:
                self._put(connection, entry)
            elif entry.state == State.RESTORING:
                self._restore(connection, entry)

    def give_up(self, connection: sa.Connection, job: Job, reason: str) -> None:
        """Leave an entry as it was, in the transaction that gives up its job; what was begun to be purged stays so."""
        entry = _asked(connection, job.bin_id)
        if entry.state != State.PURGING:
            records.remove_removal(self._store, entry.code, _record_name(entry))
        _close(connection, entry, Event.FAIL, problem=reason)

    def _put(self, connection: sa.Connection, entry: Row) -> None:
        try:
            done = moving.put(connection, entry)
        except (NotFound, Conflict) as error:
            _close(connection, entry, Event.FAIL, problem=str(error))
            return
        records.write_removal(self._store, entry.code, _record_name(entry), done.steps)
        _close(connection, entry, Event.DONE)
        for folder, name in done.gone:
            announce_gone(connection, entry.study_id, folder, name)

    def _restore(self, connection: sa.Connection, entry: Row) -> None:
        done = moving.restore(connection, entry)
        records.write_removal(self._store, entry.code, _record_name(entry), done.steps)
        _close(connection, entry, Event.DONE, path=_place(entry, done))
        announce(connection, ChangeKind.PUBLISHED, entry.study_id)

    def _purge(self, job: Job, entry: Row, stop: Stop) -> None:
        require_sane_clock(self._database)
        purging.delete_objects(self._database, self._store, entry, entry.code, stop)
        records.redact(self._store, entry.code, moving.entry_name(entry), _record_name(entry))
        records.remove_removal(self._store, entry.code, _put_name(entry))
        with self._database.write() as connection:
            self._queue.finish(connection, job)
            purging.delete_rows(connection, entry)
            # Names may be why it had to go.
            _close(connection, entry, Event.DONE, path=entry.exam, reason="")


_ASKED = sa.select(bin_entries, studies.c.code).join(studies, studies.c.id == bin_entries.c.study_id)


def _asked(connection: sa.Connection, number: int) -> Row:
    row: Row = connection.execute(_ASKED.where(bin_entries.c.id == number)).one()
    return row


def _record_name(entry: Row) -> str:
    # Behind the corrections that were there when it was asked for; what an entry went through stands in order.
    step = 0 if entry.state == State.PUTTING else 1
    return f"{entry.follows:08d}-{entry.asked:010d}.r{entry.id:08d}-{step}"


def _put_name(entry: Row) -> str:
    return f"{entry.put_follows:08d}-{entry.put:010d}.r{entry.id:08d}-0"


def _place(entry: Row, done: moving.Done) -> str:
    """Return where an entry is now, as its path says it."""
    places = [step for step in done.steps if isinstance(step, Restored)]
    if len(places) != 1 or entry.kind in (Kind.EXAM, Kind.BATCH):
        return str(places[0].now.exam) if places and entry.kind == Kind.EXAM else str(entry.path)
    (step,) = places
    path = f"{step.now.exam}/{step.now.series}"
    if entry.kind == Kind.FILE:
        name = str(entry.path).split("/", 2)[2]
        path += f"/{dict(step.renamed).get(name, name)}"
    return path


def _close(connection: sa.Connection, entry: Row, event: Event, *, problem: str = "", **values: str) -> None:
    """Give an entry its next state, and audit it."""
    after = transition(State(entry.state), event)
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
