"""The chain of backends: order, what is remembered, what is not, and who is let in."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from catalog.administration import Actor, Scope, add_user, list_users, remove_user, set_role
from catalog.audit import entries
from catalog.pure.access import Role
from catalog.pure.errors import Unavailable
from gateway.credentials import Unauthenticated
from gateway.credentials.asking import NOBODY, Lanes
from gateway.credentials.failures import Failures
from tests.builders import BuiltArchive
from tests.gateway.credentials.backends import Scripted, chain
from tests.gateway.http.serving import basic, new_token

ROOT = Actor("root")


def test_the_first_backend_that_says_yes_decides(built: BuiltArchive) -> None:
    built.user("anna")
    pam, ldap = Scripted({"anna": "one"}, name="pam"), Scripted({"anna": "two"})
    credentials = chain(built.database, pam, ldap)
    session = credentials.authenticate(basic("anna", "one"))
    assert (session.principal.login, session.scopes) == ("anna", frozenset(Scope))
    assert ldap.asked == []
    assert credentials.authenticate(basic("anna", "two"))
    assert (len(pam.asked), len(ldap.asked)) == (2, 1)


def test_a_token_never_reaches_another_backend(built: BuiltArchive) -> None:
    built.user("anna")
    ldap = Scripted({})
    credentials = chain(built.database, ldap)
    token = new_token(built, "anna")
    assert credentials.authenticate(basic("anna", token)).scopes == {Scope.READ}
    for wrong in (token[:-1], "amt_", token + "x"):
        with pytest.raises(Unauthenticated):
            credentials.authenticate(basic("anna", wrong))
    assert ldap.asked == []


def test_a_stranger_is_not_asked_about(built: BuiltArchive) -> None:
    ldap = Scripted({"stranger": "right"})
    with pytest.raises(Unauthenticated):
        chain(built.database, ldap).authenticate(basic("stranger", "right"))
    ((login, secret),) = ldap.asked
    assert login == NOBODY
    assert secret != "right"


@pytest.mark.parametrize("role", [None, Role.STANDARD])
@pytest.mark.parametrize("stranger", ["stranger", "a/b", "con"])
def test_a_refusal_is_the_same_work_whether_the_login_is_somebodys(
    built: BuiltArchive, role: Role | None, stranger: str
) -> None:
    """What takes the time is the backend: it is asked as often, in the same turns, and its absence shows in the same ones."""
    built.user("anna")
    backends = [Scripted({}, name="pam"), Scripted({}, role=role)]
    time = 1000.0
    credentials = chain(built.database, *backends, now=lambda: time)
    away = False

    def before(_login: str) -> None:
        if away:
            raise Unavailable("away")

    def turn(login: str, secret: str) -> tuple[type[Exception], list[int]]:
        for backend in backends:
            backend.asked.clear()
            backend.before = before
        with pytest.raises((Unauthenticated, Unavailable)) as refused:
            credentials.authenticate(basic(login, secret), "192.0.2.1")
        return refused.type, [len(backend.asked) for backend in backends]

    for secret, away, later in (  # noqa: B007 - `before` looks at it
        ("1", False, 0), ("1", False, 0), ("2", True, 0), ("2", False, 0), ("3", False, 0), ("4", False, 0), ("4", False, 301),
        ("5", False, 2000), ("5", False, 301), ("5", False, 301),
    ):  # fmt: skip
        time += later
        assert turn(stranger, secret) == turn("anna", secret), secret


@pytest.mark.parametrize("typed", ["anna", "ANNA", "CLINIC\\Anna", "anna@clinic.example", "Anna@CLINIC.EXAMPLE"])
def test_as_windows_spells_it(built: BuiltArchive, typed: str) -> None:
    built.user("Anna")
    ldap = Scripted({"Anna": "Pässwört €"})
    credentials = chain(built.database, ldap, realms=("Clinic.Example",))
    assert credentials.authenticate(basic(typed, "Pässwört €")).principal.login == "Anna"
    assert ldap.asked == [("Anna", "Pässwört €")]
    with pytest.raises(Unauthenticated):
        credentials.authenticate(basic("anna@elsewhere.example", "Pässwört €"))


@pytest.mark.parametrize("secret", ["", "a\0b", "\0", "x" * 10_000])
def test_what_no_backend_hears_of(built: BuiltArchive, secret: str) -> None:
    built.user("anna")
    ldap = Scripted({"anna": secret})
    with pytest.raises(Unauthenticated):
        chain(built.database, ldap).authenticate(basic("anna", secret))
    assert ldap.asked == []


def test_a_right_password_is_remembered_for_five_minutes(built: BuiltArchive) -> None:
    built.user("anna")
    ldap = Scripted({"anna": "right"})
    time = 1000.0
    credentials = chain(built.database, ldap, now=lambda: time)
    for seconds, asked in ((0, 1), (299, 1), (2, 2), (1, 2)):
        time += seconds
        assert credentials.authenticate(basic("anna", "right"))
        assert len(ldap.asked) == asked


def test_a_wrong_password_is_remembered_and_then_the_login_is_left_alone(built: BuiltArchive) -> None:
    built.user("anna")
    ldap = Scripted({"anna": "right"})
    credentials = chain(built.database, ldap)
    for secret in ("1", "1", "1", "2", "3", "4", "5", "right"):
        with pytest.raises(Unauthenticated):
            credentials.authenticate(basic("anna", secret), "192.0.2.1")
    assert [secret for _, secret in ldap.asked] == ["1", "2", "3"]
    assert credentials.authenticate(basic("anna", "right"), "192.0.2.2"), "somebody else's address is not theirs to spend"


def test_the_address_is_the_clients_if_the_proxy_is_trusted(built: BuiltArchive) -> None:
    built.user("anna")
    ldap = Scripted({"anna": "right"})
    credentials = chain(built.database, ldap, proxies=("127.0.0.1",))
    for secret in ("1", "2", "3"):
        with pytest.raises(Unauthenticated):
            credentials.authenticate(basic("anna", secret), "127.0.0.1", "10.0.0.1, 192.0.2.1")
    with pytest.raises(Unauthenticated):
        credentials.authenticate(basic("anna", "right"), "127.0.0.1", "10.0.0.2, 192.0.2.1")
    assert credentials.authenticate(basic("anna", "right"), "127.0.0.1", "10.0.0.1, 192.0.2.2")


def test_equal_questions_at_one_time_are_one(built: BuiltArchive) -> None:
    built.user("anna")
    ldap = Scripted({"anna": "right"})
    asked, go = threading.Event(), threading.Event()
    ldap.before = lambda _: (asked.set(), go.wait(30))
    credentials = chain(built.database, ldap)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(credentials.authenticate, basic("anna", "right"))
        assert asked.wait(30)
        others = [pool.submit(credentials.authenticate, basic("anna", "right")) for _ in range(3)]
        go.set()
        assert all(each.result(30).principal.login == "anna" for each in [first, *others])
    assert len(ldap.asked) == 1


def test_two_processes_that_ask_the_same_agree(built: BuiltArchive) -> None:
    built.user("anna")
    failures = Failures()
    ldap = Scripted({"anna": "right"})
    asked, go = threading.Event(), threading.Event()
    ldap.before = lambda _: (asked.set(), go.wait(30))
    one, other = (chain(built.database, ldap, failures=failures) for _ in range(2))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(one.authenticate, basic("anna", "right"))
        assert asked.wait(30)
        second = pool.submit(other.authenticate, basic("anna", "right"))
        go.set()
        assert first.result(30)
        assert second.result(30)


def test_a_backend_that_is_away_is_nobodys_fault(built: BuiltArchive) -> None:
    built.user("anna")
    pam, ldap = Scripted({"anna": "right"}, name="pam"), Scripted({})
    failing = True

    def before(_login: str) -> None:
        if failing:
            raise Unavailable("away")

    pam.before = before
    credentials = chain(built.database, pam, ldap)
    for _ in range(10):
        with pytest.raises(Unavailable):
            credentials.authenticate(basic("anna", "right"))
    failing = False
    assert credentials.authenticate(basic("anna", "right"))
    ldap.passwords["anna"] = "other"
    pam.before = before
    failing = True
    assert chain(built.database, pam, ldap).authenticate(basic("anna", "other")), "the next backend may still say yes"


def test_an_unexpected_error_is_not_remembered(built: BuiltArchive) -> None:
    built.user("anna")
    ldap = Scripted({"anna": "right"})
    ldap.before = lambda _: 1 / 0
    credentials = chain(built.database, ldap)
    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            credentials.authenticate(basic("anna", "right"))
    ldap.before = lambda _: None
    assert credentials.authenticate(basic("anna", "right"))


def test_one_address_leaves_room_for_others(built: BuiltArchive) -> None:
    for login in ("anna", "ben", "eva", "ida"):
        built.user(login)
    pam = Scripted({"anna": "right", "ida": "right"}, name="pam")
    slow = threading.Event()
    started = threading.Semaphore(0)
    pam.before = lambda login: (started.release(), slow.wait(30)) if login in {"ben", "eva"} else None
    credentials = chain(built.database, pam, lanes=4)
    assert credentials.authenticate(basic("ida", "right"), "192.0.2.66")
    with ThreadPoolExecutor(8) as pool:
        flood = [
            pool.submit(credentials.authenticate, basic(login, f"wrong{n}"), "192.0.2.66")
            for login in ("ben", "eva") for n in range(4)
        ]  # fmt: skip
        for _ in range(2):
            assert started.acquire(timeout=30)
        assert credentials.authenticate(basic("anna", "right"), "192.0.2.1"), "another address has lanes of its own"
        assert credentials.authenticate(basic("ida", "right"), "192.0.2.66"), "who is remembered asks nobody"
        slow.set()
        errors = [each.exception(30) for each in flood]
    assert {type(error) for error in errors} <= {Unauthenticated, Unavailable}


def test_who_is_one_too_many_is_told_so_at_once() -> None:
    lanes = Lanes(2)
    with contextlib.ExitStack() as held:
        for address in ("a", "a", "b", "c"):
            held.enter_context(lanes.inside(address))
        with pytest.raises(Unavailable), lanes.inside("d"):
            pass
    with lanes.inside("a"), lanes.inside("a"):
        with pytest.raises(Unavailable), lanes.inside("a"):
            pass
        with lanes.inside("b"):
            pass


def test_user_and_role_are_read_every_time(built: BuiltArchive) -> None:
    built.user("anna")
    ldap = Scripted({"anna": "right"})
    credentials = chain(built.database, ldap)
    assert credentials.authenticate(basic("anna", "right")).principal.role is Role.LIMITED
    set_role(built.database, ROOT, "anna", Role.POWER)
    assert credentials.authenticate(basic("anna", "right")).principal.role is Role.POWER
    remove_user(built.database, ROOT, "anna")
    with pytest.raises(Unauthenticated):
        credentials.authenticate(basic("anna", "right"))
    assert [login for login, _ in ldap.asked] == ["anna", NOBODY]


def test_what_is_remembered_ends_with_the_user(built: BuiltArchive) -> None:
    built.user("anna")
    ldap = Scripted({"anna": "right"})
    credentials = chain(built.database, ldap)
    assert credentials.authenticate(basic("anna", "right"))
    remove_user(built.database, ROOT, "anna")
    add_user(built.database, ROOT, "anna", Role.LIMITED)
    ldap.passwords.clear()
    with pytest.raises(Unauthenticated):
        credentials.authenticate(basic("anna", "right"))


def test_a_groups_role_makes_the_user_and_follows_the_group(built_anywhere: BuiltArchive) -> None:
    database = built_anywhere.database
    ldap = Scripted({"anna": "right"}, role=Role.STANDARD)
    time = 1000.0
    credentials = chain(database, ldap, now=lambda: time)
    with pytest.raises(Unauthenticated):
        credentials.authenticate(basic("anna", "wrong"))
    assert list_users(database) == []
    session = credentials.authenticate(basic("ANNA", "right"))
    assert (session.principal.login, session.principal.role) == ("anna", Role.STANDARD)
    set_role(database, ROOT, "anna", Role.LIMITED)
    assert credentials.authenticate(basic("anna", "right")).principal.role is Role.LIMITED, "by hand, until it is asked again"
    ldap.role = Role.POWER
    time += 301
    assert credentials.authenticate(basic("anna", "right")).principal.role is Role.POWER
    told = [(entry.actor, entry.action) for entry in entries(database) if entry.actor == "ldap"]
    assert sorted(told) == [("ldap", "user.add"), ("ldap", "user.role")]


@pytest.mark.parametrize("login", ["con", "a/b", "*", "a)(uid=*", "x" * 65, ".."])
def test_a_login_that_cannot_be_a_folder_is_nobody(built: BuiltArchive, login: str) -> None:
    ldap = Scripted({login: "right"}, role=Role.STANDARD)
    with pytest.raises(Unauthenticated):
        chain(built.database, ldap).authenticate(basic(login, "right"))
    assert [login for login, _ in ldap.asked] == [NOBODY]
