"""PAM itself, with service files of the test's own: pam_matrix knows the passwords; other modules are the system's."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from catalog.pure.errors import Unavailable
from gateway.config.model import Pam
from gateway.credentials import Unauthenticated
from gateway.credentials.asking import Proof
from gateway.credentials.unix import PamBackend
from tests.builders import BuiltArchive
from tests.gateway.credentials.backends import chain
from tests.gateway.http.serving import basic

PASSWORDS = "anna:Pässwört €:archimed\nben:two words:archimed\nold:x:another-service\n"


class Services:
    """A folder of service files; `backend(name)` checks passwords by one of them."""

    def __init__(self, folder: Path) -> None:
        found = sorted(Path("/usr/lib").glob("*/pam_wrapper/pam_matrix.so"))
        assert found, "pam_matrix is missing; `make test` installs it (Debian package libpam-wrapper)"
        self.folder = folder
        passwords = folder / "passwords"
        passwords.write_text(PASSWORDS)
        self.matrix = f"{found[0]} passdb={passwords}"
        self.write("other", "auth required pam_deny.so\naccount required pam_deny.so\n")
        self.write("archimed", f"auth required {self.matrix}\naccount required {self.matrix}\n")

    def write(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content)

    def backend(self, service: str = "archimed") -> PamBackend:
        return PamBackend(Pam(service, self.folder))


@pytest.fixture
def services(tmp_path: Path) -> Services:
    folder = tmp_path / "pam.d"
    folder.mkdir()
    return Services(folder)


def test_right_and_wrong(services: Services) -> None:
    backend = services.backend()
    assert backend.check("anna", "Pässwört €") == Proof()
    assert backend.check("ben", "two words") == Proof()
    for login, secret in [
        ("anna", "passwort"), ("anna", "Pässwört €x"), ("anna", ""), ("anna", "Pässwört €\0x"), ("nobody", "x"), ("", "x"),
        ("old", "x"), ("ben", "Pässwört €"), ("root", ""),
    ]:  # fmt: skip
        assert backend.check(login, secret) is None


def test_a_service_without_a_file_is_denied(services: Services) -> None:
    assert services.backend("nonesuch").check("anna", "Pässwört €") is None


def test_an_account_that_may_not_be_used(services: Services) -> None:
    services.write("archimed", f"auth required {services.matrix}\naccount required pam_deny.so\n")
    assert services.backend().check("anna", "Pässwört €") is None


@pytest.mark.parametrize("module", ["/nonesuch/pam_x.so", "pam_debug.so auth=authinfo_unavail", "pam_debug.so auth=system_err"])
def test_a_service_that_cannot_answer(services: Services, module: str) -> None:
    services.write("archimed", f"auth required {module}\naccount required pam_permit.so\n")
    with pytest.raises(Unavailable):
        services.backend().check("anna", "Pässwört €")


def test_right_under_threads(services: Services) -> None:
    backend = services.backend()
    asked = [("anna", "Pässwört €"), ("anna", "wrong"), ("ben", "two words"), ("ben", "Pässwört €")] * 25
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda each: backend.check(*each), asked))
    assert [bool(each) for each in told] == [True, False, True, False] * 25


def test_a_slow_no_keeps_nobody_waiting(services: Services, built: BuiltArchive) -> None:
    # The system's own module for the delay that follows a wrong password.
    services.write(
        "archimed",
        f"auth optional pam_faildelay.so delay=2000000\nauth required {services.matrix}\naccount required {services.matrix}\n",
    )
    built.user("anna")
    built.user("ben")
    credentials = chain(built.database, services.backend())
    assert credentials.authenticate(basic("ben", "two words"), "192.0.2.2")
    answered = threading.Event()

    def wrong() -> None:
        with pytest.raises(Unauthenticated):
            credentials.authenticate(basic("ben", "wrong"), "192.0.2.1")
        answered.set()

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(wrong)
        for _ in range(50):
            assert credentials.authenticate(basic("ben", "two words"), "192.0.2.2")
        assert credentials.authenticate(basic("anna", "Pässwört €"), "192.0.2.3")
        assert not answered.is_set(), "all of these were answered while PAM still made the wrong one wait"
        slow.result(30)
