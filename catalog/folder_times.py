"""When folders of the tree changed: something appeared in one, or left it. Shown as their mtime and ctime.

As in POSIX, what happens further below does not count. May live here: these times. Not: what a face makes of them.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from catalog.database.tables import exams, folders, series, studies
from catalog.pure.nodes import Kind, NodeId

_ROWS_AT_ONCE = 500

# Each table of folders, with the column that tells since when it is there.
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
