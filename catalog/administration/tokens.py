"""Tokens: secrets that stand for a user over HTTP. Only their digests are kept."""

import hashlib
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import sqlalchemy as sa

from catalog import clock
from catalog.administration.changing import User, changing, find_user
from catalog.audit import Actor, record
from catalog.changes import ChangeKind, announce
from catalog.database import Database
from catalog.database.tables import tokens, users
from catalog.pure.access import Action, Principal
from catalog.pure.errors import Invalid, NotFound, Refused

PREFIX = "amt_"  # lets a scanner for leaked secrets find one
_RANDOM_BYTES = 32
_MOST_OF_ONE = 50
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
    _check(scopes, expires_seconds)
    with changing(database, actor) as (connection, note):
        return _insert(connection, note, find_user(connection, login), scopes, expires_seconds)


def create_own_token(
    database: Database, user: Principal, scopes: Collection[Scope], expires_seconds: int | None, *, with_token: bytes = b""
) -> str:
    """Make a token for oneself and return its secret, which cannot be had again.

    Args:
        database: the catalogue.
        user: who asks, and whose it is.
        scopes: what it is to be good for; `admin` takes the role administrator.
        expires_seconds: how long it holds; None: for good.
        with_token: digest of the token that one is logged in with: the new one is good for no more, and holds no longer.

    Raises:
        Invalid: as `create_token`.
        Refused: more than the token that one is logged in with; `admin` without the role; too many tokens.
    """
    _check(scopes, expires_seconds)
    if Scope.ADMIN in scopes and not user.may(Action.ADMINISTER):
        raise Refused("a token with the scope admin is for administrators")
    now = clock.now()
    with database.write() as connection:
        own_row = find_user(connection, user.login)
        own = sa.select(sa.func.count()).where(
            tokens.c.user_id == user.user_id, sa.or_(tokens.c.expires.is_(None), tokens.c.expires > now)
        )
        if connection.execute(own).scalar_one() >= _MOST_OF_ONE:
            raise Refused(f"you have {_MOST_OF_ONE} tokens already; revoke one that you do not use")
        if with_token:
            _require_no_more(connection, with_token, scopes, expires_seconds, now)
        note = partial(record, connection, actor=user.login)
        return _insert(connection, note, own_row, scopes, expires_seconds)


def _require_no_more(
    connection: sa.Connection, digest: bytes, scopes: Collection[Scope], expires_seconds: int | None, now: int
) -> None:
    row = connection.execute(sa.select(tokens.c.scopes, tokens.c.expires).where(tokens.c.sha256 == digest)).first()
    if row is None or not set(scopes) <= set(row.scopes.split()):
        raise Refused("you are logged in with a token, and it is not good for that: log in with your password")
    if row.expires is not None and (expires_seconds is None or now + expires_seconds > row.expires):
        raise Refused("you are logged in with a token, and a new one cannot hold longer than that: log in with your password")


def _check(scopes: Collection[Scope], expires_seconds: int | None) -> None:
    if not scopes:
        raise Invalid("a token needs at least one scope: read, staging or admin")
    if expires_seconds is not None and not 0 < expires_seconds <= _LONGEST_SECONDS:
        raise Invalid("a token lives for more than no time and at most a hundred years")


def _insert(
    connection: sa.Connection, note: Callable[..., int], user: User, scopes: Collection[Scope], expires_seconds: int | None
) -> str:
    secret = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    created = clock.now()
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


def list_tokens(database: Database, user: Principal | None = None) -> list[Token]:
    """Return all tokens, expired ones too, in the order of logins; or those of one user."""
    statement = (
        sa.select(tokens.c.id, users.c.login, tokens.c.scopes, tokens.c.created, tokens.c.expires)
        .join(users, users.c.id == tokens.c.user_id)
        .where(sa.true() if user is None else tokens.c.user_id == user.user_id)
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
        return _delete(connection, note, token_id, sa.true(), "see `archimed token list`")


def revoke_own_token(database: Database, user: Principal, token_id: int) -> None:
    """Make a token of one's own useless.

    Raises:
        NotFound: there is no such token, or it is somebody else's.
    """
    with database.write() as connection:
        note = partial(record, connection, actor=user.login)
        _delete(connection, note, token_id, tokens.c.user_id == user.user_id, "look at the list of yours")


def _delete(
    connection: sa.Connection, note: Callable[..., int], token_id: int, whose: sa.ColumnElement[bool], what_to_do: str
) -> str:
    row = connection.execute(
        sa.select(users.c.id, users.c.login).join(tokens, tokens.c.user_id == users.c.id).where(tokens.c.id == token_id, whose)
    ).first()
    if row is None:
        raise NotFound(f"there is no token {token_id}; {what_to_do}")
    connection.execute(sa.delete(tokens).where(tokens.c.id == token_id))
    note(action="token.revoke", subject=row.login, detail={"token": token_id})
    # Who checked the secret a moment ago may remember that it was right.
    announce(connection, ChangeKind.USER, user_id=row.id)
    return str(row.login)
