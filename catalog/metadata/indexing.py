"""Indexes on demand: a field that many questions are about gets an index of its own, without a migration."""

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import fields
from catalog.metadata.known import find
from catalog.pure.errors import Invalid


def make_index(database: Database, name: str) -> bool:
    """Make an index of a field; return False if there is one.

    Raises:
        Invalid: nothing is kept under that name.
    """
    field = find(name)
    with database.write() as connection:
        row = connection.execute(
            sa.select(fields.c.id, fields.c.indexed).where(fields.c.name == (field.name if field else name))
        ).first()
        if row is None:
            raise Invalid(f"no metadata are kept under the name {name}; `archimed query --fields` lists what there can be")
        if row.indexed:
            return False
        # Of this field alone, and with all that a question asks of it: the table itself is not read. The number is ours.
        connection.execute(
            sa.text(
                f"create index if not exists ix_series_values_field_{int(row.id)}"
                " on series_values (field_id, low, high, text, spread, series_id)"
                f" where field_id = {int(row.id)}"
            )
        )
        connection.execute(fields.update().where(fields.c.id == row.id).values(indexed=1))
    return True
