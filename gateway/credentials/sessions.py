"""The chain: each backend in its configured order until one says yes; then the catalogue's user, role and all.

Whether somebody is a user, and in which role, is read from the catalogue for every request and never remembered, so that a
removed user or a lowered role counts with the next one. Grants are the view's, in every statement.

A user is made by hand (`archimed user add`), except where a backend's groups give the role: then the first right password
makes the user, and each fresh check brings the role up to date. Studies are granted one by one in any case.
"""

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from catalog.administration import Actor, Scope, add_user, principal, set_role, token_digest
from catalog.audit import Refusals
from catalog.database import Database
from catalog.pure.access import Principal
from catalog.pure.errors import Conflict, Invalid, NotFound, Unavailable
from catalog.pure.names import check_login, folded
from gateway.credentials.addresses import client_address
from gateway.credentials.asking import Asking, Proof
from gateway.credentials.basic import Unauthenticated, parse_basic, parse_bearer, without_realm
from gateway.credentials.tokens import TokenBackend, is_token

_ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Session:
    """An authenticated request: who asks, what the credentials are good for, and the digest of the token, if it was one."""

    principal: Principal
    scopes: frozenset[Scope]
    token: bytes = b""


class Authenticator(Protocol):
    """What the front needs of credentials."""

    def authenticate(self, header: str | None, peer: str, forwarded: str) -> Session:
        """Return the session of a request with this Authorization header.

        Args:
            header: the Authorization header.
            peer: address of the other end of the connection.
            forwarded: header X-Forwarded-For, "" if there is none.

        Raises:
            Unauthenticated: it proves nothing.
            Unavailable: it cannot be found out at the moment.
        """

    def address(self, peer: str, forwarded: str) -> str:
        """Return where a request comes from; arguments as of `authenticate`."""

    def holds(self, session: Session) -> bool:
        """Whether a session of a moment ago still stands: the user is there, and so is the token.

        Raises:
            Unavailable: it cannot be found out at the moment.
        """


class Credentials:
    """The authenticator of the archive.

    A secret that looks like a token is for the token backend alone: it never reaches PAM or a directory.
    """

    def __init__(
        self,
        database: Database,
        tokens: TokenBackend | None,
        passwords: Sequence[Asking] = (),
        *,
        realms: Collection[str] = (),
        proxies: Collection[str] = (),
        refusals: Refusals | None = None,
    ) -> None:
        self._database = database
        self._refusals = refusals
        self._tokens = tokens
        self._passwords = tuple(passwords)
        self._realms = frozenset(folded(realm) for realm in realms)
        self._proxies = frozenset(proxies)

    def authenticate(self, header: str | None, peer: str = "", forwarded: str = "") -> Session:
        """Return the session of a request; see `Authenticator`."""
        try:
            return self._authenticate(header, peer, forwarded)
        except Unauthenticated:
            if header is not None and self._refusals is not None:  # clients ask without a login first
                self._refusals.note(self._known_login(header), self.address(peer, forwarded))
            raise

    def address(self, peer: str, forwarded: str) -> str:
        """Return where a request comes from; see `Authenticator`."""
        return client_address(peer, forwarded, self._proxies)

    def holds(self, session: Session) -> bool:
        """Whether a session of a moment ago still stands; see `Authenticator`."""
        user = session.principal
        if session.token and not (self._tokens and self._tokens.scopes_of(folded(user.login), session.token)):
            return False
        found = self._find(user.login)
        return found is not None and found.user_id == user.user_id

    def _known_login(self, header: str) -> str | None:
        try:
            user = self._find(without_realm(parse_basic(header)[0], self._realms))
        except (Unauthenticated, Unavailable):
            return None
        return user.login if user else None

    def _authenticate(self, header: str | None, peer: str, forwarded: str) -> Session:
        token = parse_bearer(header)
        if token is not None:
            return self._by_token(self._owner(token), token)
        login, secret = parse_basic(header)
        login = without_realm(login, self._realms)
        if is_token(secret):
            return self._by_token(login, secret)
        user = self._find(login)
        if user is not None and any(asking.remembers(user, secret) for asking in self._passwords):
            return Session(user, _ALL_SCOPES)
        if self._is_right(user, login, secret, self.address(peer, forwarded)):
            user = self._find(login)  # once more: asking takes time, and may have made the user
            if user is not None:
                return Session(user, _ALL_SCOPES)
        raise Unauthenticated

    def _owner(self, token: str) -> str:
        owner = self._tokens.owner(token) if self._tokens else None
        if owner is None:
            raise Unauthenticated
        return owner

    def _by_token(self, login: str, secret: str) -> Session:
        scopes = self._tokens.scopes(folded(login), secret) if self._tokens else None
        user = self._find(login) if scopes is not None else None
        if scopes is None or user is None:
            raise Unauthenticated
        return Session(user, scopes, token_digest(secret))

    def _is_right(self, user: Principal | None, login: str, secret: str, address: str) -> bool:
        unavailable: Unavailable | None = None
        for asking in self._passwords:
            spelled = user.login if user else folded(login)
            try:
                if user is None and not (asking.backend.admits and _may_be_made(login)):
                    asking.refuse(spelled, secret, address)
                elif asking.is_right(user, spelled, secret, address, lambda proof: self._admit(user, spelled, proof)):  # noqa: B023 - called within this turn
                    return True
            except Unavailable as error:
                unavailable = error
        if unavailable is not None:
            # Another backend said no, but the one that is away might say yes.
            raise unavailable
        return False

    def _admit(self, user: Principal | None, login: str, proof: Proof) -> Principal:
        if proof.role is not None and (user is None or user.role is not proof.role):
            actor = Actor("ldap")
            if user is None:
                with contextlib.suppress(Conflict):  # another process was first
                    add_user(self._database, actor, login, proof.role)
            with contextlib.suppress(NotFound):  # removed at this moment
                set_role(self._database, actor, login, proof.role)
        found = self._find(login)
        if found is None:
            raise Unauthenticated
        return found

    def _find(self, login: str) -> Principal | None:
        try:
            return principal(self._database, login)
        except NotFound:
            return None


def _may_be_made(login: str) -> bool:
    try:
        check_login(login)
    except Invalid:
        return False
    return True
