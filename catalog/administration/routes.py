"""Routes: what is published in a study goes to a DICOM node by itself. What they queue is `catalog.exchange.routes`'."""

from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.administration.changing import changing, find_study
from catalog.audit import Actor
from catalog.database import Database
from catalog.database.tables import dicom_nodes, routes, studies
from catalog.pure.errors import Conflict, NotFound, Refused
from catalog.pure.names import folded
from catalog.visible import granted


@dataclass(frozen=True, slots=True)
class Route:
    """What is published in a study goes to a node."""

    id: int
    study: str
    node: str
    created: int


def add_route(database: Database, actor: Actor, study: str, node: str) -> None:
    """Have what is published in a study sent to a node, as the node's own user sees it.

    Raises:
        NotFound: there is no such study or node.
        Refused: the node's user is not granted the study.
        Conflict: it is so already.
    """
    with changing(database, actor) as (connection, note):
        found, target = find_study(connection, study), _node(connection, node)
        sees = target.user_id is not None and connection.execute(
            sa.select(studies.c.id).where(studies.c.id == found.id, granted(studies.c.id, target.user_id))
        ).first()  # fmt: skip
        if not sees:
            raise Refused(f"the user as whom {target.name} asks is not granted {found.code}; see `archimed node list`")
        values = {"study_id": found.id, "node_id": target.id, "created": clock.now()}
        insert = database.insert_new(routes).values(values).on_conflict_do_nothing().returning(routes.c.id)
        if connection.execute(insert).first() is None:
            raise Conflict(f"what is published in {found.code} goes to {target.name} already")
        note(action="route.add", study=found.code, subject=target.name)


def remove_route(database: Database, actor: Actor, study: str, node: str) -> None:
    """Send what is published in a study to a node no longer; what is queued is still sent.

    Raises:
        NotFound: there is no such route.
    """
    with changing(database, actor) as (connection, note):
        found, target = find_study(connection, study), _node(connection, node)
        which = sa.and_(routes.c.study_id == found.id, routes.c.node_id == target.id)
        if not connection.execute(routes.delete().where(which)).rowcount:
            raise NotFound(f"what is published in {found.code} does not go to {target.name}; see `archimed route list`")
        note(action="route.remove", study=found.code, subject=target.name)


def list_routes(database: Database) -> list[Route]:
    """Return all routes in the order of studies and nodes."""
    statement = (
        sa.select(routes.c.id, studies.c.code, dicom_nodes.c.name, routes.c.created)
        .join(studies, studies.c.id == routes.c.study_id)
        .join(dicom_nodes, dicom_nodes.c.id == routes.c.node_id)
        .order_by(studies.c.code_key, dicom_nodes.c.name_key)
    )
    return [Route(*row) for row in database.rows(statement)]


@dataclass(frozen=True, slots=True)
class _Node:
    """The node that a route leads to."""

    id: int
    name: str
    user_id: int | None


def _node(connection: sa.Connection, name: str) -> _Node:
    columns = (dicom_nodes.c.id, dicom_nodes.c.name, dicom_nodes.c.user_id)
    row = connection.execute(sa.select(*columns).where(dicom_nodes.c.name_key == folded(name))).first()
    if row is None:
        raise NotFound(f"there is no node {name}; see `archimed node list`")
    return _Node(*row)
