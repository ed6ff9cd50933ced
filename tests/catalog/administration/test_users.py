"""Users, roles and grants; what faces are told."""

import pytest
import sqlalchemy as sa

from catalog import changes
from catalog.administration import (
    Actor,
    Scope,
    add_grant,
    add_source,
    add_user,
    create_study,
    create_token,
    list_grants,
    list_sources,
    list_tokens,
    list_users,
    principal,
    remove_grant,
    remove_user,
    set_role,
)
from catalog.audit import entries
from catalog.changes import ChangeKind
from catalog.database.tables import users
from catalog.pure.access import Principal, Role
from catalog.pure.errors import Conflict, Invalid, NotFound, Refused
from tests.catalog.administration.conftest import ROOT, Office


def test_principal_is_found_whatever_the_case(office: Office) -> None:
    add_user(office.database, ROOT, "Ada", Role.POWER)
    (user,) = list_users(office.database)
    assert principal(office.database, "aDA") == Principal(user.id, "Ada", Role.POWER)
    assert (user.login, user.role) == ("Ada", Role.POWER)
    with pytest.raises(NotFound, match="no user bob"):
        principal(office.database, "bob")


def test_login_is_taken_whatever_its_case(office: Office) -> None:
    add_user(office.database, ROOT, "Ada", Role.LIMITED)
    with pytest.raises(Conflict, match="a user Ada already"):
        add_user(office.database, ROOT, "ada", Role.LIMITED)
    with pytest.raises(Invalid):
        add_user(office.database, ROOT, "../ada", Role.LIMITED)
    assert office.audited() == [("user.add", "", "Ada")]


def test_role_changes_are_announced_once(office: Office) -> None:
    add_user(office.database, ROOT, "ada", Role.LIMITED)
    set_role(office.database, ROOT, "ADA", Role.POWER)
    set_role(office.database, ROOT, "ada", Role.POWER)
    assert principal(office.database, "ada").role is Role.POWER
    assert office.announced() == ["user", "role"]
    assert entries(office.database)[-1].detail == {"from": "limited", "to": "power"}
    with pytest.raises(NotFound):
        set_role(office.database, ROOT, "bob", Role.POWER)


def test_grants_come_and_go(office: Office) -> None:
    add_user(office.database, ROOT, "ada", Role.LIMITED)
    create_study(office.database, office.store, ROOT, "S")
    add_grant(office.database, Actor("root"), "ADA", "s")
    (grant,) = list_grants(office.database)
    assert (grant.login, grant.study) == ("ada", "S")
    with pytest.raises(Conflict, match="already"):
        add_grant(office.database, ROOT, "ada", "S")
    remove_grant(office.database, ROOT, "ada", "S")
    with pytest.raises(NotFound, match="no grant"):
        remove_grant(office.database, ROOT, "ada", "S")
    assert list_grants(office.database) == []
    assert office.audited()[2:] == [("grant.add", "S", "ada"), ("grant.remove", "S", "ada")]
    granted, revoked = changes.since(office.database, 0)[-2:]
    assert (granted.kind, revoked.kind) == (ChangeKind.GRANTED, ChangeKind.REVOKED)
    assert granted.study_id == revoked.study_id
    assert granted.user_id == revoked.user_id == principal(office.database, "ada").user_id


@pytest.mark.parametrize(("login", "code", "says"), [("bob", "S", "no user bob"), ("ada", "T", "no study T")])
def test_grants_need_both_ends(office: Office, login: str, code: str, says: str) -> None:
    add_user(office.database, ROOT, "ada", Role.LIMITED)
    create_study(office.database, office.store, ROOT, "S")
    for change in (add_grant, remove_grant):
        with pytest.raises(NotFound, match=says):
            change(office.database, ROOT, login, code)


def test_removed_user_leaves_nothing_that_opens(office: Office) -> None:
    add_user(office.database, ROOT, "ada", Role.STANDARD)
    add_user(office.database, ROOT, "bob", Role.STANDARD)
    create_study(office.database, office.store, ROOT, "S")
    add_grant(office.database, ROOT, "ada", "S")
    create_token(office.database, ROOT, "ada", [Scope.READ], None)
    add_source(office.database, ROOT, "MR1", ae_title="MR1", reviewers=["ada"])
    add_source(office.database, ROOT, "MR2", ae_title="MR2", reviewers=["ada", "bob"])
    gone = principal(office.database, "ada").user_id
    assert remove_user(office.database, ROOT, "ADA") == ["MR1"]
    assert list_grants(office.database) == []
    assert list_tokens(office.database) == []
    assert [source.reviewers for source in list_sources(office.database)] == [(), ("bob",)]
    assert changes.since(office.database, 0)[-1].user_id == gone
    last = entries(office.database)[-1]
    assert (last.action, last.subject, last.detail) == ("user.remove", "ada", {"role": "standard", "grants": ["S"]})
    add_user(office.database, ROOT, "ada", Role.STANDARD)
    assert principal(office.database, "ada").user_id != gone


def test_an_administrator_who_was_lowered_administers_no_more(office: Office) -> None:
    add_user(office.database, ROOT, "ada", Role.ADMINISTRATOR)
    actor = Actor("ada", "ada")
    set_role(office.database, actor, "ada", Role.POWER)
    with pytest.raises(Refused):
        add_user(office.database, actor, "bob", Role.LIMITED)
    assert office.database.row(sa.select(sa.func.count()).select_from(users)) == (1,)
