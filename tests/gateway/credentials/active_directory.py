"""A real Active Directory: Samba as a domain controller in a temporary folder, on 127.0.0.5; `make test-ad` runs it.

Samba has no say in its ports (389, 636), so this needs root and nobody else there. The file's name keeps it out of `make test`.
"""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalog.pure.access import Role
from catalog.pure.errors import Unavailable
from gateway.config.model import Ldap
from gateway.credentials import Unauthenticated
from gateway.credentials.asking import Proof
from gateway.credentials.directory import DirectoryBackend
from gateway.credentials.failures import Limits
from tests.builders import BuiltArchive
from tests.gateway.credentials.backends import chain
from tests.gateway.credentials.slapd import make_certificates
from tests.gateway.http.serving import basic

_HOST = "127.0.0.5"
_BASE = "DC=ad,DC=test,DC=example"
_PASSWORD = "Right-Pässw0rd"
_LOCKOUT = 5
_PACKAGES = "samba samba-ad-dc samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind krb5-user"
Controller = Callable[..., DirectoryBackend]


def group(name: str) -> str:
    return f"CN={name},CN=Users,{_BASE}"


def provision(folder: Path) -> Path:
    """Make a domain with its people; return its configuration."""

    def tool(*arguments: str) -> None:
        subprocess.run(["samba-tool", *arguments], check=True, capture_output=True, timeout=120)

    tool(
        "domain", "provision", f"--targetdir={folder}/dc", "--realm=AD.TEST.EXAMPLE", "--domain=ADTEST", "--server-role=dc",
        "--dns-backend=NONE", "--adminpass=Adm1n-Pass-w0rd", "--host-name=dc1", f"--host-ip={_HOST}",
        f"--option=interfaces={_HOST}/8", "--option=bind interfaces only=yes",
    )  # fmt: skip
    config = folder / "dc" / "etc" / "smb.conf"
    database = ("-H", f"{folder}/dc/private/sam.ldb", "-s", str(config))
    for login in ("archimed", "anna", "ben", "cem", "dora", "eva"):
        tool("user", "create", login, _PASSWORD, *database)
    tool("user", "disable", "ben", *database)
    tool("user", "setexpiry", "cem", "--days=0", *database)
    for name, member in (("inner", "anna"), ("outer", "inner")):
        tool("group", "add", name, *database)
        tool("group", "addmembers", name, member, *database)
    tool("domain", "passwordsettings", "set", f"--account-lockout-threshold={_LOCKOUT}", *database)
    return config


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    """Give what makes a backend for the domain."""
    if os.geteuid() or not shutil.which("samba"):
        pytest.fail(f"this needs root and: apt-get install --no-install-recommends {_PACKAGES}")
    folder = tmp_path_factory.mktemp("ad")
    config = provision(folder)
    make_certificates(folder, _HOST)
    (folder / "localhost.key").chmod(0o600)
    options = {
        "server services": "ldap", "tls certfile": folder / "localhost.pem", "tls keyfile": folder / "localhost.key",
        "tls cafile": folder / "ca.pem", "log file": folder / "log",
    }  # fmt: skip
    command = ["samba", "-i", "-s", str(config), *(f"--option={name}={value}" for name, value in options.items())]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def backend(url: str = f"ldaps://{_HOST}", **changes: object) -> DirectoryBackend:
        values = {"bind_dn": group("archimed"), "base": _BASE, "ca_file": folder / "ca.pem", **changes}
        return DirectoryBackend(Ldap(servers=(url,), **values), _PASSWORD)  # type: ignore[arg-type]

    try:
        for _ in range(100):
            try:
                assert backend().check("anna", _PASSWORD)
                break
            except Unavailable:
                assert process.poll() is None, "samba ended"
                threading.Event().wait(0.2)
        yield backend
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_right_and_wrong(controller: Controller) -> None:
    for login in ("anna", "ANNA"):
        assert controller().check(login, _PASSWORD) == Proof()
    for login, secret in [("anna", "wrong"), ("anna", _PASSWORD.lower()), ("nobody", _PASSWORD), ("*", _PASSWORD)]:
        assert controller().check(login, secret) is None


@pytest.mark.parametrize("login", ["ben", "cem"])
def test_disabled_and_expired(controller: Controller, login: str) -> None:
    assert controller().check(login, _PASSWORD) is None


def test_by_user_principal_name_through_starttls(controller: Controller) -> None:
    backend = controller(f"ldap://{_HOST}", login_attribute="userPrincipalName")
    assert backend.check("anna@ad.test.example", _PASSWORD) == Proof()


@pytest.mark.parametrize("nested", ["in-chain", "member-of"])
def test_groups_in_groups(controller: Controller, nested: str) -> None:
    backend = controller(nested=nested, roles=((group("outer"), Role.STANDARD), (group("inner"), Role.LIMITED)))
    assert backend.check("anna", _PASSWORD) == Proof(Role.STANDARD)
    assert backend.check("dora", _PASSWORD) is None


def test_a_stale_drive_mapping_locks_nobody_out(controller: Controller, built: BuiltArchive) -> None:
    for login in ("dora", "eva"):
        built.user(login)
    time = 1000.0
    credentials = chain(built.database, controller(), limits=Limits(), now=lambda: time)
    for number in range(150):  # 25 minutes of ours, in which the directory's clock stands nearly still
        time += 10
        for secret in ("old password", f"guess {number}"):
            with pytest.raises(Unauthenticated):
                credentials.authenticate(basic("dora", secret), f"192.0.2.{number % 4}")
    assert controller().check("dora", _PASSWORD), "her account is open"
    for _ in range(_LOCKOUT):
        assert controller().check("eva", "wrong") is None
    assert controller().check("eva", _PASSWORD) is None, "without the budget it would be locked"
