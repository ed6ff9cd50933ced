"""Tokens of the catalogue (`archimed token create`), given as the Basic password."""

import sqlalchemy as sa

from catalog import clock
from catalog.administration import Scope, token_digest
from catalog.administration.tokens import PREFIX
from catalog.database import Database
from catalog.database.tables import tokens, users

_TOKEN = (
    sa.select(tokens.c.scopes, tokens.c.expires)
    .join(users, users.c.id == tokens.c.user_id)
    .where(tokens.c.sha256 == sa.bindparam("digest"), users.c.login_key == sa.bindparam("key"))
)

_OWNER = (
    sa.select(users.c.login)
    .join(tokens, tokens.c.user_id == users.c.id)
    .where(tokens.c.sha256 == sa.bindparam("digest"))
)  # fmt: skip


def is_token(secret: str) -> bool:
    """Whether a secret looks like a token, right or wrong; such a one is shown to no other backend."""
    return secret.startswith(PREFIX)


class TokenBackend:
    """Checks tokens; one look-up each, so nothing is remembered and a revoked token is refused at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def scopes(self, login_key: str, secret: str) -> frozenset[Scope] | None:
        """Return what the token entitles this (folded) login to, or None if it is not that login's token."""
        return self.scopes_of(login_key, token_digest(secret)) if is_token(secret) else None

    def owner(self, secret: str) -> str | None:
        """Return the login whose token it is, expired or not; None if it is nobody's."""
        row = self._database.cached_row(_OWNER, {"digest": token_digest(secret)}) if is_token(secret) else None
        return None if row is None else str(row.login)

    def scopes_of(self, login_key: str, digest: bytes) -> frozenset[Scope] | None:
        """Return the same for the digest of a token."""
        row = self._database.cached_row(_TOKEN, {"digest": digest, "key": login_key})
        if row is None or (row.expires is not None and row.expires <= clock.now()):
            return None
        return frozenset(Scope(scope) for scope in row.scopes.split())
