"""LDAP against a real slapd with TLS, and against servers that hang, die and lie."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.pure.access import Role
from catalog.pure.errors import ConfigError, Unavailable
from catalog.pure.nodes import ROOT_ID
from gateway.config.model import Ldap
from gateway.credentials import Unauthenticated, directory
from gateway.credentials.asking import Proof
from gateway.credentials.directory import DirectoryBackend
from tests.builders import BuiltArchive
from tests.gateway.credentials.backends import chain
from tests.gateway.credentials.slapd import BASE, SECRET, SERVICE, Misbehaving, Slapd, cutting, group, with_certificate
from tests.gateway.http.serving import basic

_ANNA = "Pässwört €"


@pytest.fixture
def settings(slapd: Slapd) -> Callable[..., Ldap]:
    def made(*servers: str, **changes: Any) -> Ldap:
        values = {"bind_dn": SERVICE, "base": BASE, "ca_file": slapd.ca, "nested": "member-of", **changes}
        return Ldap(servers=servers or (slapd.ldaps,), **values)

    return made


@pytest.fixture
def misbehaving() -> Iterator[Callable[..., Misbehaving]]:
    running: list[Misbehaving] = []

    def made(serve: Any) -> Misbehaving:
        running.append(Misbehaving(serve))
        return running[-1]

    yield made
    for each in running:
        each.close()


@pytest.mark.parametrize("url", ["ldaps", "ldap"])
def test_right_and_wrong(slapd: Slapd, settings: Callable[..., Ldap], url: str) -> None:
    backend = DirectoryBackend(settings(getattr(slapd, url)), SECRET)
    assert backend.check("anna", _ANNA) == Proof()
    assert backend.check("ANNA", _ANNA) == Proof()
    assert backend.check("ben", "right") == Proof()
    assert backend.check("star*", "right") == Proof()
    for login, secret in [
        ("anna", "wrong"), ("anna", ""), ("anna", "\0"), ("anna", "Passwort €"), ("nobody", "x"), ("bare", "x"), ("bare", ""),
        ("ben", _ANNA), ("anna ", _ANNA),
    ]:  # fmt: skip
        assert backend.check(login, secret) is None, (login, secret)


@pytest.mark.parametrize("login", ["nobody", "disabled", "expired", "*"])
def test_a_no_takes_as_many_questions_whatever_it_is_for(
    settings: Callable[..., Ldap], login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = DirectoryBackend(settings(), SECRET)
    bound = directory._Server.bound
    as_whom: list[str] = []

    def counted(self: Any, dn: str, password: str) -> Any:
        as_whom.append(dn)
        return bound(self, dn, password)

    monkeypatch.setattr(directory._Server, "bound", counted)
    assert backend.check("anna", "wrong") is None
    assert backend.check(login, "wrong") is None
    service, anna, same_service, somebody = as_whom
    assert service == same_service == SERVICE
    assert anna != somebody
    assert backend.check("anna", _ANNA) == Proof(), "a bind as nobody is no fault of the server's"


@pytest.mark.parametrize(
    "login",
    [
        "*",
        "a*",
        "ben)(cn=*",
        "*)(uid=*))(|(uid=*",
        "ben\\2a",
        "ben)",
        "(",
        "\\",
        "\x00",
        "star?",
        "sAMAccountName=ben",
        "é" * 500,
    ],
)
def test_a_filter_in_the_login(settings: Callable[..., Ldap], login: str) -> None:
    assert DirectoryBackend(settings(), SECRET).check(login, "right") is None


@pytest.mark.parametrize("login", ["disabled", "expired", "past", "twin"])
def test_an_account_that_may_not_be_used(settings: Callable[..., Ldap], login: str) -> None:
    assert DirectoryBackend(settings(), SECRET).check(login, "right") is None


def test_by_another_attribute_and_filter(settings: Callable[..., Ldap]) -> None:
    by_upn = DirectoryBackend(settings(login_attribute="userPrincipalName"), SECRET)
    assert by_upn.check("anna@example.org", _ANNA) == Proof()
    assert by_upn.check("anna", _ANNA) is None
    only_ben = DirectoryBackend(settings(filter="(uid=ben)"), SECRET)
    assert only_ben.check("ben", "right") == Proof()
    assert only_ben.check("anna", _ANNA) is None
    assert DirectoryBackend(settings(base=f"ou=groups,{BASE}"), SECRET).check("ben", "right") is None
    assert DirectoryBackend(settings(base=f"ou=none,{BASE}"), SECRET).check("ben", "right") is None


@pytest.mark.parametrize(
    ("roles", "anna", "ben"),
    [
        ({"Ärzte": Role.STANDARD}, Role.STANDARD, None),
        ({"staff": Role.POWER}, Role.POWER, None),
        ({"circle": Role.LIMITED, "readers": Role.LIMITED}, Role.LIMITED, Role.LIMITED),
        ({"Ärzte": Role.LIMITED, "staff": Role.ADMINISTRATOR, "circle": Role.POWER}, Role.ADMINISTRATOR, None),
        ({"none": Role.STANDARD}, None, None),
    ],
)
def test_groups_give_roles(settings: Callable[..., Ldap], roles: dict[str, Role], anna: Role | None, ben: Role | None) -> None:
    mapped = tuple((group(name).upper().replace(",", ", "), role) for name, role in roles.items())
    backend = DirectoryBackend(settings(roles=mapped), SECRET)
    assert backend.admits
    assert backend.check("anna", _ANNA) == (Proof(anna) if anna else None)
    assert backend.check("ben", "right") == (Proof(ben) if ben else None)
    assert backend.check("ben", "wrong") is None


def test_the_rule_of_active_directory_gives_nothing_elsewhere(settings: Callable[..., Ldap]) -> None:
    backend = DirectoryBackend(settings(nested="in-chain", roles=((group("Ärzte"), Role.STANDARD),)), SECRET)
    assert backend.check("anna", _ANNA) is None


def test_a_member_is_let_in_and_sees_nothing(settings: Callable[..., Ldap], built: BuiltArchive) -> None:
    built.study("S1")
    backend = DirectoryBackend(settings(roles=((group("Ärzte"), Role.STANDARD),)), SECRET)
    session = chain(built.database, backend).authenticate(basic("EXAMPLE\\Anna", _ANNA))
    assert (session.principal.login, session.principal.role) == ("anna", Role.STANDARD)
    assert built.view("anna").children(ROOT_ID) == []
    with pytest.raises(Unauthenticated):
        chain(built.database, backend).authenticate(basic("ben", "right"))


def test_the_service_account_is_refused(settings: Callable[..., Ldap], caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Unavailable):
        DirectoryBackend(settings(), "wrong").check("anna", _ANNA)
    assert "refuses the service account" in caplog.text


def test_no_password_goes_over_an_open_line(slapd: Slapd, settings: Callable[..., Ldap], misbehaving: Any) -> None:
    heard: list[bytes] = []

    def listen(connection: Any, _number: int) -> None:
        heard.append(connection.recv(65536))
        # "protocolError" to StartTLS, as a server without TLS answers.
        connection.sendall(bytes.fromhex("300c02010178070a010204000400"))
        heard.append(connection.recv(65536))

    liar = misbehaving(listen)
    with pytest.raises(Unavailable):
        DirectoryBackend(settings(liar.url.replace("ldaps", "ldap")), SECRET).check("anna", _ANNA)
    assert b"1.3.6.1.4.1.1466.20037" in heard[0]
    assert SECRET.encode() not in b"".join(heard)


@pytest.mark.parametrize("certificate", ["elsewhere", "forged"])
def test_a_wrong_certificate(
    slapd: Slapd, settings: Callable[..., Ldap], misbehaving: Any, caplog: pytest.LogCaptureFixture, certificate: str
) -> None:
    heard: list[bytes] = []
    liar = misbehaving(with_certificate(slapd.folder, certificate, lambda wrapped: heard.append(wrapped.recv(65536))))
    with pytest.raises(Unavailable):
        DirectoryBackend(settings(liar.url), SECRET).check("anna", _ANNA)
    assert b"".join(heard) == b""
    assert "its certificate" in caplog.text


def test_the_systems_authorities_did_not_sign_it(slapd: Slapd, settings: Callable[..., Ldap]) -> None:
    with pytest.raises(Unavailable):
        DirectoryBackend(settings(ca_file=None), SECRET).check("anna", _ANNA)


def hang(_connection: Any, _number: int) -> None:
    threading.Event().wait(30)


def test_servers_that_hang_die_or_are_not_there(
    slapd: Slapd, settings: Callable[..., Ldap], misbehaving: Any, built: BuiltArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "_SECONDS", 1)
    silent, mute = misbehaving(hang), misbehaving(with_certificate(slapd.folder, "localhost", lambda _: hang(_, 0)))
    dying = misbehaving(with_certificate(slapd.folder, "localhost", lambda wrapped: wrapped.recv(65536)))
    gone = "ldaps://localhost:1"
    servers = (silent.url, mute.url, dying.url, gone)
    built.user("anna")
    time = 1000.0
    away = chain(built.database, DirectoryBackend(settings(*servers), SECRET, lambda: time))
    with pytest.raises(Unavailable):
        away.authenticate(basic("anna", _ANNA))
    assert (silent.connections, mute.connections, dying.connections) == (1, 1, 1)
    for _ in range(20):
        with pytest.raises(Unavailable):
            away.authenticate(basic("anna", _ANNA))
    assert silent.connections == 1, "a server that is away is left alone"
    time += 31
    with pytest.raises(Unavailable):
        away.authenticate(basic("anna", _ANNA))
    assert silent.connections == 2
    backend = DirectoryBackend(settings(*servers, slapd.ldaps), SECRET)
    with_one_that_works = chain(built.database, backend)
    assert with_one_that_works.authenticate(basic("anna", _ANNA))
    with pytest.raises(Unauthenticated):
        with_one_that_works.authenticate(basic("anna", "wrong"))
    assert mute.connections == 3


def test_a_server_that_dies_while_a_person_binds(
    slapd: Slapd, settings: Callable[..., Ldap], misbehaving: Any, built: BuiltArchive
) -> None:
    # The second connection is the person's: cut at the handshake, and when the client thinks it has been made.
    for after_blocks in (0, 1):
        proxy = misbehaving(cutting(slapd.tls_port, 2, after_blocks))
        with pytest.raises(Unavailable):
            DirectoryBackend(settings(proxy.url), SECRET).check("anna", _ANNA)
        assert proxy.connections == 2
        proxy = misbehaving(cutting(slapd.tls_port, 2, after_blocks))
        assert DirectoryBackend(settings(proxy.url, slapd.ldaps), SECRET).check("anna", _ANNA) == Proof()


def test_nothing_of_it_is_logged(settings: Callable[..., Ldap], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "gateway")
    backend = DirectoryBackend(settings("ldaps://localhost:1"), SECRET)
    with pytest.raises(Unavailable) as caught:
        backend.check("annabella", "hunter2")
    for told in (caplog.text, str(caught.value)):
        assert "annabella" not in told
        assert "hunter2" not in told
        assert SECRET not in told


def test_a_ca_file_that_is_none(settings: Callable[..., Ldap], tmp_path: Path) -> None:
    for name, content in (("missing", None), ("empty", ""), ("other", "no certificate")):
        if content is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(ConfigError, match="ca_file"):
            DirectoryBackend(settings(ca_file=tmp_path / name), SECRET)
