"""From an Authorization header to a session; on both databases where the catalogue is asked."""

import base64

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from catalog.administration import Actor, Scope, create_token, list_tokens, remove_user, revoke_token, set_role
from catalog.pure.access import Role
from gateway.credentials import Credentials, TokenBackend, Unauthenticated, parse_basic
from tests.builders import BuiltArchive
from tests.gateway.http.serving import basic, new_token

ROOT = Actor("root")


def encoded(data: bytes) -> str:
    return "Basic " + base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("header", "parsed"),
    [
        (basic("anna", "secret"), ("anna", "secret")),
        (basic("anna", "with:colon"), ("anna", "with:colon")),
        (basic("CLINIC\\anna", "secret"), ("anna", "secret")),
        (basic("anna", "pässwört €"), ("anna", "pässwört €")),
        (basic("anna", " "), ("anna", " ")),
        ("basic  " + base64.b64encode(b"a:b").decode() + " ", ("a", "b")),
    ],
)
def test_what_is_right(header: str, parsed: tuple[str, str]) -> None:
    assert parse_basic(header) == parsed


@pytest.mark.parametrize(
    "header",
    [
        None, "", "Basic", "Basic ", "Basic !!!!", "Basic YQ", "Bearer abc", "Digest username=anna", encoded(b"anna"),
        encoded(b"anna:"), encoded(b":secret"), encoded(b"DOMAIN\\:secret"), encoded(b"anna:\xff\xfe"), encoded(b"anna:a\0b"),
        encoded(b"an\na:secret"), encoded(b"anna:" + b"x" * 10_000), "Basic " + "A" * 100_000, "Basic ä",
    ],
)  # fmt: skip
def test_what_is_not(header: str | None) -> None:
    with pytest.raises(Unauthenticated):
        parse_basic(header)


@given(st.one_of(st.text(), st.binary().map(encoded)))
def test_no_header_does_anything_else(header: str) -> None:
    try:
        login, secret = parse_basic(header)
    except Unauthenticated:
        return
    assert login
    assert secret
    assert "\0" not in login + secret


@pytest.fixture
def credentials(built_anywhere: BuiltArchive) -> Credentials:
    built_anywhere.user("Anna")
    built_anywhere.user("ben", "administrator")
    return Credentials(built_anywhere.database, TokenBackend(built_anywhere.database))


def test_a_token_opens_a_session(built_anywhere: BuiltArchive, credentials: Credentials) -> None:
    token = new_token(built_anywhere, "anna", Scope.READ, Scope.STAGING)
    for login in ("Anna", "anna", "ANNA", "CLINIC\\Anna"):
        session = credentials.authenticate(basic(login, token))
        assert session.principal.login == "Anna"
        assert session.principal.role is Role.LIMITED
        assert session.scopes == {Scope.READ, Scope.STAGING}


def test_a_token_is_its_own_user_s_only(built_anywhere: BuiltArchive, credentials: Credentials) -> None:
    token = new_token(built_anywhere, "anna")
    for login in ("ben", "nobody", "anna\\ben", "anna' or '1'='1"):
        with pytest.raises(Unauthenticated):
            credentials.authenticate(basic(login, token))


@pytest.mark.parametrize("change", [str.upper, lambda t: t[:-1], lambda t: t + "x", lambda t: t[4:], lambda _: "amt_"])
def test_nearly_a_token(built_anywhere: BuiltArchive, credentials: Credentials, change: object) -> None:
    assert callable(change)
    with pytest.raises(Unauthenticated):
        credentials.authenticate(basic("anna", change(new_token(built_anywhere, "anna"))))


def test_a_token_expires(built_anywhere: BuiltArchive, credentials: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    token = new_token(built_anywhere, "anna", expires=60)
    (listed,) = list_tokens(built_anywhere.database)
    assert listed.expires is not None
    monkeypatch.setattr("catalog.clock.now", lambda: (listed.expires or 0) - 1)
    assert credentials.authenticate(basic("anna", token))
    monkeypatch.setattr("catalog.clock.now", lambda: listed.expires)
    with pytest.raises(Unauthenticated):
        credentials.authenticate(basic("anna", token))


def test_revoked_tokens_and_removed_users_count_at_once(built_anywhere: BuiltArchive, credentials: Credentials) -> None:
    anna, ben = (basic(login, new_token(built_anywhere, login)) for login in ("anna", "ben"))
    assert credentials.authenticate(anna)
    set_role(built_anywhere.database, ROOT, "ben", Role.POWER)
    assert credentials.authenticate(ben).principal.role is Role.POWER
    revoke_token(built_anywhere.database, ROOT, list_tokens(built_anywhere.database)[0].id)
    with pytest.raises(Unauthenticated):
        credentials.authenticate(anna)
    remove_user(built_anywhere.database, ROOT, "ben")
    with pytest.raises(Unauthenticated):
        credentials.authenticate(ben)


def test_only_digests_are_kept(built_anywhere: BuiltArchive) -> None:
    built_anywhere.user("anna")
    token = create_token(built_anywhere.database, ROOT, "anna", [Scope.READ], None)
    rows = built_anywhere.database.rows(sa.text("select * from tokens"))
    assert token not in str(rows)
