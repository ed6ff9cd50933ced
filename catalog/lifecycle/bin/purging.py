"""What goes for good: objects that nobody else uses, what the store's manifests say of them, their metadata, their rows.

Each step may be done twice. Objects go first, so that it works on a full disk; rows last, so that it is known what is to go.
"""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import (
    TWINS,
    bin_entries,
    bin_files,
    files,
    object_findings,
    received_instances,
    series,
    series_columns,
)
from catalog.gate.publish.stored import unfiled_objects
from catalog.jobs import Stop
from catalog.lifecycle.bin.moving import BinEntry, delete_entry
from catalog.metadata.columns import Columns, pack, unpack
from catalog.metadata.keeping import Prepared, keep
from catalog.store import ObjectStore

_PAGE = 500
_bin_columns = TWINS[series_columns]


def delete_objects(database: Database, store: ObjectStore, entry: BinEntry, study: str, stop: Stop) -> None:
    """Delete the objects of an entry that no other file of the study has, now or soon.

    Raises:
        Unavailable: the store does not answer.
    """
    coming = {unfiled.object.digest for unfiled in unfiled_objects(database, entry.study_id)}
    for page in _digests(database, entry.id):
        kept = _used(database, entry, page) | coming
        for digest in page:
            stop()
            if digest not in kept:
                store.delete(study, digest)


def delete_rows(connection: sa.Connection, entry: BinEntry) -> None:
    """Delete what the catalogue has of an entry, in the caller's transaction."""
    gone = connection.execute(sa.select(bin_files.c.row_id, bin_files.c.series_id).where(bin_files.c.bin_id == entry.id)).all()
    digests = connection.execute(sa.select(bin_files.c.sha256).where(bin_files.c.bin_id == entry.id).distinct()).scalars().all()
    came_with = sa.select(bin_files.c.batch_id).where(bin_files.c.bin_id == entry.id)
    # Who sent it is not told any more that it is stored.
    connection.execute(received_instances.delete().where(received_instances.c.batch_id.in_(came_with)))
    delete_entry(connection, entry.id)
    _forget_metadata(connection, {row.series_id for row in gone}, {row.row_id for row in gone})
    for at in range(0, len(digests), _PAGE):
        chosen = digests[at : at + _PAGE]
        used = connection.execute(_users(entry, chosen)).scalars().all()
        connection.execute(
            object_findings.delete().where(
                object_findings.c.study_id == entry.study_id,
                object_findings.c.digest.in_(chosen),
                object_findings.c.digest.not_in(used),
            )
        )


def _digests(database: Database, number: int) -> Iterator[Sequence[bytes]]:
    after = b""
    while True:
        rows = database.rows(
            sa.select(bin_files.c.sha256)
            .where(bin_files.c.bin_id == number, bin_files.c.sha256 > after)
            .distinct()
            .order_by(bin_files.c.sha256)
            .limit(_PAGE)
        )
        if not rows:
            return
        yield [bytes(row.sha256) for row in rows]
        after = rows[-1].sha256


def _used(database: Database, entry: BinEntry, digests: Sequence[bytes]) -> set[bytes]:
    return {bytes(row[0]) for row in database.rows(_users(entry, digests))}


def _users(entry: BinEntry, digests: Sequence[bytes]) -> sa.CompoundSelect[tuple[bytes]]:
    """Return the statement that gives those of some objects that another file of the study has, in the archive or the bin."""
    archived = (
        sa.select(files.c.sha256)
        .join(series, series.c.id == files.c.series_id)
        .where(files.c.sha256.in_(digests), series.c.study_id == entry.study_id)
    )
    binned = (
        sa.select(bin_files.c.sha256)
        .join(bin_entries, bin_entries.c.id == bin_files.c.bin_id)
        .where(bin_files.c.sha256.in_(digests), bin_entries.c.study_id == entry.study_id, bin_files.c.bin_id != entry.id)
    )
    return sa.union(archived, binned)


def _forget_metadata(connection: sa.Connection, touched: set[int], gone: set[int]) -> None:
    """Take the values of files that are gone from what is kept of their series, in the archive and in other entries."""
    for number in sorted(touched):
        if connection.execute(sa.select(series.c.id).where(series.c.id == number)).first() is not None:
            keep(connection, number, [], Prepared({}, {}))
    rows = connection.execute(sa.select(_bin_columns).where(_bin_columns.c.series_id.in_(touched))).all()
    for row in rows:
        packed = pack(_without(unpack(row.packed), gone))
        mine = sa.and_(_bin_columns.c.bin_id == row.bin_id, _bin_columns.c.series_id == row.series_id)
        connection.execute(_bin_columns.update().where(mine).values(packed=packed))


def _without(columns: Columns, gone: set[int]) -> Columns:
    left = [at for at, row in enumerate(columns.rows) if row not in gone]
    fields = {number: [column[at] for at in left] for number, column in columns.fields.items()}
    return Columns(tuple(columns.rows[at] for at in left), fields)
