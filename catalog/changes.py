"""What faces must drop from their caches: a growing list that they follow.

Announced in the transaction of the change itself, so a change that is seen is also true.
"""

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import changes

_POSTGRESQL_LOCK = 0x6172636869  # "archi": any number that no other program uses in this database


class ChangeKind(StrEnum):
    """What changed."""

    PUBLISHED = "published"  # a study has new exams, series or files
    GRANTED = "granted"  # a user may see a study
    REVOKED = "revoked"  # a user may not see a study any more
    ROLE = "role"  # a user has another role
    USER = "user"  # a user was added or removed


@dataclass(frozen=True, slots=True)
class Change:
    """One announcement. `study_id` None means all studies, `user_id` None all who have the study."""

    id: int
    kind: ChangeKind
    study_id: int | None
    user_id: int | None


def announce(connection: sa.Connection, kind: ChangeKind, study_id: int | None = None, user_id: int | None = None) -> None:
    """Tell the followers, when the caller's transaction commits. Call it as the transaction's last statement."""
    if connection.dialect.name == "postgresql":
        # Numbers are drawn before the commit: without this lock a follower could see 8, remember it, and never see the 7 that
        # commits later. Held to the end of the transaction, hence "last".
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_POSTGRESQL_LOCK)))
    connection.execute(sa.insert(changes), {"at": clock.now(), "kind": kind.value, "study_id": study_id, "user_id": user_id})


def newest(database: Database) -> int:
    """Return the number of the newest announcement, 0 if there is none: where a follower with empty caches begins."""
    row = database.row(sa.select(sa.func.coalesce(sa.func.max(changes.c.id), 0)))
    return int(row[0]) if row else 0


def since(database: Database, last_id: int) -> list[Change]:
    """Return the announcements after number `last_id`, oldest first."""
    statement = (
        sa.select(changes.c.id, changes.c.kind, changes.c.study_id, changes.c.user_id)
        .where(changes.c.id > last_id)
        .order_by(changes.c.id)
    )
    return [Change(row.id, ChangeKind(row.kind), row.study_id, row.user_id) for row in database.rows(statement)]
