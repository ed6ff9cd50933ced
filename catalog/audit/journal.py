"""Writing and reading the audit. No rule of the archive is decided here.

An entry holds logins, codes, numbers and counts; never an identity (docs/laws.md, law 6). Callers hand in nothing else.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database, Row, take_turn
from catalog.database.tables import audit
from catalog.pure.chain import START, link
from catalog.pure.names import folded

_ACTOR_CHARACTERS = 64
_SUBJECT_CHARACTERS = 128
_LAST = sa.select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries or reads are asked for; an empty text or None asks for all.

    `user`: who did it, in whose name, or to whom. `since`: seconds since 1970 UTC.
    """

    user: str = ""
    study: str = ""
    since: int | None = None
    limit: int | None = None


def record(
    connection: sa.Connection,
    *,
    actor: str,
    acting_as: str = "",
    action: str,
    study: str = "",
    subject: str = "",
    detail: Mapping[str, Any] | None = None,
) -> int:
    """Add one entry in the caller's transaction, so that it stands exactly when what it records does; return its number.

    Call it behind the transaction's changes, for it takes the transaction's turn (`catalog.database.take_turn`).
    """
    take_turn(connection)
    last = connection.execute(_LAST).first()
    number = last.id + 1 if last else 1
    values: dict[str, int | str] = {
        "at": clock.now(),
        "actor": _fitting(actor, _ACTOR_CHARACTERS),
        "acting_as": acting_as,
        "action": action,
        "study": study,
        "subject": _fitting(subject, _SUBJECT_CHARACTERS),
        "detail": json.dumps(detail or {}, ensure_ascii=True, sort_keys=True, separators=(",", ":")),
    }
    chained = link(last.hash if last else START, number, *values.values())
    connection.execute(sa.insert(audit), {"id": number, **values, "hash": chained})
    return number


def entries(database: Database, wanted: Wanted | None = None, *, after: int = 0, from_oldest: bool = False) -> list[Entry]:
    """Return the newest entries that are wanted and have a number above `after`, oldest first.

    `from_oldest`: the oldest of them instead, for who reads on from there.
    """
    asked = wanted or Wanted()
    order = audit.c.id if from_oldest else audit.c.id.desc()
    newest = sa.select(audit).where(audit.c.id > after).order_by(order).limit(asked.limit)
    if asked.user:
        names = {asked.user, folded(asked.user)}
        newest = newest.where(sa.or_(audit.c.actor.in_(names), audit.c.acting_as.in_(names), audit.c.subject.in_(names)))
    if asked.study:
        newest = newest.where(audit.c.study == asked.study)
    if asked.since is not None:
        newest = newest.where(audit.c.at >= asked.since)
    found = [_entry(row) for row in database.rows(newest)]
    return found if from_oldest else found[::-1]


def _entry(row: Row) -> Entry:
    return Entry(row.id, row.at, row.actor, row.acting_as, row.action, row.study, row.subject, json.loads(row.detail))


def _fitting(text: str, limit: int) -> str:
    # A Unix login or an AE title off the wire may hold anything; an entry must not fail, and so undo its action, for that.
    return "".join(c if c.isprintable() else "?" for c in text)[:limit]
