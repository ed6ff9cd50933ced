"""What every administrative change has in common: its transaction, who may make it, and finding what it is about."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from catalog.audit import Actor, record
from catalog.database import Database
from catalog.database.tables import studies, users
from catalog.pure.access import Action, Role, role_allows
from catalog.pure.errors import Conflict, Invalid, NotFound, Refused
from catalog.pure.names import folded

LARGEST_PORT = 65535
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class User:
    """A user as a list shows it."""

    id: int
    login: str
    role: Role
    created: int


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """A study as the catalogue keeps it; see `catalog.database.tables.studies` for what each value means."""

    id: int
    code: str
    description: str
    end_date: str | None
    profile: str | None
    created: int
    closed: int | None
    retention_years: int | None


@contextmanager
def changing(database: Database, actor: Actor) -> Iterator[tuple[sa.Connection, Callable[..., int]]]:
    """Give a connection in a write transaction in which this actor may administer, and a way to audit what it does.

    The second is `catalog.audit.record` that knows the connection and the actor, by the login's one spelling.

    The machine's own actors may; who acts as an archive login needs that login's role to allow it, asked in the transaction.

    Raises:
        Refused: the role does not allow it.
        Conflict: somebody else changed what this change rests on at the same moment.
    """
    try:
        with database.write() as connection:
            acting_as = _administrator(connection, actor.acting_as) if actor.acting_as else ""
            yield connection, partial(record, connection, actor=actor.name, acting_as=acting_as)
    except sa.exc.IntegrityError as error:
        raise Conflict("somebody else changed the same thing at this moment; look again and try again") from error


def _administrator(connection: sa.Connection, login: str) -> str:
    user = find_user(connection, login)
    if not role_allows(user.role, Action.ADMINISTER):
        raise Refused(f"the role {user.role} may not administer the archive; ask an administrator")
    return user.login


def find_user(connection: sa.Connection, login: str) -> User:
    """Return the user of that login (upper and lower case are the same).

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(sa.select(users).where(users.c.login_key == folded(login))).first()
    if row is None:
        raise no_user(login)
    return User(row.id, row.login, Role(row.role), row.created)


def find_study(connection: sa.Connection, code: str) -> StudyRecord:
    """Return the study of that code (upper and lower case are the same).

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(sa.select(studies).where(studies.c.code_key == folded(code))).first()
    if row is None:
        raise no_study(code)
    return StudyRecord(
        row.id, row.code, row.description, row.end_date, row.profile, row.created, row.closed, row.retention_years
    )


def no_user(login: str) -> NotFound:
    """Return the error for a login that nobody has."""
    return NotFound(f"there is no user {login}; see `archimed user list`")


def no_study(code: str) -> NotFound:
    """Return the error for a code that no study has."""
    return NotFound(f"there is no study {code}; see `archimed study list`")


def check_line(text: str, what: str) -> str:
    """Return text for people unchanged, if it is one line that a terminal and both databases can show.

    Raises:
        Invalid: it holds control characters or broken Unicode.
    """
    if not text.isprintable():
        raise Invalid(f"{what} is one line of printable text")
    return text


def connecting(port: int, *, tls: bool, certificate: str) -> dict[str, int | str]:
    """Return the columns that say how a DICOM peer connects and is called.

    Args:
        port: TCP port it is called at; 0: it is not called.
        tls: whether it must use TLS.
        certificate: SHA-256 of the certificate it must show, in hexadecimal digits with or without colons; '' for any.

    Raises:
        Invalid: a value cannot be used.
    """
    shown = certificate.replace(":", "").strip().lower()
    if not 0 <= port <= LARGEST_PORT:
        raise Invalid(f"a port is a number from 1 to {LARGEST_PORT}")
    if shown and not _FINGERPRINT.fullmatch(shown):
        raise Invalid(
            "a certificate is named by its SHA-256: 64 hexadecimal digits, as `openssl x509 -fingerprint -sha256` shows"
        )
    if shown and not tls:
        raise Invalid("only a peer that must use TLS shows a certificate: add --tls")
    return {"port": port, "tls": int(tls), "certificate": shown}
