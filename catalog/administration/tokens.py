"""Tokens: secrets that stand for a user over HTTP. Only their digests are kept."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from catalog import clock
from catalog.administration.changing import changing, find_user
from catalog.audit import Actor
from catalog.changes import ChangeKind, announce
from catalog.database import Database
from catalog.database.tables import tokens, users
from catalog.pure.errors import Invalid, NotFound

PREFIX = "amt_"  # lets a scanner for leaked secrets find one
_RANDOM_BYTES = 32
_LONGEST_SECONDS = 100 * 366 * 86400


class Scope(StrEnum):
    """What a token may be used for; the user's role and grants hold besides."""

    READ = "read"
    STAGING = "staging"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as a list shows it, without its secret. `expires` None: never."""

    id: int
    login: str
    scopes: tuple[Scope, ...]
    created: int
    expires: int | None


def token_digest(secret: str) -> bytes:
    """Return the digest under which a token's secret is kept and looked up."""
    return hashlib.sha256(secret.encode()).digest()


def create_token(database: Database, actor: Actor, login: str, scopes: Collection[Scope], expires_seconds: int | None) -> str:
    """Make a token and return its secret, which cannot be had again.

    Raises:
        Invalid: no scope, or a time to live that is not positive or beyond a hundred years.
        NotFound: there is no such user.
    """
    if not scopes:
        raise Invalid("a token needs at least one scope: read, staging or admin")
    if expires_seconds is not None and not 0 < expires_seconds <= _LONGEST_SECONDS:
        raise Invalid("a token lives for more than no time and at most a hundred years")
    secret = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    created = clock.now()
    with changing(database, actor) as (connection, note):
        user = find_user(connection, login)
        values = {
            "user_id": user.id,
            "sha256": token_digest(secret),
            "scopes": " ".join(scope for scope in Scope if scope in scopes),
            "created": created,
            "expires": None if expires_seconds is None else created + expires_seconds,
        }
        token_id = connection.execute(sa.insert(tokens).values(values).returning(tokens.c.id)).scalar_one()
        detail = {"token": token_id, "scopes": values["scopes"], "expires": values["expires"]}
        note(action="token.create", subject=user.login, detail=detail)
    return secret


def list_tokens(database: Database) -> list[Token]:
    """Return all tokens, expired ones too, in the order of logins."""
    statement = (
        sa.select(tokens.c.id, users.c.login, tokens.c.scopes, tokens.c.created, tokens.c.expires)
        .join(users, users.c.id == tokens.c.user_id)
        .order_by(users.c.login_key, tokens.c.id)
    )
    return [
        Token(row.id, row.login, tuple(Scope(scope) for scope in row.scopes.split()), row.created, row.expires)
        for row in database.rows(statement)
    ]


def revoke_token(database: Database, actor: Actor, token_id: int) -> str:
    """Make a token useless and return the login it stood for.

    Raises:
        NotFound: there is no such token.
    """
    with changing(database, actor) as (connection, note):
        row = connection.execute(
            sa.select(users.c.id, users.c.login).join(tokens, tokens.c.user_id == users.c.id).where(tokens.c.id == token_id)
        ).first()
        if row is None:
            raise NotFound(f"there is no token {token_id}; see `archimed token list`")
        connection.execute(sa.delete(tokens).where(tokens.c.id == token_id))
        note(action="token.revoke", subject=row.login, detail={"token": token_id})
        # Who checked the secret a moment ago may remember that it was right.
        announce(connection, ChangeKind.USER, user_id=row.id)
    return str(row.login)
