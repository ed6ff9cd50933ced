"""Deliveries: what is to go to one peer, queued in the caller's transaction, and what became of each file.

A delivery that its peer does not take waits, ever longer, and is given up after a week. Its job says whether it waits, runs, is
done or failed; a job for each peer runs at a time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database, Row
from catalog.database.tables import deliveries, delivery_files, users
from catalog.jobs import JobKind, enqueue
from catalog.pure.access import Principal, Role
from catalog.pure.errors import NotFound

PAUSES = (30, 120, 600, 3600)
"""Seconds before the second, third, fourth try and each further one."""

_GIVEN_UP_SECONDS = 7 * 86400
_ROWS_AT_ONCE = 1000


class FileState(StrEnum):
    """Where a file of a delivery stands."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery; columns as `catalog.database.tables.deliveries` describes them."""

    id: int
    node_id: int | None
    source_id: int | None
    peer: str
    user_id: int | None
    asked_by: str
    asked: int
    request: str
    tries: int
    total: int
    sent: int
    failed: int

    @property
    def is_given_up(self) -> bool:
        """Whether it has waited for so long that it is not tried again."""
        return clock.now() - self.asked > _GIVEN_UP_SECONDS


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that is to be sent: its row, and what it was called when it was queued."""

    file_id: int
    path: str


def queue_files(
    connection: sa.Connection,
    node_id: int,
    node: str,
    user_id: int | None,
    asked_by: str,
    files: Iterable[tuple[int, str]],
) -> tuple[int, int]:
    """Queue files for a node in the caller's transaction; return the numbers of delivery and job.

    Args:
        node_id: the node's row.
        node: its name.
        user_id: whose grants count when each is sent.
        asked_by: who asks for it.
        files: rows of files with their paths; one that comes twice counts once.
    """
    rows = [{"file_id": number, "path": path, "state": FileState.WAITING, "reason": ""} for number, path in dict(files).items()]
    values = {"node_id": node_id, "peer": node, "user_id": user_id, "asked_by": asked_by, "request": "", "total": len(rows)}
    number = _insert(connection, values)
    for at in range(0, len(rows), _ROWS_AT_ONCE):
        connection.execute(
            delivery_files.insert(), [{"delivery_id": number, **row} for row in rows[at : at + _ROWS_AT_ONCE]]
        )  # fmt: skip
    return number, enqueue(connection, JobKind.SEND, delivery_id=number, peer=f"node {node_id}")


def queue_commitment(connection: sa.Connection, source_id: int, source: str, request: str, total: int) -> int:
    """Queue the report on a source's storage commitment in the caller's transaction; return the number of its job.

    Args:
        source_id: the source's row.
        source: its name, who asks for it.
        request: name of the request in staging.
        total: instances that are asked about.
    """
    values = {"source_id": source_id, "peer": source, "asked_by": source, "request": request, "total": total}
    number = _insert(connection, values)
    return enqueue(connection, JobKind.COMMIT, delivery_id=number, peer=f"source {source_id}")


def _insert(connection: sa.Connection, values: Mapping[str, object]) -> int:
    fresh = {"asked": clock.now(), "tries": 0, "sent": 0, "failed": 0, **values}
    return int(connection.execute(deliveries.insert().values(fresh).returning(deliveries.c.id)).scalar_one())


def find_delivery(database: Database, number: int) -> Delivery:
    """Return a delivery.

    Raises:
        NotFound: there is none of that number.
    """
    row = database.row(sa.select(deliveries).where(deliveries.c.id == number))
    if row is None:
        raise NotFound(f"there is no delivery {number}")
    return Delivery(*row)


def whose(database: Database, delivery: Delivery) -> Principal | None:
    """Return the user whose grants count for the files of a delivery; None: there is none any more."""
    row = database.row(sa.select(users.c.id, users.c.login, users.c.role).where(users.c.id == delivery.user_id))
    return Principal(row.id, row.login, Role(row.role)) if row is not None else None


def pause_before(tries: int) -> int:
    """Return how many seconds to wait after so many tries."""
    return PAUSES[min(max(tries, 1), len(PAUSES)) - 1]


def count_try(database: Database, number: int) -> int:
    """Note that a delivery's peer was called in vain; return how often that was so now."""
    with database.write() as connection:
        tried = deliveries.update().where(deliveries.c.id == number).values(tries=deliveries.c.tries + 1)
        return int(connection.execute(tried.returning(deliveries.c.tries)).scalar_one())


def waiting_files(database: Database, number: int) -> list[Waiting]:
    """Return the files of a delivery that are still to be sent, in the order of their rows."""
    statement = (
        sa.select(delivery_files.c.file_id, delivery_files.c.path)
        .where(delivery_files.c.delivery_id == number, delivery_files.c.state == FileState.WAITING)
        .order_by(delivery_files.c.file_id)
    )
    return [Waiting(row.file_id, row.path) for row in database.rows(statement)]


def try_failed_again(database: Database, number: int) -> None:
    """Let the files of a delivery wait again that were not taken: somebody asked for another try."""
    with database.write() as connection:
        mine = delivery_files.update().where(delivery_files.c.delivery_id == number, delivery_files.c.state == FileState.FAILED)
        connection.execute(mine.values(state=FileState.WAITING, reason=""))
        connection.execute(deliveries.update().where(deliveries.c.id == number).values(failed=0))


def settle(connection: sa.Connection, number: int, sent: Sequence[int], failed: Mapping[int, str]) -> int:
    """Note what became of files of a delivery in the caller's transaction; return how many are dealt with altogether.

    Args:
        number: the delivery.
        sent: rows of files that the peer has.
        failed: why it will never have the others, by their rows.
    """
    mine = delivery_files.update().where(
        delivery_files.c.delivery_id == number, delivery_files.c.file_id == sa.bindparam("file")
    )
    outcomes = [{"file": file, "to": FileState.SENT, "why": ""} for file in sent]
    outcomes += [{"file": file, "to": FileState.FAILED, "why": why} for file, why in failed.items()]
    if outcomes:
        connection.execute(mine.values(state=sa.bindparam("to"), reason=sa.bindparam("why")), outcomes)
    values: dict[str, object] = {"sent": deliveries.c.sent + len(sent), "failed": deliveries.c.failed + len(failed)}
    if outcomes:
        values["tries"] = 0
    changed = deliveries.update().where(deliveries.c.id == number).values(values)
    row = connection.execute(changed.returning(deliveries.c.sent, deliveries.c.failed)).one()
    return int(row.sent + row.failed)


def receipt(database: Database, number: int) -> Mapping[str, str]:
    """Return why files of a delivery were not taken, by their paths."""
    statement = sa.select(delivery_files.c.path, delivery_files.c.reason).where(
        delivery_files.c.delivery_id == number, delivery_files.c.state == FileState.FAILED
    )
    rows: Sequence[Row] = database.rows(statement.order_by(delivery_files.c.path))
    return {row.path: row.reason for row in rows}
