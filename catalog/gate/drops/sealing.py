"""Sealing dropped batches and taking stock of them: what the gate does with them before it treats them as any other.

The folder is closed first, then the catalogue says so: a crash between the two leaves a batch that nobody can write to, and
that the next look for quiet batches seals.
"""

import logging
import time

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import batches, staged_files
from catalog.gate.batches import enqueue_effects
from catalog.gate.staged.area import Staging
from catalog.gate.staged.drop_folder import DropFolder, StockedFile
from catalog.pure.batches import Event, State, transition
from catalog.pure.drops import is_quiet
from catalog.pure.errors import ArchimedError, Damaged, Refused
from catalog.pure.staged_files import FileState

_log = logging.getLogger(__name__)

_ROWS_AT_ONCE = 1000
# The kernel lets go of a file a moment after its program closed it.
WAIT_SECONDS = 5.0


def close_to_writers(
    database: Database, staging: Staging, batch: int, wait_seconds: float = WAIT_SECONDS, *, may_be_empty: bool = False
) -> dict[str, int]:
    """Let nothing be written to an open dropped batch any more; return its files and bytes, counted anew, as columns.

    A received batch needs none of this: nothing is changed and nothing returned.

    Raises:
        Refused: files are still open for writing; or there is no file.
    """
    row = database.row(sa.select(batches.c.drop_folder).where(batches.c.id == batch))
    if row is None or row.drop_folder is None:
        return {}
    drop = staging.drop(row.drop_folder)
    if not may_be_empty and not drop.has_files():
        raise Refused("there is no file in the batch yet; put some into its folder first")
    drop.seal(wait_seconds)
    files, size = drop.count()
    return {"files": files, "bytes": size}


def seal_quiet(database: Database, staging: Staging, quiet_seconds: float) -> None:
    """Seal every open dropped batch that has files, none of them open for writing, and was quiet for long enough."""
    columns = batches.c
    statement = sa.select(columns.id, columns.drop_folder).where(columns.state == State.OPEN, columns.drop_folder.is_not(None))
    for row in database.rows(statement):
        try:
            if _is_quiet(staging.drop(row.drop_folder), quiet_seconds):
                _seal(database, staging, row.id, row.drop_folder)
        except ArchimedError as error:  # one folder that is damaged must not keep all others open
            _log.warning("batch %d cannot be sealed: %s", row.id, error)


def _is_quiet(drop: DropFolder, quiet_seconds: float) -> bool:
    last, now = drop.last_change(), time.time()
    if last > now:
        drop.set_changed_now()  # a clock was set back: the quiet time begins anew
        return False
    return is_quiet(last, now, quiet_seconds) and (not drop.is_open or drop.has_files())


def _seal(database: Database, staging: Staging, batch: int, key: str) -> None:
    counted: dict[str, int] = {}
    if staging.drop(key).path.is_dir():  # else its check says that it is gone
        try:
            counted = close_to_writers(database, staging, batch, wait_seconds=0.0)
        except Refused:
            return  # a file is still open, however long nothing was written to it
    after, effects = transition(State.OPEN, Event.SEAL)
    with database.write() as connection:
        sealed = connection.execute(
            batches.update().where(batches.c.id == batch, batches.c.state == State.OPEN).values(counted | {"state": after})
        )
        if sealed.rowcount == 1:
            enqueue_effects(connection, effects, batch)


def take_stock(database: Database, staging: Staging, batch: int) -> None:
    """Make a row for each file of a sealed dropped batch; harmless when that is done, or the batch was received.

    A file's row says nothing of its name: the name stays in staging.

    Raises:
        Damaged: the batch's folder is gone.
        OutOfSpace, Unavailable: it can be called again.
    """
    key = database.row(sa.select(batches.c.drop_folder).where(batches.c.id == batch))
    known = database.row(sa.select(staged_files.c.id).where(staged_files.c.batch_id == batch).limit(1))
    if key is None or key.drop_folder is None or known is not None:
        return
    drop = staging.drop(key.drop_folder)
    if not drop.path.is_dir():
        raise Damaged(
            "the batch's folder is gone from staging, with its files; bring it back from a backup, or reject the batch"
        )
    drop.forget_stock()  # numbers of an attempt that died, or from before the batch was opened again
    staging.forget_names(key.drop_folder)
    stock = drop.take_stock()
    rows = [_row(staging, batch, key.drop_folder, file) for file in stock]
    with database.write() as connection:
        for at in range(0, len(rows), _ROWS_AT_ONCE):
            connection.execute(staged_files.insert(), rows[at : at + _ROWS_AT_ONCE])
        counted = {"files": len(stock), "bytes": sum(file.size for file in stock)}
        connection.execute(batches.update().where(batches.c.id == batch).values(counted))


def _row(staging: Staging, batch: int, key: str, file: StockedFile) -> dict[str, object]:
    return {
        "batch_id": batch, "file": f"drops/{key}/{file.number}", "variant": 0, "size": file.size, "received": clock.now(),
        "instance": staging.digest(f"dropped {file.name}"), "state": FileState.STAGED, "reason": "", "result": "",
    }  # fmt: skip
