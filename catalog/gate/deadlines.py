"""What happens to batches by the clock alone: quiet ones are sealed, rejected ones erased. Chores of the worker."""

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import batches
from catalog.gate.batches import enqueue_effects
from catalog.gate.drops import sealing
from catalog.gate.staged.area import Staging
from catalog.pure.batches import Event, State, transition


class Deadlines:
    """The gate's deadlines.

    Args:
        quiet_seconds: a batch that received nothing for so long is sealed.
        keep_rejected_seconds: so long after its rejection a batch can be restored; then its bytes are erased.
    """

    def __init__(self, database: Database, staging: Staging, *, quiet_seconds: int, keep_rejected_seconds: int) -> None:
        self._database = database
        self._staging = staging
        self._quiet_seconds = quiet_seconds
        self._keep_rejected_seconds = keep_rejected_seconds

    def seal_quiet(self) -> None:
        """Seal every open batch that has been quiet for long enough."""
        sealing.seal_quiet(self._database, self._staging, self._quiet_seconds)
        quiet = batches.c.last_write <= clock.now() - self._quiet_seconds
        self._all(State.OPEN, Event.SEAL, quiet, batches.c.drop_folder.is_(None))

    def expire_rejected(self) -> None:
        """Erase every batch whose rejection can no longer be taken back."""
        self._all(State.REJECTED, Event.EXPIRE, batches.c.decided <= clock.now() - self._keep_rejected_seconds)

    def _all(self, state: State, event: Event, *which: sa.ColumnElement[bool]) -> None:
        """Let an event happen to all batches in a state of which something is true."""
        now = sa.and_(batches.c.state == state, *which)
        if self._database.row(sa.select(batches.c.id).where(now).limit(1)) is None:
            return
        after, effects = transition(state, event)
        with self._database.write() as connection:
            moved = connection.execute(batches.update().where(now).values(state=after).returning(batches.c.id)).scalars().all()
            for number in moved:
                enqueue_effects(connection, effects, number)
