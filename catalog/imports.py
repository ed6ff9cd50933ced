"""What the store calls the imports that files came with: by their ids, for numbers of batches may be given again."""

import sqlalchemy as sa

from catalog.database.tables import batches, files


def imports_of(connection: sa.Connection, which: sa.ColumnElement[bool]) -> tuple[str, ...]:
    """Return the ids of the imports that some files of the archive came with, in order.

    Args:
        connection: the caller's transaction.
        which: says of `files` which are meant.
    """
    # A batch that was forgotten had no id: the store knows it by its number.
    called = sa.func.coalesce(batches.c.import_id, sa.cast(files.c.batch_id, sa.Text))
    found = sa.select(called).select_from(files.outerjoin(batches, batches.c.id == files.c.batch_id)).where(which)
    return tuple(sorted(connection.execute(found.distinct()).scalars()))
