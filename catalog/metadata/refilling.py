"""Taking a study's metadata anew from its manifests: for what was published before there were any, or when some were lost."""

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import files, series, studies
from catalog.metadata.keeping import forget, keep, prepare
from catalog.pure.errors import NotFound
from catalog.pure.names import folded
from catalog.store import RecordStore, records


def refill(database: Database, store: RecordStore, study: str) -> int:
    """Forget what is known of a study's files, read its manifests, and return of how many files they told.

    One transaction: whoever asks meanwhile gets the old answers.

    Raises:
        NotFound: there is no such study.
    """
    row = database.row(sa.select(studies.c.id, studies.c.code).where(studies.c.code_key == folded(study)))
    if row is None:
        raise NotFound(f"there is no study {study}; see `archimed study list`")
    told = {(entry["identity"], entry["sha256"]): entry["headers"] for entry in records.manifests(store, row.code)}
    count = 0
    with database.write() as connection:
        found = connection.execute(sa.select(series.c.id).where(series.c.study_id == row.id)).scalars().all()
        for each in found:
            forget(connection, [each])
            columns = (files.c.id, files.c.identity, files.c.sha256)
            # Where a file stands may have been corrected since; what it is has not.
            rows = connection.execute(sa.select(*columns).where(files.c.series_id == each).order_by(files.c.id)).all()
            values = {file.id: told.get((file.identity.hex(), file.sha256.hex())) for file in rows}
            known = {number: value for number, value in values.items() if value is not None}
            keep(connection, each, list(known), prepare(known.values()))
            count += len(known)
    return count
