"""What faces must drop from their caches: a growing list that they follow.

Announced in the transaction of the change itself, so a change that is seen is also true.
"""

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database, Row, take_turn, wall_clock
from catalog.database.tables import changes, grants
from catalog.pure.errors import ArchimedError
from catalog.pure.nodes import Kind, NodeId


class ChangeKind(StrEnum):
    """What changed."""

    PUBLISHED = "published"  # a study has new exams, series or files
    GRANTED = "granted"  # a user may see a study
    REVOKED = "revoked"  # a user may not see a study any more
    NARROWED = "narrowed"  # a user, or all, may not see some exams of a study any more
    ROLE = "role"  # a user has another role
    USER = "user"  # a user was added or removed
    GONE = "gone"  # a name is not in its folder any more
    UNKNOWN = "unknown"  # never announced: what a newer program announced, so anything may have changed

    @classmethod
    def _missing_(cls, _value: object) -> "ChangeKind":
        return cls.UNKNOWN


@dataclass(frozen=True, slots=True)
class Change:
    """One announcement. `study_id` None means all studies, `user_id` None all who have the study.

    `folder` and `name` say what is gone, where something is.
    """

    id: int
    kind: ChangeKind
    study_id: int | None
    user_id: int | None
    folder: NodeId | None = None
    name: str = ""


def announce(connection: sa.Connection, kind: ChangeKind, study_id: int | None = None, user_id: int | None = None) -> None:
    """Tell the followers, when the caller's transaction commits. Call it as the transaction's last statement."""
    _announce(connection, {"kind": kind.value, "study_id": study_id, "user_id": user_id})


def announce_gone(connection: sa.Connection, study_id: int, folder: NodeId, name: str) -> None:
    """Tell the followers that a folder of a study has no child of that name any more; otherwise as `announce`."""
    values = {"study_id": study_id, "folder_kind": int(folder.kind), "folder_id": folder.row, "name": name}
    _announce(connection, {"kind": ChangeKind.GONE.value, **values})


def _announce(connection: sa.Connection, values: dict[str, object]) -> None:
    # Numbers are drawn before the commit: a follower could see 8, remember it, and never see the 7 that commits later.
    take_turn(connection)
    connection.execute(sa.insert(changes), {"at": clock.now(), **values})


def newest(database: Database) -> int:
    """Return the number of the newest announcement, 0 if there is none: where a follower with empty caches begins."""
    row = database.row(sa.select(sa.func.coalesce(sa.func.max(changes.c.id), 0)))
    return int(row[0]) if row else 0


def content_changed(connection: sa.Connection, study_id: int, last_id: int) -> bool:
    """Whether exams, series or files of a study were changed after announcement number `last_id`."""
    later = sa.select(changes.c.id).where(
        changes.c.id > last_id,
        changes.c.kind.in_((ChangeKind.PUBLISHED.value, ChangeKind.GONE.value)),
        sa.or_(changes.c.study_id == study_id, changes.c.study_id.is_(None)),
    )
    return connection.execute(later.limit(1)).first() is not None


class FeedReplaced(ArchimedError):
    """What a follower read last is not in the catalogue: it is another one, say from a backup. Begin again at `newest`."""


def since(database: Database, last_id: int) -> list[Change]:
    """Return the announcements after number `last_id`, oldest first.

    Raises:
        FeedReplaced: number `last_id`, which is not 0, was never announced in this catalogue.
    """
    statement = sa.select(changes).where(changes.c.id >= last_id).order_by(changes.c.id)
    rows = database.rows(statement)
    if last_id and (not rows or rows[0].id != last_id):
        raise FeedReplaced("the catalogue is not the one whose changes were followed")
    return [_change(row) for row in rows if row.id > last_id]


def ended(database: Database, after: int) -> tuple[int, list[Change]]:
    """Return the time by the catalogue's clock, and what ended by it alone after that time: nobody announces that.

    Args:
        after: seconds since 1970; what an earlier call returned, so that nothing is passed over.
    """
    clock_now = database.row(sa.select(wall_clock()))
    now = int(clock_now[0]) if clock_now is not None else after
    over = sa.select(grants.c.user_id, grants.c.study_id).where(grants.c.until > after, grants.c.until <= now)
    return now, [Change(0, ChangeKind.REVOKED, row.study_id, row.user_id) for row in database.rows(over)]


def _change(row: Row) -> Change:
    """Return a row as what it announces; one that cannot be read announces that anything may have changed."""
    try:
        folder = NodeId(Kind(row.folder_kind), row.folder_id) if row.folder_kind is not None else None
    except ValueError:
        return Change(row.id, ChangeKind.UNKNOWN, None, None)
    return Change(row.id, ChangeKind(row.kind), row.study_id, row.user_id, folder, row.name or "")
