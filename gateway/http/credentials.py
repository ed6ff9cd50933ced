"""Who asks: the Authorization header of one request -> a session, or `Unauthenticated`.

A backend says whether a login and a secret belong together and what that entitles to; users and roles are the catalogue's and
are read for every request, so that a removed user or a lowered role counts with the next one. Nothing is cached: a token costs
one look-up. A backend that is slow or that counts failures (PAM, LDAP) has to bring its own cache, for itself alone.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from catalog import clock
from catalog.administration import Scope, principal, token_digest
from catalog.administration.tokens import PREFIX
from catalog.database import Database
from catalog.database.tables import tokens, users
from catalog.pure.access import Principal
from catalog.pure.errors import ArchimedError, NotFound
from catalog.pure.names import folded

CHALLENGE = 'Basic realm="ArchiMed", charset="UTF-8"'
_LONGEST = 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_TOKEN = (
    sa.select(tokens.c.scopes, tokens.c.expires)
    .join(users, users.c.id == tokens.c.user_id)
    .where(tokens.c.sha256 == sa.bindparam("digest"), users.c.login_key == sa.bindparam("key"))
)


class Unauthenticated(ArchimedError):
    """Nobody the archive knows: no credentials, malformed ones, or wrong ones. The text does not say which."""

    def __init__(self) -> None:
        super().__init__("log in with your login and a token; make one with `archimed token create`")


@dataclass(frozen=True, slots=True)
class Session:
    """An authenticated request: who asks, and what the credentials are good for."""

    principal: Principal
    scopes: frozenset[Scope]


class Authenticator(Protocol):
    """What the front needs of credentials."""

    def authenticate(self, header: str | None) -> Session:
        """Return the session of a request with this Authorization header.

        Raises:
            Unauthenticated: it proves nothing.
            Unavailable: nobody can tell at the moment.
        """


class Backend(Protocol):
    """One way to check a secret. Called from many threads at once."""

    def scopes(self, login_key: str, secret: str) -> frozenset[Scope] | None:
        """Return what the secret entitles this (folded) login to, or None if it is not that login's secret."""


class Credentials:
    """The authenticator of the archive: Basic, checked by each backend in turn until one says yes."""

    def __init__(self, database: Database, backends: Sequence[Backend]) -> None:
        self._database = database
        self._backends = tuple(backends)

    def authenticate(self, header: str | None) -> Session:
        """Return the session of a request; see `Authenticator`."""
        login, secret = parse_basic(header)
        key = folded(login)
        for backend in self._backends:
            scopes = backend.scopes(key, secret)
            if scopes is not None:
                break
        else:
            raise Unauthenticated
        try:
            return Session(principal(self._database, login), scopes)
        except NotFound:
            raise Unauthenticated from None


class TokenBackend:
    """Tokens of the catalogue (`archimed token create`), given as the Basic password."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def scopes(self, login_key: str, secret: str) -> frozenset[Scope] | None:
        """Return the token's scopes; see `Backend`."""
        if not secret.startswith(PREFIX):
            return None
        row = self._database.row(_TOKEN, {"digest": token_digest(secret), "key": login_key})
        if row is None or (row.expires is not None and row.expires <= clock.now()):
            return None
        return frozenset(Scope(scope) for scope in row.scopes.split())


def parse_basic(header: str | None) -> tuple[str, str]:
    r"""Return login and secret of an Authorization header; a Windows domain (`DOMAIN\login`) is dropped.

    Raises:
        Unauthenticated: it is missing, another scheme, or malformed, or no backend should be bothered with it.
    """
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic" or len(encoded) > 4 * _LONGEST:
        raise Unauthenticated
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise Unauthenticated from None
    login, colon, secret = decoded.partition(":")
    login = login.rpartition("\\")[2]
    # A NUL would end the secret early in C libraries; an empty one means "anonymous" to LDAP servers.
    if not (colon and login and secret) or len(decoded) > _LONGEST or _CONTROL.search(decoded):
        raise Unauthenticated
    return login, secret
