"""What one value of the configuration may be: small readers from a TOML value to a Python value.

A reader gets the value and the folder that relative paths begin in, and returns the setting or raises ValueError with the end
of the sentence "<section and key>: ...". No reader touches the disk, except that a secret may be looked up by its bare name.
"""

import ipaddress
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, TypeVar
from urllib.parse import SplitResult, urlsplit

from catalog.pure.access import Role
from catalog.pure.addresses import check_ae_title
from catalog.pure.errors import Invalid

T = TypeVar("T")
Reader: TypeAlias = Callable[[object, Path], T]

_KINDS: dict[type, str] = {
    bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list", dict: "a table",
}  # fmt: skip
_LDAP = ("ldaps", "ldap")
_POSTGRESQL = "postgresql+psycopg"
_LONGEST_SOCKET = 107  # unix(7), less the byte that ends it


def text(shortest: int, longest: int) -> Reader[str]:
    """Return a reader of printable ASCII text of `shortest` to `longest` characters."""

    def read(value: object, _folder: Path) -> str:
        found = _of_type(value, str)
        if not (shortest <= len(found) <= longest and found.isascii() and found.isprintable() and found.strip() == found):
            raise ValueError(f"{shortest} to {longest} printable ASCII characters are needed, without blanks around them")
        return found

    return read


def ae_title(value: object, _folder: Path) -> str:
    """Read an AE title."""
    try:
        return check_ae_title(_of_type(value, str))
    except Invalid as error:
        raise ValueError(str(error)) from None


def unix_user(value: object, _folder: Path) -> str:
    """Read the name of a Unix user in which {login} stands for a login."""
    found = _of_type(value, str)
    if found.count("{login}") != 1 or re.search(r"[{}:/\s]", found.replace("{login}", "")):
        raise ValueError("a name with {login} in it is needed, such as CLINIC\\{login}")
    return found


def whole(smallest: int, largest: int) -> Reader[int]:
    """Return a reader of a whole number in that range."""

    def read(value: object, _folder: Path) -> int:
        found = _of_type(value, int)
        if not smallest <= found <= largest:
            raise ValueError(f"a whole number from {smallest} to {largest} is needed, not {found}")
        return found

    return read


def truth(value: object, _folder: Path) -> bool:
    """Read true or false."""
    return _of_type(value, bool)


def word(*known: str) -> Reader[str]:
    """Return a reader of one of some words."""

    def read(value: object, _folder: Path) -> str:
        found = _of_type(value, str)
        if found not in known:
            raise ValueError(f"one of {', '.join(known)} is needed")
        return found

    return read


def words(*known: str) -> Reader[tuple[str, ...]]:
    """Return a reader of a list of some words, at least one and none twice; the order is kept."""

    def read(value: object, _folder: Path) -> tuple[str, ...]:
        found = _of_type(value, list)
        if not found or any(item not in known for item in found) or len(set(found)) != len(found):
            raise ValueError(f"a list of one or more of {', '.join(known)} is needed, none of them twice")
        return tuple(found)

    return read


def line(value: object, _folder: Path) -> str:
    """Read one line of printable text in any script, without blanks around it."""
    found = _of_type(value, str)
    if not found or not found.isprintable() or found.strip() != found:
        raise ValueError("one line of printable text is needed, without blanks around it")
    return found


def realms(value: object, folder: Path) -> tuple[str, ...]:
    """Read a list of realms: what stands behind the `@` of a login."""
    found = tuple(line(item, folder) for item in _of_type(value, list))
    if any("@" in item for item in found):
        raise ValueError("a realm is what stands behind the @, without it")
    return found


def addresses(value: object, _folder: Path) -> tuple[str, ...]:
    """Read a list of IP addresses."""
    try:
        return tuple(str(ipaddress.ip_address(_of_type(item, str))) for item in _of_type(value, list))
    except ValueError:
        raise ValueError("a list of IP addresses is needed") from None


