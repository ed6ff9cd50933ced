"""What was drawn of staged images for whom: written down when it is shown, counted when somebody says "I looked through them".

May live here: rows of `looks`. Not: who may see a batch (`queries`), what follows from it (`catalog/pure/looking.py`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database, Row
from catalog.database.tables import looks, staged_files
from catalog.pure.looking import Evidence, SeenSeries
from catalog.pure.staged_files import NEVER_PUBLISHED

UNDRAWABLE = -1
_SUSPICION = "burned_in"
_Rows = Callable[[sa.Select[Any]], Sequence[Row]]


def note_drawn(database: Database, user: int, file: int, frame: int, frames: int) -> None:
    """Write down that a picture was shown to a user.

    Args:
        database: the catalogue.
        user: the user's row.
        file: the staged file.
        frame: which of its pictures, from 0; `UNDRAWABLE`: it was asked for, and could not be drawn.
        frames: how many it has.
    """
    key = {"file_id": file, "user_id": user, "frame": frame}
    known = sa.select(looks.c.frame).where(*(looks.c[name] == value for name, value in key.items()))
    if database.row(known) is not None:
        return
    # From the staged file, which may be gone by now: then there is nothing to be seen any more.
    with database.write() as connection:
        if connection.execute(sa.select(staged_files.c.id).where(staged_files.c.id == file)).first() is not None:
            values = key | {"frames": frames, "at": clock.now()}
            connection.execute(database.insert_new(looks).values(values).on_conflict_do_nothing())


def evidence(
    rows: _Rows, batch: int, user: int | None, labels: Collection[str], findings: Sequence[Mapping[str, Any]]
) -> Evidence:
    """Return what a user was shown of series of a batch.

    Args:
        rows: runs a statement.
        batch: the batch.
        user: the user's row; None, the machine itself, was shown nothing.
        labels: of the series; none: all.
        findings: what the checks found of the batch.
    """
    mine = sa.and_(looks.c.user_id == user, looks.c.frame >= 0) if user is not None else sa.false()
    failed = sa.and_(looks.c.user_id == user, looks.c.frame == UNDRAWABLE) if user is not None else sa.false()
    known = sa.func.coalesce(sa.func.max(looks.c.frames), 1)
    of_file = (
        sa.select(
            staged_files.c.series.label("series"),
            known.label("images"),
            sa.func.sum(sa.case((mine, 1), else_=0)).label("seen"),
            sa.func.max(sa.case((failed, 1), else_=0)).label("failed"),
        )
        .select_from(staged_files.outerjoin(looks, looks.c.file_id == staged_files.c.id))
        .where(staged_files.c.batch_id == batch, staged_files.c.series != "", staged_files.c.state.not_in(NEVER_PUBLISHED))
        .group_by(staged_files.c.id, staged_files.c.series)
        .subquery()
    )
    each = of_file.c
    drawn = sa.case((each.seen > 0, 0), else_=each.failed)
    statement = (
        sa.select(each.series, sa.func.sum(each.images), sa.func.sum(each.seen), sa.func.sum(drawn))
        .group_by(each.series)
        .order_by(each.series)
    )
    if labels:
        statement = statement.where(each.series.in_(labels))
    suspected = {finding.get("series", "") for finding in findings if finding["check"] == _SUSPICION}
    return Evidence(
        [
            SeenSeries(label, int(images), int(seen), int(undrawable), suspected=label in suspected)
            for label, images, seen, undrawable in rows(statement)
        ]
    )
