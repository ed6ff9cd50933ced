"""What rows of the tree say that follows from others: when a folder changed, when an exam was acquired, what a result is of.

A folder changed when something appeared in it or left it; it is shown as its mtime and ctime. As in POSIX, what happens further
below does not count. May live here: such values, in the transaction that changes the rows. Not: what a face makes of them.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from catalog.database.tables import exams, folders, results, series, studies
from catalog.pure.nodes import Kind, NodeId
from catalog.pure.results import FILE_TYPE

_ROWS_AT_ONCE = 500

# Each table of folders, with the column that says since when it is there.
_MADE = {
    Kind.STUDY: (studies, studies.c.created),
    Kind.EXAM: (exams, exams.c.added),
    Kind.SERIES: (series, series.c.added),
    Kind.FOLDER: (folders, folders.c.added),
}


def changed(kind: Kind) -> sa.ColumnElement[int]:
    """Return the time at which a folder of that kind changed last: seconds since 1970, on its table."""
    table, made = _MADE[kind]
    return sa.func.coalesce(table.c.changed, made)


def touch(connection: sa.Connection, touched: Iterable[NodeId], now: int) -> None:
    """Say of folders that they changed, in the transaction that changes them; once, for one that is named again counts twice.

    A time is raised by a second at least, even where the clock was set back: entity tags are made of it.

    Args:
        touched: studies, exams, series and folders of results; those that are gone do not count.
        now: seconds since 1970.
    """
    wanted = set(touched)
    for kind, (table, _) in _MADE.items():
        rows = sorted(node.row for node in wanted if node.kind is kind)
        before = changed(kind)
        for at in range(0, len(rows), _ROWS_AT_ONCE):
            some = table.c.id.in_(rows[at : at + _ROWS_AT_ONCE])
            connection.execute(table.update().where(some).values(changed=sa.case((before < now, now), else_=before + 1)))


def date_exam(connection: sa.Connection, exam: int) -> None:
    """Let an exam be as old as the first of its series that was acquired."""
    earliest = sa.select(sa.func.min(series.c.acquired)).where(series.c.exam_id == exam).scalar_subquery()
    connection.execute(exams.update().where(exams.c.id == exam).values(acquired=earliest))


def link_results(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """Let results be of the series of their number that stands in their exam; of none, where there is none.

    Args:
        which: a condition on the table `results`.
    """
    one, source = series.alias(), series.alias()
    same = (
        sa.select(sa.func.min(source.c.id))
        .select_from(one.join(source, sa.and_(source.c.exam_id == one.c.exam_id, source.c.number == one.c.number)))
        .where(one.c.id == results.c.series_id, source.c.file_type != FILE_TYPE)
    )
    connection.execute(results.update().where(which).values(source_id=same.scalar_subquery()))
