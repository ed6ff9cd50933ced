"""Grants: who may see which study, or which centres of it, and until when."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.administration.centres import Named, find_centre
from catalog.administration.changing import changing, find_study, find_user
from catalog.audit import Actor
from catalog.changes import ChangeKind, announce
from catalog.database import Database
from catalog.database.tables import centres as centres_table
from catalog.database.tables import grant_centres, grants, studies, users
from catalog.pure.errors import Conflict, Invalid, NotFound


@dataclass(frozen=True, slots=True)
class Grant:
    """One user may see one study, or the `centres` of it that are named (none: all of it).

    `until`: the time from which it does not count any more; None: until it is removed.
    """

    login: str
    study: str
    granted: int
    centres: tuple[str, ...] = ()
    until: int | None = None


def add_grant(
    database: Database,
    actor: Actor,
    login: str,
    code: str,
    *,
    centres: Collection[str] = (),
    until: int | None = None,
) -> None:
    """Let a user see a study, or centres of it; what was granted before is widened, never narrowed.

    Args:
        login: the user.
        code: the study.
        centres: the centres; none: the whole study.
        until: the time from which it does not count any more; None leaves that as it is, for ever where it is new.

    Raises:
        NotFound: there is no such user, study or centre.
        Invalid: the end is over already.
        Conflict: it is granted already.
    """
    if until is not None and until <= clock.now():
        raise Invalid("that end is over already; name a day to come")
    with changing(database, actor) as (connection, note):
        user, study = find_user(connection, login), find_study(connection, code)
        named = [find_centre(connection, study, name) for name in dict.fromkeys(centres)]
        before = _running(connection, user.id, study.id)
        known = _centres_of(connection, user.id, study.id)
        fresh = [centre for centre in named if centre.id not in known]
        ends_otherwise = before is not None and until is not None and until != before.until
        if before is None:
            _make(connection, user.id, study.id, whole=not named, until=until)
        elif before.whole or (named and not fresh):
            if not ends_otherwise:
                raise _granted_already(user.login, study.code, before.whole, named)
            fresh = []
        if ends_otherwise:
            connection.execute(grants.update().where(*_of(user.id, study.id)).values(until=until))
        if before is not None and not named and not before.whole:
            connection.execute(grants.update().where(*_of(user.id, study.id)).values(whole=1))
            connection.execute(grant_centres.delete().where(*_centres(user.id, study.id)))
        _add_centres(connection, user.id, study.id, fresh)
        detail = ({"centres": [centre.code for centre in named]} if named else {}) | ({"until": until} if until else {})
        note(action="grant.add", study=study.code, subject=user.login, detail=detail)
        announce(connection, ChangeKind.GRANTED, study.id, user.id)


def _granted_already(login: str, study: str, whole: bool, named: Sequence[Named]) -> Conflict:
    if whole and named:
        return Conflict(f"{login} has a grant on all of {study} already; remove it first to name centres")
    of = ", ".join(centre.code for centre in named)
    return Conflict(f"{login} has a grant on {of + ' of ' if of else ''}{study} already")


def remove_grant(database: Database, actor: Actor, login: str, code: str, *, centres: Collection[str] = ()) -> None:
    """Let a user see a study, or centres of it, no longer; it is gone with their next request.

    Args:
        login: the user.
        code: the study.
        centres: the centres; none: all that is granted of the study.

    Raises:
        NotFound: there is no such user, study, centre or grant.
        Refused: the grant is for the whole study, of which no centre can be taken.
    """
    with changing(database, actor) as (connection, note):
        user, study = find_user(connection, login), find_study(connection, code)
        named = [find_centre(connection, study, name) for name in dict.fromkeys(centres)]
        known = _centres_of(connection, user.id, study.id)
        for centre in named:
            if centre.id not in known:
                raise NotFound(f"{user.login} has no grant on {centre.code} of {study.code}; see `archimed grant list`")
        left = known - {centre.id for centre in named}
        if named and left:
            gone = grant_centres.c.centre_id.in_([centre.id for centre in named])
            connection.execute(grant_centres.delete().where(*_centres(user.id, study.id), gone))
            kind = ChangeKind.NARROWED
        else:
            if connection.execute(grants.delete().where(*_of(user.id, study.id))).rowcount == 0:
                raise NotFound(f"{user.login} has no grant on {study.code}; see `archimed grant list`")
            kind = ChangeKind.REVOKED
        detail = {"centres": [centre.code for centre in named]} if named else None
        note(action="grant.remove", study=study.code, subject=user.login, detail=detail)
        announce(connection, kind, study.id, user.id)


def list_grants(database: Database) -> list[Grant]:
    """Return all grants in the order of logins, then study codes; those that have ended too."""
    named: dict[tuple[int, int], list[str]] = {}
    of = sa.select(grant_centres.c.user_id, grant_centres.c.study_id, centres_table.c.code).join(
        centres_table, centres_table.c.id == grant_centres.c.centre_id
    )
    for row in database.rows(of.order_by(centres_table.c.code_key)):
        named.setdefault((row.user_id, row.study_id), []).append(row.code)
    statement = (
        sa.select(grants.c.user_id, grants.c.study_id, users.c.login, studies.c.code, grants.c.granted, grants.c.until)
        .join_from(grants, users, grants.c.user_id == users.c.id)
        .join(studies, grants.c.study_id == studies.c.id)
        .order_by(users.c.login_key, studies.c.code_key)
    )
    return [
        Grant(row.login, row.code, row.granted, tuple(named.get((row.user_id, row.study_id), ())), row.until)
        for row in database.rows(statement)
    ]


@dataclass(frozen=True, slots=True)
class _Running:
    whole: bool
    until: int | None


def _running(connection: sa.Connection, user: int, study: int) -> _Running | None:
    """Return a user's grant on a study; one that has ended is removed, as if it had never been."""
    row = connection.execute(sa.select(grants).where(*_of(user, study)).with_for_update()).first()
    if row is None:
        return None
    if row.until is not None and row.until <= clock.now():
        connection.execute(grants.delete().where(*_of(user, study)))
        return None
    return _Running(bool(row.whole), row.until)


def _make(connection: sa.Connection, user: int, study: int, *, whole: bool, until: int | None) -> None:
    values = {"user_id": user, "study_id": study, "granted": clock.now(), "whole": int(whole), "until": until}
    connection.execute(grants.insert().values(values))


def _add_centres(connection: sa.Connection, user: int, study: int, fresh: Sequence[Named]) -> None:
    if fresh:
        rows = [{"user_id": user, "study_id": study, "centre_id": centre.id} for centre in fresh]
        connection.execute(grant_centres.insert(), rows)


def _centres_of(connection: sa.Connection, user: int, study: int) -> set[int]:
    return set(connection.execute(sa.select(grant_centres.c.centre_id).where(*_centres(user, study))).scalars())


def _of(user: int, study: int) -> tuple[sa.ColumnElement[bool], ...]:
    return grants.c.user_id == user, grants.c.study_id == study


def _centres(user: int, study: int) -> tuple[sa.ColumnElement[bool], ...]:
    return grant_centres.c.user_id == user, grant_centres.c.study_id == study
