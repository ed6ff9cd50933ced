"""The erase job: the staged bytes and rows of a batch that is published or rejected go, and with them every identity."""

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import batches, received_instances, staged_files
from catalog.gate import report, subjects
from catalog.gate.staged.area import Staging
from catalog.jobs import Job, Queue, Stop
from catalog.pure.batches import State

_CHUNK = 500


class Eraser:
    """Runs erase jobs."""

    def __init__(self, database: Database, staging: Staging, queue: Queue) -> None:
        self._database = database
        self._staging = staging
        self._queue = queue

    def run(self, job: Job, stop: Stop) -> None:
        """Erase what is staged of the job's batch.

        Raises:
            Conflict: another worker took the job over.
            Unavailable: the job can be tried again.
        """
        chunk = (
            sa.select(staged_files.c.id, staged_files.c.file)
            .where(staged_files.c.batch_id == job.batch_id)
            .order_by(staged_files.c.id)
            .limit(_CHUNK)
        )
        while rows := self._database.rows(chunk):
            stop()
            self._staging.erase([row.file for row in rows])
            with self._database.write() as connection:
                which = staged_files.c.id.in_([row.id for row in rows])
                self._remember(connection, job.batch_id, which)
                connection.execute(staged_files.delete().where(which))
        report.hand_on(self._database, self._staging, job.batch_id)
        self._staging.notes.erase_about(job.batch_id)
        row = self._database.row(sa.select(batches.c.drop_folder).where(batches.c.id == job.batch_id))
        # Unless files of it were left over, and are another batch's now.
        if row is not None and row.drop_folder is not None and not self._staging.drop(row.drop_folder).has_stock():
            self._staging.erase_drop(row.drop_folder)
        with self._database.write() as connection:
            self._queue.finish(connection, job)
            state = connection.execute(sa.select(batches.c.state).where(batches.c.id == job.batch_id)).scalar()
            if state != State.PUBLISHED:
                subjects.forget(connection, job.batch_id)

    def _remember(self, connection: sa.Connection, batch_id: int, which: sa.ColumnElement[bool]) -> None:
        """Remember which instances a source sent that are archived now: it may still ask whether it can delete its own."""
        sent = (
            sa.select(sa.literal(batch_id), staged_files.c.instance, sa.literal(clock.now()))
            .join(batches, batches.c.id == staged_files.c.batch_id)
            .where(which, batches.c.state == State.PUBLISHED, batches.c.source_id.is_not(None))
            .distinct()
        )
        insert = self._database.insert_new(received_instances)
        connection.execute(
            insert.from_select(["batch_id", "instance", "published"], sent).on_conflict_do_nothing()
        )  # fmt: skip

    def give_up(self, connection: sa.Connection, job: Job, reason: str) -> None:
        """Leave the batch as it is: what is still staged of it is named by its rows."""
