"""LDAP and Active Directory: a service account finds the person's entry, a fresh connection binds as that person.

Everything goes through TLS whose certificate is checked against the CA file and the server's own name. No referral is
followed. A server that does not answer in time is left alone for a while, and the next one is asked.
"""

import contextlib
import logging
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ldap3
from ldap3.core import exceptions
from ldap3.utils.conv import escape_filter_chars

from catalog import clock
from catalog.pure.access import Role
from catalog.pure.errors import ConfigError, Unavailable
from catalog.pure.names import folded
from gateway.config.model import Ldap
from gateway.credentials.asking import NOBODY, Proof
from gateway.credentials.groups import ACCOUNT_ATTRIBUTES, dn_key, highest_role, is_usable

_log = logging.getLogger(__name__)

_SECONDS = 5
_LEFT_ALONE_SECONDS = 30
_MOST_GROUPS = 500
_IN_CHAIN = "1.2.840.113556.1.4.1941"
_PORTS = {"ldap": 389, "ldaps": 636}
_NO = (
    exceptions.LDAPInvalidCredentialsResult,
    exceptions.LDAPInappropriateAuthenticationResult,
    exceptions.LDAPConstraintViolationResult,
    exceptions.LDAPUnwillingToPerformResult,
    exceptions.LDAPNoSuchObjectResult,
)
_AWAY = "passwords cannot be checked at this moment; try again, or use a token"


class _ServiceAccountError(Exception):
    pass


