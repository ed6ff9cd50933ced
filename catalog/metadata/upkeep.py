"""What an administrator does to metadata: take a study's anew from its manifests, make an index of a field."""

from collections.abc import Mapping

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import fields, files, series, studies
from catalog.metadata.keeping import forget, keep, prepare
from catalog.metadata.known import find
from catalog.pure.errors import Invalid, NotFound
from catalog.pure.names import folded
from catalog.store import RecordStore, records


def refill(database: Database, store: RecordStore, study: str) -> int:
    """Read a study's manifests, write its files' metadata anew from them, and return for how many files they have some.

    One transaction a series: whoever asks meanwhile gets the old answers or the new ones of each.

    Raises:
        NotFound: there is no such study.
    """
    row = database.row(sa.select(studies.c.id, studies.c.code).where(studies.c.code_key == folded(study)))
    if row is None:
        raise NotFound(f"there is no study {study}; see `archimed study list`")
    headers = {(entry["identity"], entry["sha256"]): entry["headers"] for entry in records.manifests(store, row.code)}
    count = 0
    for each in database.rows(sa.select(series.c.id).where(series.c.study_id == row.id)):
        while (kept := _refilled(database, each.id, headers)) is None:
            pass
        count += kept
    return count


def _refilled(database: Database, series_id: int, headers: Mapping[tuple[str, str], Mapping[str, object]]) -> int | None:
    """Write the metadata of a series anew; return of how many files, None if files were added meanwhile."""
    columns = (files.c.id, files.c.identity, files.c.sha256)
    # Where a file stands may have been corrected since; what it is has not.
    found = database.rows(sa.select(*columns).where(files.c.series_id == series_id).order_by(files.c.id))
    values = {file.id: headers.get((file.identity.hex(), file.sha256.hex())) for file in found}
    known = {number: value for number, value in values.items() if value is not None}
    prepared = prepare(known.values())
    with database.write() as connection:
        there = connection.execute(sa.select(files.c.id).where(files.c.series_id == series_id)).scalars()
        if set(there) != set(values):
            return None
        forget(connection, [series_id])
        keep(connection, series_id, list(known), prepared)
    return len(known)


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
