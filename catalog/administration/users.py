"""Users and their roles."""

import sqlalchemy as sa

from catalog import clock
from catalog.administration.changing import User, changing, find_user, no_user
from catalog.audit import Actor
from catalog.changes import ChangeKind, announce
from catalog.database import Database
from catalog.database.tables import grants, source_reviewers, sources, studies, users
from catalog.pure.access import Principal, Role
from catalog.pure.errors import Conflict
from catalog.pure.names import check_login, folded

# Asked with every HTTP request: building the statement each time costs twice what running it does.
_PRINCIPAL = sa.select(users.c.id, users.c.login, users.c.role).where(users.c.login_key == sa.bindparam("key"))


def principal(database: Database, login: str) -> Principal:
    """Return the user of that login (upper and lower case are the same) as one request sees it.

    Raises:
        NotFound: there is none.
    """
    row = database.cached_row(_PRINCIPAL, {"key": folded(login)})
    if row is None:
        raise no_user(login)
    return Principal(row.id, row.login, Role(row.role))


def add_user(database: Database, actor: Actor, login: str, role: Role) -> None:
    """Add a user, who sees nothing until a study is granted.

    Raises:
        Invalid: the login cannot be used.
        Conflict: there is a user of that login, or of one that differs in case only.
    """
    values = {"login": check_login(login), "login_key": folded(login), "role": role.value, "created": clock.now()}
    with changing(database, actor) as (connection, note):
        insert = database.insert_new(users).values(values).on_conflict_do_nothing(index_elements=["login_key"])
        user_id = connection.execute(insert.returning(users.c.id)).scalar_one_or_none()
        if user_id is None:
            raise Conflict(f"there is a user {find_user(connection, login).login} already; logins differ in more than case")
        note(action="user.add", subject=login, detail={"role": role.value})
        announce(connection, ChangeKind.USER, user_id=user_id)


def list_users(database: Database) -> list[User]:
    """Return all users in the order of their logins."""
    statement = sa.select(users.c.id, users.c.login, users.c.role, users.c.created).order_by(users.c.login_key)
    return [User(row.id, row.login, Role(row.role), row.created) for row in database.rows(statement)]


def set_role(database: Database, actor: Actor, login: str, role: Role) -> None:
    """Give a user another role; the same role again changes and records nothing.

    Raises:
        NotFound: there is no such user.
    """
    with changing(database, actor) as (connection, note):
        user = find_user(connection, login)
        if user.role is role:
            return
        connection.execute(sa.update(users).where(users.c.id == user.id).values(role=role.value))
        note(action="user.role", subject=user.login, detail={"from": user.role.value, "to": role.value})
        announce(connection, ChangeKind.ROLE, user_id=user.id)


def remove_user(database: Database, actor: Actor, login: str) -> list[str]:
    """Remove a user with all grants and tokens; what they imported stays.

    Returns:
        Names of the sources that nobody reviews any more, for the caller to show.

    Raises:
        NotFound: there is no such user.
    """
    with changing(database, actor) as (connection, note):
        user = find_user(connection, login)
        codes = connection.scalars(
            sa.select(studies.c.code).join(grants, grants.c.study_id == studies.c.id).where(grants.c.user_id == user.id)
        )
        detail = {"role": user.role.value, "grants": sorted(codes)}
        reviewed = sa.select(source_reviewers.c.source_id).where(source_reviewers.c.user_id == user.id)
        affected = list(connection.scalars(reviewed))
        connection.execute(sa.delete(users).where(users.c.id == user.id))
        orphans = connection.scalars(
            sa.select(sources.c.name)
            .where(sources.c.id.in_(affected), sources.c.id.not_in(sa.select(source_reviewers.c.source_id)))
            .order_by(sources.c.name_key)
        )
        left = list(orphans)
        note(action="user.remove", subject=user.login, detail=detail)
        announce(connection, ChangeKind.USER, user_id=user.id)
    return left
