"""Credentials as clients send them -> login and secret, or token. No backend and no catalogue is known here."""

import base64
import binascii
import re
from collections.abc import Collection

from catalog.pure.errors import ArchimedError
from catalog.pure.names import folded

CHALLENGE = 'Basic realm="ArchiMed", charset="UTF-8"'
_LONGEST = 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]{1,1024}=*")


class Unauthenticated(ArchimedError):
    """Nobody the archive knows: no credentials, malformed ones, or wrong ones. The text does not say which."""

    def __init__(self) -> None:
        super().__init__("log in with your login and its password or a token; make one with `archimed token create`")


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


def parse_bearer(header: str | None) -> str | None:
    """Return the token of a Bearer header (RFC 6750), None if it is another scheme.

    Raises:
        Unauthenticated: it is malformed.
    """
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    if not _BEARER.fullmatch(token.strip()):
        raise Unauthenticated
    return token.strip()


def to_basic(login: str, secret: str) -> str:
    """Return the Authorization header of a login and its secret; `parse_basic` judges them."""
    return "Basic " + base64.b64encode(f"{login}:{secret}".encode()).decode()


def without_realm(login: str, realms: Collection[str]) -> str:
    """Return the login of a user principal name (`login@realm`) whose realm is one of ours (folded); any other unchanged."""
    name, at, realm = login.rpartition("@")
    return name if name and at and folded(realm) in realms else login