def ldap_servers(value: object, _folder: Path) -> tuple[str, ...]:
    """Read a list of LDAP servers, in the order in which they are asked."""
    found = tuple(_of_type(item, str) for item in _of_type(value, list))
    if not found or not all(_is_ldap_server(item) for item in found):
        raise ValueError("a list of ldaps://host or ldaps://host:port is needed (ldap:// for StartTLS)")
    return found


def _is_ldap_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in _LDAP and bool(parts.hostname) and parts.port != 0 and url.endswith(parts.netloc) and "@" not in url
        )
    except ValueError:
        return False


def ldap_filter(value: object, folder: Path) -> str:
    """Read a filter of LDAP in parentheses."""
    found = line(value, folder)
    if not (found.startswith("(") and found.endswith(")") and found.count("(") == found.count(")")):
        raise ValueError("a filter in parentheses is needed, as (objectClass=person)")
    return found


def attribute(value: object, _folder: Path) -> str:
    """Read the name of an attribute of LDAP."""
    found = _of_type(value, str)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", found):
        raise ValueError("the name of an attribute is needed, as uid or sAMAccountName")
    return found


def roles(value: object, folder: Path) -> tuple[tuple[str, Role], ...]:
    """Read a table from a group's distinguished name to a role."""
    found = []
    for group, role in _of_type(value, dict).items():
        if role not in set(Role) or "=" not in line(group, folder):
            known = ", ".join(Role)
            raise ValueError(f'a table of "a group\'s distinguished name" = "role" is needed; the roles are {known}')
        found.append((group, Role(role)))
    return tuple(found)


def path(value: object, folder: Path) -> Path:
    """Read a path; a relative one begins in the configuration file's folder."""
    found = _of_type(value, str)
    if not found.strip() or "\0" in found:
        raise ValueError("a path is needed")
    return folder / found


def repository(value: object, _folder: Path) -> str:
    """Read the place of a restic or borg repository, the program before it."""
    found = _of_type(value, str)
    kind, _, place = found.partition(":")
    if kind not in {"restic", "borg"} or not place or place.startswith("-"):
        raise ValueError("restic:PLACE or borg:PLACE is needed")
    return found


def socket_path(value: object, folder: Path) -> Path:
    """Read the path of a Unix socket, which the kernel wants short."""
    found = path(value, folder)
    if len(os.fsencode(found)) > _LONGEST_SOCKET:
        raise ValueError(f"a path of {_LONGEST_SOCKET} bytes at most is needed")
    return found


def secret_path(value: object, folder: Path) -> Path:
    """Read the path of a secret; a bare name is looked up among the service's credentials first (systemd, LoadCredential)."""
    found = path(value, folder)
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and value == found.name and (Path(credentials) / found.name).is_file():
        return Path(credentials) / found.name
    return found


def catalog_url(value: object, folder: Path) -> str:
    """Read the catalogue's URL: SQLite with a path, or PostgreSQL without a password."""
    found = _of_type(value, str)
    parts = urlsplit(found)
    if parts.scheme == "sqlite":
        return _sqlite_url(parts, folder)
    if parts.scheme != _POSTGRESQL:
        raise ValueError(f"a URL that begins with sqlite:/// or {_POSTGRESQL}:// is needed")
    if parts.password is not None:
        raise ValueError("a password may not stand here; put it into a file of its own and name it with password_file")
    if not parts.path.strip("/"):
        raise ValueError(f"the database's name is missing: {_POSTGRESQL}://user@host/name")
    return found


def _sqlite_url(parts: SplitResult, folder: Path) -> str:
    name = parts.path.removeprefix("/")
    if parts.netloc or not name or name == ":memory:" or parts.query or "%" in name:
        raise ValueError("a SQLite URL is sqlite:///relative/path or sqlite:////absolute/path, and nothing more")
    return f"sqlite:///{folder / name}"


def _of_type(value: object, kind: type[T]) -> T:
    # Exactly that type: in Python true is an int, in TOML it is not.
    if type(value) is not kind:
        raise ValueError(f"{_KINDS[kind]} is needed, not {_KINDS.get(type(value), 'a date or time')}")
    return value
