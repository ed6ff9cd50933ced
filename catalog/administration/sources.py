"""Sources: scanners and centres that may send DICOM, and who reviews what they send."""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.administration.centres import find_centre
from catalog.administration.changing import User, changing, connecting, find_study, find_user
from catalog.audit import Actor
from catalog.database import Database
from catalog.database.tables import batches, centres, dicom_nodes, source_reviewers, sources, studies, users
from catalog.pure.access import Action, role_allows
from catalog.pure.addresses import check_ae_title, check_host
from catalog.pure.batches import FINAL
from catalog.pure.errors import Conflict, Invalid, NotFound, Refused
from catalog.pure.names import check_code, folded


@dataclass(frozen=True, slots=True)
class Source:
    """A source as a list shows it. `host` '' is any address; `study` None is decided at the gate.

    `port` 0: it cannot be called. `tls`: it must use TLS; `certificate`: which it must show, '' any of the site's. `centre` is
    one of the study.
    """

    id: int
    name: str
    ae_title: str
    host: str
    study: str | None
    reviewers: tuple[str, ...]
    created: int
    port: int = 0
    tls: bool = False
    certificate: str = ""
    centre: str | None = None


@dataclass(frozen=True, slots=True)
class SourceAddress:
    """Where a source is called: its IP address, TCP port and AE title, and whether by TLS."""

    host: str
    port: int
    ae_title: str
    tls: bool


@dataclass(frozen=True, slots=True)
class _Named:
    """A source that a change is about."""

    id: int
    name: str
    ae_title: str
    host: str
    port: int
    tls: bool
    certificate: str


def add_source(
    database: Database,
    actor: Actor,
    name: str,
    *,
    ae_title: str,
    host: str = "",
    reviewers: Collection[str],
    study: str | None = None,
    port: int = 0,
    tls: bool = False,
    certificate: str = "",
    centre: str | None = None,
) -> None:
    """Let a scanner or centre send DICOM, and name who sees and decides what it sends.

    Args:
        port: where it is called with reports on storage commitment; 0: nowhere.
        tls: it must use TLS, and is called by it.
        certificate: SHA-256 of the certificate that it must show; '': any of the site's.

    Raises:
        Invalid: a value cannot be used, nobody reviews, or there is a centre without a study.
        Refused: a reviewer's role may not import.
        NotFound: a reviewer, the study or the centre does not exist.
        Conflict: the name, or the title from that address, is taken.
    """
    values = {
        "name": check_code(name, "source"),
        "name_key": folded(name),
        "ae_title": check_ae_title(ae_title),
        "host": check_host(host),
        "created": clock.now(),
        **connecting(port, tls=tls, certificate=certificate),
    }
    _require_address(check_host(host), port)
    with changing(database, actor) as (connection, note):
        people = _reviewers(connection, reviewers)
        home = find_study(connection, study) if study is not None else None
        if centre is not None and home is None:
            raise Invalid("a centre is one of a study: name the study too")
        stands_in = find_centre(connection, home, centre) if centre is not None and home is not None else None
        insert = database.insert_new(sources).values(
            **values, study_id=home.id if home else None, centre_id=stands_in.id if stands_in else None
        )
        source_id = connection.execute(insert.on_conflict_do_nothing().returning(sources.c.id)).scalar_one_or_none()
        if source_id is None:
            raise _taken(connection, values["name_key"])
        _set_reviewers(connection, source_id, people)
        detail = {"ae_title": values["ae_title"], "host": values["host"], "reviewers": [user.login for user in people]}
        detail |= {"centre": stands_in.code} if stands_in else {}
        note(action="source.add", study=home.code if home else "", subject=name, detail=detail)


def set_reviewers(database: Database, actor: Actor, name: str, reviewers: Collection[str]) -> None:
    """Replace the people who see and decide what a source sends.

    Raises:
        Invalid, Refused, NotFound: as `add_source`.
    """
    with changing(database, actor) as (connection, note):
        source = _find(connection, name)
        people = _reviewers(connection, reviewers)
        connection.execute(sa.delete(source_reviewers).where(source_reviewers.c.source_id == source.id))
        _set_reviewers(connection, source.id, people)
        note(action="source.reviewers", subject=source.name, detail={"reviewers": [user.login for user in people]})