class _Tls(ldap3.Tls):  # type: ignore[misc] # ldap3 has no types
    """TLS by the standard library's own rules, host name and all: ldap3's check of names rests on what Python 3.12 removed."""

    def __init__(self, ca_file: Path | None) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        try:
            self._context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise ConfigError([f"[auth.ldap] ca_file: no certificates can be read from {ca_file}"]) from error

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Put TLS on a connection; the handshake is done here in any case."""
        connection.socket = self._context.wrap_socket(connection.socket, server_hostname=connection.server.host)


class _Server:
    """One server and until when it is left alone."""

    def __init__(self, url: str, number: int, tls: _Tls) -> None:
        self.number = number
        self.left_alone_until = 0.0
        self._url = urlsplit(url)
        self._tls = tls

    @contextmanager
    def bound(self, dn: str, password: str) -> Iterator[Any]:
        """Give a connection of our own that is bound as `dn`."""
        # A new one each time: it remembers for minutes which addresses did not answer.
        server = ldap3.Server(
            self._url.hostname, self._url.port or _PORTS[self._url.scheme], use_ssl=self._url.scheme == "ldaps", tls=self._tls,
            get_info=ldap3.NONE, connect_timeout=_SECONDS, allowed_referral_hosts=[],
        )  # fmt: skip
        connection = ldap3.Connection(
            server, dn, password.encode(), client_strategy=ldap3.SYNC, auto_referrals=False, raise_exceptions=True,
            read_only=True, receive_timeout=_SECONDS,
        )  # fmt: skip
        try:
            connection.open(read_server_info=False)
            if not server.ssl:
                connection.start_tls(read_server_info=False)
            connection.bind(read_server_info=False)
            yield connection
        finally:
            with contextlib.suppress(exceptions.LDAPException, OSError):
                connection.unbind()
            if connection.socket is not None:
                connection.socket.close()  # of a connection that failed while it was opened


class DirectoryBackend:
    """Checks passwords in a directory, and reads the role from its groups where the configuration maps them."""

    name = "ldap"

    def __init__(self, settings: Ldap, password: str, now: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._password = password
        self._now = now
        self._nobody = f"CN={NOBODY},{settings.base}"
        self._servers = [_Server(url, number, _Tls(settings.ca_file)) for number, url in enumerate(settings.servers, 1)]

    @property
    def admits(self) -> bool:
        """Whether a member of a mapped group needs no user made by hand."""
        return bool(self._settings.roles)

    def check(self, login: str, secret: str) -> Proof | None:
        """Return a proof if the directory takes the password; see `PasswordBackend`."""
        if not secret or "\0" in login + secret:
            return None
        for server in self._servers:
            if server.left_alone_until > self._now():
                continue
            try:
                return self._ask(server, login, secret)
            except _ServiceAccountError:
                _log.error("LDAP server %d refuses the service account: see bind_dn and bind_password_file", server.number)
            except (exceptions.LDAPException, OSError) as error:
                # The text may quote names; the kind does not.
                about = " (its certificate)" if "certificate" in str(error).lower() else ""
                _log.warning("LDAP server %d cannot be used: %s%s", server.number, type(error).__name__, about)
            server.left_alone_until = self._now() + _LEFT_ALONE_SECONDS
        raise Unavailable(_AWAY)

    def _ask(self, server: _Server, login: str, secret: str) -> Proof | None:
        with self._as_service(server) as service:
            entry = self._find(service, login)
            if entry is None:
                # As many questions as for an account that is there, so that a refusal takes as long.
                with contextlib.suppress(exceptions.LDAPOperationResult), server.bound(self._nobody, secret):
                    pass
                return None
            try:
                with server.bound(entry["dn"], secret):
                    pass
            except _NO:
                return None
            if not self._settings.roles:
                return Proof()
            role = self._role(service, entry)
            if role is None:
                _log.info("a right password was refused: its owner is in no group that the configuration maps to a role")
            return Proof(role) if role else None

    @contextmanager
    def _as_service(self, server: _Server) -> Iterator[Any]:
        bound = server.bound(self._settings.bind_dn, self._password)
        try:
            connection = bound.__enter__()
        except _NO as error:
            raise _ServiceAccountError from error
        try:
            yield connection
        finally:
            bound.__exit__(None, None, None)

    def _find(self, service: Any, login: str) -> dict[str, Any] | None:
        attribute = self._settings.login_attribute
        wanted = f"(&{self._settings.filter}({attribute}={escape_filter_chars(login)}))"
        found = _search(
            service, self._settings.base, wanted, ldap3.SUBTREE, [attribute, "memberOf", *ACCOUNT_ATTRIBUTES], most=2
        )
        # A directory may take more for equal than we do: accents, blanks.
        same = [entry for entry in found if folded(login) in _texts(entry, attribute)]
        if len(found) > 1:
            _log.error("more than one entry below [auth.ldap] base has the same %s; nobody can log in by it", attribute)
            return None
        if not same or not is_usable(same[0]["raw_attributes"], clock.now()):
            return None
        return same[0]

    def _role(self, service: Any, entry: dict[str, Any]) -> Role | None:
        if self._settings.nested == "in-chain":
            groups = [group for group, _ in self._settings.roles if self._is_in_chain(service, entry["dn"], group)]
        else:
            groups = _walked(service, entry)
        return highest_role(groups, self._settings.roles)

    def _is_in_chain(self, service: Any, dn: str, group: str) -> bool:
        wanted = f"(memberOf:{_IN_CHAIN}:={escape_filter_chars(group)})"
        return bool(_search(service, dn, wanted, ldap3.BASE, ldap3.NO_ATTRIBUTES, most=1))


def _walked(service: Any, entry: dict[str, Any]) -> list[str]:
    """Return the groups of an entry, the groups those are in, and so on."""
    waiting = _members_of(entry)
    found: dict[Any, str] = {}
    while waiting and len(found) < _MOST_GROUPS:
        group = waiting.pop()
        key = dn_key(group)
        if key is None or key in found:
            continue
        found[key] = group
        for above in _search(service, group, "(objectClass=*)", ldap3.BASE, ["memberOf"], most=1):
            waiting.extend(_members_of(above))
    return list(found.values())


def _members_of(entry: dict[str, Any]) -> list[str]:
    return [value.decode("utf-8", "replace") for value in entry["raw_attributes"].get("memberOf", ())]


def _texts(entry: dict[str, Any], attribute: str) -> set[str]:
    values = {name.lower(): values for name, values in entry["raw_attributes"].items()}.get(attribute.lower(), ())
    return {folded(value.decode("utf-8", "replace")) for value in values}


def _search(service: Any, base: str, wanted: str, scope: str, attributes: Any, *, most: int) -> list[dict[str, Any]]:
    try:
        service.search(base, wanted, scope, attributes=attributes, size_limit=most, time_limit=_SECONDS)
    except exceptions.LDAPSizeLimitExceededResult:
        pass
    except exceptions.LDAPNoSuchObjectResult:
        return []
    return [found for found in service.response or () if found["type"] == "searchResEntry"]
