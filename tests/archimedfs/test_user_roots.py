"""Who stands behind a login on this machine."""

import pwd

import pytest

from archimedfs.handlers import decoded
from archimedfs.user_roots import Account, unix_accounts
from catalog.pure.errors import NotFound, TooLong


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a machine with these Unix users, which folds names as directory services do."""
    known = {"anna": 1, "clinic\\anna": 2}

    def getpwnam(name: str) -> pwd.struct_passwd:
        number = known[name.lower()]
        return pwd.struct_passwd((name.lower(), "x", number, number + 10, "", "/", "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)


@pytest.mark.usefixtures("accounts")
def test_a_login_is_the_unix_user_of_that_very_name() -> None:
    find = unix_accounts()
    assert find("anna") == Account(1, 11)
    assert find("ANNA") is None
    assert find("ben") is None


@pytest.mark.usefixtures("accounts")
def test_a_login_is_the_unix_user_that_the_site_calls_so() -> None:
    find = unix_accounts("clinic\\{login}")
    assert find("anna") == Account(2, 12)
    assert find("Anna") is None
    assert unix_accounts("CLINIC\\{login}")("anna") is None


def test_names_of_requests() -> None:
    assert decoded("ä".encode()) == "ä"
    assert decoded(b"n" * 255) == "n" * 255
    with pytest.raises(TooLong):
        decoded(b"n" * 256)
    with pytest.raises(NotFound):
        decoded(b"\xff")
