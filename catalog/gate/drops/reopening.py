"""Opening a dropped batch again, so that who brought it can mend it."""

from typing import Any

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import batches, staged_files
from catalog.gate.batches import as_columns, read_batch
from catalog.gate.staged.area import Staging
from catalog.pure.batches import State
from catalog.pure.errors import Conflict, Refused


def open_folder(database: Database, staging: Staging, batch_id: int, user: int | None) -> None:
    """Open the folder of a batch that may be opened again, before the catalogue calls it open.

    As long as the catalogue does not, nobody writes to it, so that a crash between the two does no harm.

    Args:
        user: who asks; None for the machine itself.

    Raises:
        Refused, Conflict: as `begin`.
    """
    with database.write() as connection:
        folder = _required(connection, batch_id, user)
    staging.drop(folder).reopen()


def begin(connection: sa.Connection, batch_id: int, user: int | None) -> dict[str, Any]:
    """Forget the stock, in the transaction that calls the batch open; return what else its row says then.

    Args:
        user: who asks; None for the machine itself.

    Raises:
        Refused: it is somebody else's, was not dropped, or files of it are another batch's now.
        Conflict: the uploader has another open batch for that exam.
    """
    _required(connection, batch_id, user)
    connection.execute(staged_files.delete().where(staged_files.c.batch_id == batch_id))
    return {"reason": "", "profile_id": None, "last_write": clock.now(), **as_columns(findings=(), summary=())}


def _required(connection: sa.Connection, batch_id: int, user: int | None) -> str:
    """Return the folder of a batch that may be opened again."""
    batch = read_batch(connection, batch_id)
    if batch.drop_folder is None:
        raise Refused("only a batch that was dropped into a folder can be opened again; send the others again")
    if user is not None and user != batch.uploader_id:
        raise Refused("only who brought a batch can open it again; reject it with a reason that says what is to be mended")
    if _holds_others(connection, batch_id, batch.drop_folder):
        raise Refused("other files of its folder are being decided on; wait until they are published or erased")
    is_open = sa.select(batches.c.id).where(
        batches.c.id != batch_id, batches.c.state == State.OPEN, batches.c.uploader_id == batch.uploader_id,
        batches.c.study_id == batch.study_id, batches.c.exam_code == batch.exam_code, batches.c.drop_folder.is_not(None),
    )  # fmt: skip
    if connection.execute(is_open).first() is not None:
        raise Conflict("there is an open batch for this exam already; seal that one first")
    return batch.drop_folder


def _holds_others(connection: sa.Connection, batch_id: int, key: str) -> bool:
    of_others = sa.select(staged_files.c.id).where(
        staged_files.c.batch_id != batch_id, staged_files.c.file.startswith(f"drops/{key}/")
    )
    return connection.execute(of_others.limit(1)).first() is not None
