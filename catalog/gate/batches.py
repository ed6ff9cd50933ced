"""Batches in the catalogue: what every room of the gate shares when it changes one.

May live here: what follows from a batch's new state. Not: which changes are allowed (`catalog.pure.batches`).
"""

from collections.abc import Iterable

import sqlalchemy as sa

from catalog.jobs import JobKind, enqueue
from catalog.pure.batches import Effect

_KIND_OF_EFFECT = {
    Effect.QUEUE_CHECK: JobKind.CHECK,
    Effect.QUEUE_PUBLISH: JobKind.PUBLISH,
    Effect.QUEUE_ERASE: JobKind.ERASE,
}


def enqueue_effects(connection: sa.Connection, effects: Iterable[Effect], batch_id: int, study_id: int | None = None) -> None:
    """Queue the jobs that a transition asks for, in the transaction that makes it."""
    for effect in effects:
        enqueue(connection, _KIND_OF_EFFECT[effect], batch_id, study_id)
