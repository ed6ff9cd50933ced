"""Writing and reading the audit. No rule of the archive is decided here.

An entry holds logins, codes, numbers and counts; never an identity (DESIGN, law 6). Callers hand in nothing else.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import audit

_ACTOR_CHARACTERS = 64
_SUBJECT_CHARACTERS = 128


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: the Unix login or service, and the archive login whose role and grants it uses ('' if none)."""

    name: str
    acting_as: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One audited action, as `catalog.database.tables.audit` describes its columns; `detail` is the decoded JSON object."""

    id: int
    at: int
    actor: str
    acting_as: str
    action: str
    study: str
    subject: str
    detail: dict[str, Any]


def record(
    connection: sa.Connection,
    *,
    actor: str,
    acting_as: str = "",
    action: str,
    study: str = "",
    subject: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add one entry in the caller's transaction, so that it stands exactly when what it records does."""
    values = {
        "at": clock.now(),
        "actor": _fitting(actor, _ACTOR_CHARACTERS),
        "acting_as": acting_as,
        "action": action,
        "study": study,
        "subject": _fitting(subject, _SUBJECT_CHARACTERS),
        "detail": json.dumps(detail or {}, ensure_ascii=True, sort_keys=True, separators=(",", ":")),
    }
    connection.execute(sa.insert(audit), values)


def entries(database: Database, *, limit: int | None = None, after: int = 0) -> list[Entry]:
    """Return the newest `limit` entries (None: all) with an id above `after`, oldest first."""
    newest = sa.select(audit).where(audit.c.id > after).order_by(audit.c.id.desc()).limit(limit)
    return [
        Entry(row.id, row.at, row.actor, row.acting_as, row.action, row.study, row.subject, json.loads(row.detail))
        for row in reversed(database.rows(newest))
    ]


def _fitting(text: str, limit: int) -> str:
    # A Unix login or an AE title off the wire may hold anything; an entry must not fail, and so undo its action, for that.
    return "".join(c if c.isprintable() else "?" for c in text)[:limit]
