"""Sessions of the web pages: a browser's secret that stands for a user, until it is quiet for too long. Only digests are kept.

Anybody begins a session of their own and ends it; the audit says so. May live here: beginning, finding, listing, ending them.
Not: cookies, pages, who may log in.
"""

import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.administration.tokens import Scope, token_digest
from catalog.audit import record
from catalog.database import Database
from catalog.database.tables import tokens, users, web_sessions
from catalog.pure.access import Principal, Role

LONGEST_SECONDS = 12 * 3600
"""A session ends then, however much it is used."""

_RANDOM_BYTES = 32
_NOTED_SECONDS = 30  # a request writes only when the last one that did is older
_PROGRAM_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class WebSession:
    """A session as it is now. Times are seconds since 1970 UTC; `token` is the digest of the token it began with, if it did."""

    id: int
    principal: Principal
    scopes: frozenset[Scope]
    token: bytes
    program: str
    began: int
    used: int


def begin_session(database: Database, user: Principal, scopes: frozenset[Scope], token: bytes, program: str) -> str:
    """Begin a session and return its secret, which cannot be had again.

    Args:
        database: the catalogue.
        user: whose it is.
        scopes: what the credentials were good for.
        token: the digest of the token that was the password: the session ends with it; b'' for a real password.
        program: what the browser calls itself.
    """
    secret = secrets.token_urlsafe(_RANDOM_BYTES)
    now = clock.now()
    of_token = sa.select(tokens.c.id).where(tokens.c.sha256 == token).scalar_subquery() if token else None
    shown = "".join(c if c.isprintable() else "?" for c in program)[:_PROGRAM_CHARACTERS]
    with database.write() as connection:
        connection.execute(web_sessions.delete().where(web_sessions.c.began <= now - LONGEST_SECONDS))
        values = {
            "user_id": user.user_id, "sha256": token_digest(secret), "token_id": of_token, "program": shown, "began": now,
            "used": now, "scopes": " ".join(scope for scope in Scope if scope in scopes),
        }  # fmt: skip
        number = connection.execute(sa.insert(web_sessions).values(values).returning(web_sessions.c.id)).scalar_one()
        record(connection, actor=user.login, action="session.begin", subject=user.login, detail={"session": number})
    return secret


def find_session(database: Database, secret: str, idle_seconds: int) -> WebSession | None:
    """Return the session of a secret, and note that it was used; None if there is none, or it was quiet for too long."""
    now = clock.now()
    row = database.row(_alive(now, idle_seconds).where(web_sessions.c.sha256 == token_digest(secret)))
    if row is None:
        return None
    if row.used <= now - _NOTED_SECONDS:
        with database.write() as connection:
            connection.execute(web_sessions.update().where(web_sessions.c.id == row.id).values(used=now))
    return _session(row)


def list_sessions(database: Database, user: Principal, idle_seconds: int) -> list[WebSession]:
    """Return the sessions of a user that are alive, the oldest first."""
    statement = _alive(clock.now(), idle_seconds).where(web_sessions.c.user_id == user.user_id)
    return [_session(row) for row in database.rows(statement.order_by(web_sessions.c.id))]


def end_sessions(database: Database, user: Principal, number: int | None = None) -> int:
    """End one session of a user, or all without a number; return how many were ended."""
    which = web_sessions.c.user_id == user.user_id
    if number is not None:
        which = sa.and_(which, web_sessions.c.id == number)
    with database.write() as connection:
        ended = int(connection.execute(web_sessions.delete().where(which)).rowcount)
        if ended:
            detail = {"session": number} if number is not None else {"sessions": ended}
            record(connection, actor=user.login, action="session.end", subject=user.login, detail=detail)
    return ended


def _alive(now: int, idle_seconds: int) -> sa.Select[*tuple[object, ...]]:
    # A clock that was set back ends no session too late: what is used in the future is as good as ended.
    columns = web_sessions.c
    return (
        sa.select(
            columns.id, columns.user_id, columns.scopes, columns.program, columns.began, columns.used, users.c.login,
            users.c.role, tokens.c.sha256.label("token"),
        )
        .join(users, users.c.id == columns.user_id)
        .outerjoin(tokens, tokens.c.id == columns.token_id)
        .where(columns.used > now - idle_seconds, columns.began > now - LONGEST_SECONDS)
        .where(sa.or_(tokens.c.expires.is_(None), tokens.c.expires > now))
    )  # fmt: skip


def _session(row: sa.Row[*tuple[object, ...]]) -> WebSession:
    scopes = frozenset(Scope(scope) for scope in row.scopes.split())
    return WebSession(
        row.id, Principal(row.user_id, row.login, Role(row.role)), scopes, row.token or b"", row.program, row.began, row.used
    )
