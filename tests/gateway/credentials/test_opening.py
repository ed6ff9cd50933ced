"""From the configuration to a chain that answers: PAM, a directory and tokens together, in the configured order."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.administration import Scope
from catalog.pure.errors import ConfigError
from gateway.config import load
from gateway.credentials import Opener, Unauthenticated
from tests.builders import BuiltArchive
from tests.gateway.credentials.slapd import BASE, SECRET, SERVICE, Slapd
from tests.gateway.credentials.test_unix import Services
from tests.gateway.http.serving import ROOT, basic, new_token


@pytest.fixture
def configured(built: BuiltArchive, slapd: Slapd, tmp_path: Path) -> Callable[[str], Path]:
    folder = tmp_path / "pam.d"
    folder.mkdir()
    services = Services(folder)

    def written(backends: str) -> Path:
        (tmp_path / "ldap-password").write_text(SECRET + "\n")
        text = built.config.read_text().replace('["token"]', backends)
        pam = f'[auth.pam]\nfolder = "{services.folder}"\n'
        ldap = f'[auth.ldap]\nservers = ["{slapd.ldaps}"]\nca_file = "{slapd.ca}"\nbind_dn = "{SERVICE}"\nbase = "{BASE}"\n'
        built.config.write_text(f'{text}{pam}{ldap}bind_password_file = "ldap-password"\n')
        return built.config

    return written


def test_all_of_them(built: BuiltArchive, configured: Callable[[str], Path]) -> None:
    built.user("anna")
    built.user("ben")
    credentials = Opener(load(configured('["token", "pam", "ldap"]'))).open(built.database)
    assert credentials.authenticate(basic("ben", "two words")).scopes == frozenset(Scope), "PAM's password"
    assert credentials.authenticate(basic("ben", "right")).principal.login == "ben", "the directory's"
    assert credentials.authenticate(basic("anna", new_token(built, "anna"))).scopes == {Scope.READ}
    with pytest.raises(Unauthenticated):
        credentials.authenticate(basic("ben", "wrong"))


def test_only_what_is_configured(built: BuiltArchive, configured: Callable[[str], Path]) -> None:
    built.user("ben")
    credentials = Opener(load(configured('["pam"]'))).open(built.database)
    assert credentials.authenticate(basic("ben", "two words"))
    for secret in ("right", new_token(built, "ben")):
        with pytest.raises(Unauthenticated):
            credentials.authenticate(basic("ben", secret))


def test_without_the_service_accounts_password(built: BuiltArchive, configured: Callable[[str], Path], tmp_path: Path) -> None:
    config = load(configured('["ldap"]'))
    (tmp_path / "ldap-password").unlink()
    with pytest.raises(ConfigError, match="the directory's password"):
        Opener(config).open(built.database)


def test_the_page_about_it_can_be_copied(tmp_path: Path) -> None:
    page = (ROOT / "docs/authentication.md").read_text()
    (tmp_path / "archimed.toml").write_text("\n".join(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)))
    config = load(tmp_path / "archimed.toml")
    assert (config.auth.backends, config.ldap.missing) == (("token", "pam", "ldap"), [])
    default = load(write_empty(tmp_path))
    for name in ("max_failures", "failure_seconds", "repeat_seconds"):
        assert getattr(config.auth, name) == getattr(default.auth, name)
    assert config.pam == default.pam


def write_empty(folder: Path) -> Path:
    (folder / "empty.toml").touch()
    return folder / "empty.toml"