def set_source(
    database: Database,
    actor: Actor,
    name: str,
    *,
    host: str | None = None,
    port: int | None = None,
    tls: bool | None = None,
    certificate: str | None = None,
) -> None:
    """Change where a source is and how it connects; what is None stays.

    Raises:
        Invalid: a value cannot be used.
        NotFound: there is none of that name.
        Conflict: another source has its title at that address.
    """
    with changing(database, actor) as (connection, note):
        source = _find(connection, name, lock=True)
        address = source.host if host is None else check_host(host)
        called = source.port if port is None else port
        _require_address(address, called)
        how = connecting(
            called, tls=source.tls if tls is None else tls,
            certificate=source.certificate if certificate is None else certificate,
        )  # fmt: skip
        taken = sa.select(sources.c.id).where(
            sources.c.ae_title == source.ae_title, sources.c.host == address, sources.c.id != source.id
        )
        if connection.execute(taken).first() is not None:
            raise Conflict("another source has that AE title and address already; see `archimed source list`")
        connection.execute(sources.update().where(sources.c.id == source.id).values(host=address, **how))
        note(action="source.set", subject=source.name, detail={"host": address, **how})


def address_of_source(database: Database, number: int) -> SourceAddress | None:
    """Return where a source is called, None if nowhere: it has no port, and no node is known by its title and address."""
    row = database.row(sa.select(sources).where(sources.c.id == number))
    if row is None or not row.host:
        return None
    if row.port:
        return SourceAddress(row.host, row.port, row.ae_title, bool(row.tls))
    same = (dicom_nodes.c.ae_title == row.ae_title, dicom_nodes.c.host == row.host)
    node = database.row(sa.select(dicom_nodes.c.port, dicom_nodes.c.tls).where(*same))
    return SourceAddress(row.host, node.port, row.ae_title, bool(node.tls)) if node is not None else None


def _require_address(host: str, port: int) -> None:
    if port and not host:
        raise Invalid("a source that is called back needs its IP address, too: --host ADDRESS")


def list_sources(database: Database) -> list[Source]:
    """Return all sources in the order of their names."""
    logins: dict[int, list[str]] = {}
    for row in database.rows(
        sa.select(source_reviewers.c.source_id, users.c.login)
        .join(users, users.c.id == source_reviewers.c.user_id)
        .order_by(users.c.login_key)
    ):
        logins.setdefault(row.source_id, []).append(row.login)
    statement = (
        sa.select(sources, studies.c.code, centres.c.code.label("centre"))
        .outerjoin(studies, studies.c.id == sources.c.study_id)
        .outerjoin(centres, centres.c.id == sources.c.centre_id)
    )
    return [
        Source(
            row.id,
            row.name,
            row.ae_title,
            row.host,
            row.code,
            tuple(logins.get(row.id, ())),
            row.created,
            row.port,
            bool(row.tls),
            row.certificate,
            row.centre,
        )
        for row in database.rows(statement.order_by(sources.c.name_key))
    ]


def remove_source(database: Database, actor: Actor, name: str) -> None:
    """Let a source send no longer.

    Raises:
        NotFound: there is none of that name.
        Refused: batches of it wait at the gate; without their source nobody could see them.
    """
    with changing(database, actor) as (connection, note):
        source = _find(connection, name, lock=True)  # else a batch could begin between the count and the end
        waiting = sa.select(sa.func.count()).where(batches.c.source_id == source.id, batches.c.state.not_in(FINAL))
        count = connection.execute(waiting).scalar_one()
        if count:
            raise Refused(f"{count} batches of {source.name} are not decided yet; accept or reject them first")
        connection.execute(sa.delete(sources).where(sources.c.id == source.id))
        note(action="source.remove", subject=source.name, detail={"ae_title": source.ae_title, "host": source.host})


def _find(connection: sa.Connection, name: str, *, lock: bool = False) -> _Named:
    statement = sa.select(sources).where(sources.c.name_key == folded(name))
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    if row is None:
        raise NotFound(f"there is no source {name}; see `archimed source list`")
    return _Named(row.id, row.name, row.ae_title, row.host, row.port, bool(row.tls), row.certificate)


def _reviewers(connection: sa.Connection, logins: Collection[str]) -> list[User]:
    if not logins:
        raise Invalid("a source needs at least one reviewer: nobody else sees what it sends")
    people = {user.id: user for user in (find_user(connection, login) for login in logins)}
    for user in people.values():
        if not role_allows(user.role, Action.IMPORT):
            raise Refused(f"{user.login} may not review: the role {user.role} does not import; raise it with `user set-role`")
    return list(people.values())


def _set_reviewers(connection: sa.Connection, source_id: int, people: list[User]) -> None:
    connection.execute(sa.insert(source_reviewers), [{"source_id": source_id, "user_id": user.id} for user in people])


def _taken(connection: sa.Connection, name_key: object) -> Conflict:
    existing = connection.execute(sa.select(sources.c.name).where(sources.c.name_key == name_key)).scalar_one_or_none()
    if existing is not None:
        return Conflict(f"there is a source {existing} already; names differ in more than case")
    return Conflict("another source has that AE title and address already; see `archimed source list`")
