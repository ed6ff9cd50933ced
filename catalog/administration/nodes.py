"""DICOM nodes: peers that may ask for what a user sees, or be sent to; and who of them calls.

Every node that asks does so as a user, whose grants count. `--as` names one; without it the node gets a user of its own, named
after it, who is granted the studies that are named. An AE title is no credential, so a node's address counts too.
"""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.administration.changing import LARGEST_PORT, StudyRecord, changing, connecting, find_study, find_user
from catalog.audit import Actor
from catalog.changes import ChangeKind, announce
from catalog.database import Database, Row
from catalog.database.tables import dicom_node_studies, dicom_nodes, grants, studies, users
from catalog.pure.access import Principal, Role
from catalog.pure.addresses import check_ae_title, check_host
from catalog.pure.errors import Conflict, Invalid, NotFound
from catalog.pure.names import check_code, check_login, folded


@dataclass(frozen=True, slots=True)
class DicomNode:
    """A DICOM node. `principal` None: it may only be sent to. `studies` None: all that the principal is granted.

    `tls`: it must use TLS, and is called by it; `certificate`: which it must show, '' any of the site's.
    """

    id: int
    name: str
    ae_title: str
    host: str
    port: int
    principal: Principal | None
    studies: tuple[str, ...] | None
    study_rows: frozenset[int] | None
    created: int
    tls: bool = False
    certificate: str = ""


def add_node(
    database: Database,
    actor: Actor,
    name: str,
    *,
    ae_title: str,
    host: str,
    port: int,
    codes: Collection[str] = (),
    login: str = "",
    tls: bool = False,
    certificate: str = "",
) -> None:
    """Let a DICOM node ask for what a user sees, and be sent to.

    Args:
        codes: studies that it is confined to; without `login`, what its own user is granted.
        login: as whom it asks; '': as a user of its own.
        tls: it must use TLS, and is called by it.
        certificate: SHA-256 of the certificate that it must show; '': any of the site's.

    Raises:
        Invalid: a value cannot be used.
        NotFound: the user or a study does not exist.
        Conflict: the name, the title, or the login of its own user is taken.
    """
    values = {
        "name": check_code(name, "node"), "name_key": folded(name), "ae_title": check_ae_title(ae_title),
        "host": check_host(host), "created": clock.now(), **connecting(port, tls=tls, certificate=certificate),
    }  # fmt: skip
    if not values["host"]:
        raise Invalid("a node needs the IP address that it calls from: an AE title alone is no credential")
    if not port:
        raise Invalid(f"a port is a number from 1 to {LARGEST_PORT}")
    with changing(database, actor) as (connection, note):
        found = [find_study(connection, code) for code in dict.fromkeys(codes)]
        user_id = find_user(connection, login).id if login else _make_user(database, connection, name, found)
        confined = bool(login and found)
        insert = database.insert_new(dicom_nodes).values(
            **values, user_id=user_id, own_user=int(not login), confined=int(confined)
        )  # fmt: skip
        node_id = connection.execute(insert.on_conflict_do_nothing().returning(dicom_nodes.c.id)).scalar_one_or_none()
        if node_id is None:
            raise Conflict("another node has that name or AE title already; see `archimed node list`")
        if confined:
            rows = [{"node_id": node_id, "study_id": study.id} for study in found]
            connection.execute(sa.insert(dicom_node_studies), rows)
        detail = {
            "ae_title": values["ae_title"], "host": values["host"], "port": port, "login": login or own_login(name),
            "studies": [study.code for study in found], "tls": tls, "certificate": values["certificate"],
        }  # fmt: skip
        note(action="node.add", subject=name, detail=detail)


def own_login(name: str) -> str:
    """Return the login of a node's own user."""
    return check_login(f"node-{name}"[:64].rstrip("."))


def _make_user(database: Database, connection: sa.Connection, name: str, found: Collection[StudyRecord]) -> int:
    login, now = own_login(name), clock.now()
    values = {"login": login, "login_key": folded(login), "role": Role.LIMITED.value, "created": now}
    insert = database.insert_new(users).values(values).on_conflict_do_nothing(index_elements=["login_key"])
    user_id = connection.execute(insert.returning(users.c.id)).scalar_one_or_none()
    if user_id is None:
        raise Conflict(f"there is a user {login} already; name the user that the node asks as with --as")
    announce(connection, ChangeKind.USER, user_id=user_id)
    for study in found:
        connection.execute(sa.insert(grants), {"user_id": user_id, "study_id": study.id, "granted": now})
        announce(connection, ChangeKind.GRANTED, study.id, user_id)
    return int(user_id)


def remove_node(database: Database, actor: Actor, name: str) -> None:
    """Let a node neither ask nor be sent to; a user of its own goes with it.

    Raises:
        NotFound: there is none of that name.
    """
    with changing(database, actor) as (connection, note):
        row = connection.execute(sa.select(dicom_nodes).where(dicom_nodes.c.name_key == folded(name))).first()
        if row is None:
            raise NotFound(f"there is no node {name}; see `archimed node list`")
        connection.execute(sa.delete(dicom_nodes).where(dicom_nodes.c.id == row.id))
        if row.own_user and row.user_id is not None:
            connection.execute(sa.delete(users).where(users.c.id == row.user_id))
            announce(connection, ChangeKind.USER, user_id=row.user_id)
        note(action="node.remove", subject=row.name, detail={"ae_title": row.ae_title, "host": row.host})


def list_nodes(database: Database) -> list[DicomNode]:
    """Return all nodes in the order of their names."""
    return _nodes(database, sa.true())


def calling_node(database: Database, ae_title: str, address: str) -> DicomNode | None:
    """Return the node that calls itself `ae_title` from that IP address; None if there is none."""
    found = _nodes(database, sa.and_(dicom_nodes.c.ae_title == ae_title.strip(), dicom_nodes.c.host == address))
    return found[0] if found else None


def destination(database: Database, ae_title: str) -> DicomNode | None:
    """Return the node of an AE title, to be sent to; None if there is none."""
    found = _nodes(database, dicom_nodes.c.ae_title == ae_title.strip())
    return found[0] if found else None


def _nodes(database: Database, condition: sa.ColumnElement[bool]) -> list[DicomNode]:
    statement = (
        sa.select(dicom_nodes, users.c.login, users.c.role)
        .outerjoin(users, users.c.id == dicom_nodes.c.user_id)
        .where(condition)
        .order_by(dicom_nodes.c.name_key)
    )
    rows = database.rows(statement)
    confined: dict[int, list[tuple[int, str]]] = {row.id: [] for row in rows if row.confined}
    if confined:
        chosen = sa.select(dicom_node_studies.c.node_id, studies.c.id, studies.c.code).join(
            studies, studies.c.id == dicom_node_studies.c.study_id
        )  # fmt: skip
        for node_id, study_id, code in database.rows(
            chosen.where(dicom_node_studies.c.node_id.in_(list(confined))).order_by(studies.c.code_key)
        ):
            confined[node_id].append((study_id, code))
    return [_node(row, confined.get(row.id)) for row in rows]


def _node(row: Row, confined: list[tuple[int, str]] | None) -> DicomNode:
    user = Principal(row.user_id, row.login, Role(row.role)) if row.user_id is not None else None
    return DicomNode(
        row.id, row.name, row.ae_title, row.host, row.port, user,
        None if confined is None else tuple(code for _, code in confined),
        None if confined is None else frozenset(study for study, _ in confined), row.created,
        bool(row.tls), row.certificate,
    )  # fmt: skip
