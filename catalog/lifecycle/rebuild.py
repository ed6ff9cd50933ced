"""Making the catalogue anew from the store alone: studies, exams, series, files, metadata, results, the bin, and who sees them.

What lies in no store does not come back: batches at the gate, sources, tokens, the audit, who read what. May live here: which
studies, and what is shown of it. Not: from records to rows (`study_rows`, `history`), what records hold (`catalog.store`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from catalog.audit import Actor, record
from catalog.database import Database
from catalog.database.tables import exams, files, series, studies, users
from catalog.lifecycle import numbers
from catalog.lifecycle.access import bring_centres_back, bring_grants_back
from catalog.lifecycle.history import History
from catalog.lifecycle.study_rows import StudyRows
from catalog.pure.errors import Refused
from catalog.store import Store
from catalog.store.records import imports

_ROWS_AT_ONCE = 1000

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came back."""

    studies: int
    exams: int
    series: int
    files: int
    users: int
    binned: int
    """Entries of the bin."""
    bin_left: int
    """Entries of the bin that could not be made, for their numbers are others'."""
    missing: int
    """Files that the store lists and whose object it does not have."""


def rebuild(database: Database, store: Store, actor: Actor, progress: Progress) -> Rebuilt:
    """Fill an empty catalogue from the store.

    Each import is one transaction. Broken off, it is begun again with an empty catalogue.

    Args:
        database: the catalogue, of the newest shape.
        store: the store.
        actor: who does it.
        progress: called with the number of files so far.

    Raises:
        Refused: the catalogue is not empty.
        Damaged: a record of the store is damaged.
        OutOfSpace, Unavailable: catalogue or store refused.
    """
    if database.row(sa.select(studies.c.id).limit(1)) is not None:
        raise Refused("the catalogue knows studies already; only an empty one can be made anew from the store")
    numbers.lift(database, store, 0)
    done, binned, left = 0, 0, 0
    for code in store.studies():
        study = StudyRows(database, store, code)
        for about, entries in imports(store, code):
            done += study.add(about, entries)
            progress(done)
        history = History(database, store, code, study)
        binned += history.make()
        left += len(history.left)
        bring_centres_back(database, store, code, study.row)
        bring_grants_back(database, store, code, study.row)
    with database.write() as connection:
        record(connection, actor=actor.name, acting_as=actor.acting_as, action="catalogue.rebuild", detail={"files": done})
    return _summary(database, store, binned, left)


def _summary(database: Database, store: Store, binned: int, left: int) -> Rebuilt:
    return Rebuilt(
        studies=_count(database, studies), exams=_count(database, exams), series=_count(database, series),
        files=_count(database, files), users=_count(database, users), binned=binned,
        bin_left=left, missing=sum(1 for _ in _missing(database, store)),
    )  # fmt: skip


def _missing(database: Database, store: Store) -> Iterator[bytes]:
    statement = (
        sa.select(files.c.id, files.c.sha256, studies.c.code)
        .select_from(files.join(series, series.c.id == files.c.series_id).join(studies, studies.c.id == series.c.study_id))
        .order_by(files.c.id)
        .limit(_ROWS_AT_ONCE)
    )
    after = 0
    while rows := database.rows(statement.where(files.c.id > after)):
        for row in rows:
            if store.stat(row.code, row.sha256) is None:
                yield bytes(row.sha256)
        after = rows[-1].id


def _count(database: Database, table: sa.Table) -> int:
    row = database.row(sa.select(sa.func.count()).select_from(table))
    return int(row[0]) if row is not None else 0
