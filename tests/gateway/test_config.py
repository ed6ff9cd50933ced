"""The configuration as CONTRACT shows it, and every fault in it at once."""

import difflib
import string
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from catalog.pure.access import Role
from catalog.pure.errors import ConfigError
from gateway.config import Config, load, read_secret
from gateway.config.model import SECTIONS

CONTRACT = """
[catalog]
url = "sqlite:////var/lib/archimed/catalog.db"
[store]
path = "/var/lib/archimed/store"
[staging]
path = "/var/lib/archimed/staging"
quiet_seconds = 60
[http]
host = "127.0.0.1"
port = 8080
[dicom]
ae_title = "ARCHIMED"
host = "127.0.0.1"
port = 11112
[auth]
backends = ["token", "pam", "ldap"]
"""
DIRECTORY = """
[auth.ldap]
servers = ["ldaps://dc1.example.org", "ldaps://dc2.example.org:3269"]
bind_dn = "CN=archimed,OU=Services,DC=example,DC=org"
bind_password_file = "ldap-password"
base = "DC=example,DC=org"
"""
KEYS = {section: [key.name for key in fields(kind)] for section, kind in SECTIONS.items()}


@pytest.fixture
def write(tmp_path: Path):
    """Give a function that writes the configuration and reads it."""

    def written(text: str | bytes) -> Config:
        file = tmp_path / "archimed.toml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return load(file)

    return written


def problems_of(read, text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return [problem.partition(": ")[2] for problem in caught.value.problems]


def test_the_contracts_example_is_what_holds_without_a_line(write, tmp_path: Path) -> None:
    found, default = write(CONTRACT + DIRECTORY), write("")
    assert found.auth.backends == ("token", "pam", "ldap")
    assert default.auth.backends == ("token",)
    for name in SECTIONS:
        if name not in {"auth", "auth.ldap"}:
            field = name.rpartition(".")[2]
            assert getattr(found, field) == getattr(default, field)
    assert default.deid.key_file == Path("/var/lib/archimed/secrets/deid.key")
    assert default.file == tmp_path / "archimed.toml"


def test_a_directory(write, tmp_path: Path) -> None:
    groups = '[auth.ldap.roles]\n"CN=Ärzte,DC=example,DC=org" = "standard"\n"cn=admins,dc=example,dc=org" = "administrator"\n'
    found = write(CONTRACT + DIRECTORY + groups)
    assert found.ldap.servers == ("ldaps://dc1.example.org", "ldaps://dc2.example.org:3269")
    assert found.ldap.bind_password_file == tmp_path / "ldap-password"
    assert found.ldap.roles == (
        ("CN=Ärzte,DC=example,DC=org", Role.STANDARD), ("cn=admins,dc=example,dc=org", Role.ADMINISTRATOR),
    )  # fmt: skip
    assert write("[auth.pam]\nservice = 'x'\n").pam.service == "x"


def test_a_directory_without_what_it_needs(write) -> None:
    assert problems_of(write, '[auth]\nbackends = ["ldap"]\n[auth.ldap]\nbase = "dc=x"\n') == [
        f"[auth.ldap] {key}: needed, because ldap is among the backends" for key in ("servers", "bind_dn", "bind_password_file")
    ]


def test_nothing_in_it_changes(write) -> None:
    with pytest.raises(FrozenInstanceError):
        write("").http.port = 1


def test_relative_paths_begin_at_the_file(write, tmp_path: Path) -> None:
    found = write('[catalog]\nurl = "sqlite:///var/c.db"\npassword_file = "p"\n[store]\npath = "s"\n[staging]\npath = "../t"\n')
    assert found.catalog.url == f"sqlite:///{tmp_path}/var/c.db"
    assert found.catalog.password_file == tmp_path / "p"
    assert found.store.path == tmp_path / "s"
    assert found.staging.path == tmp_path / ".." / "t"
    assert found.deid.key_file == tmp_path / "var" / "secrets" / "deid.key"


def test_a_bare_secret_is_looked_up_among_the_credentials(write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "password").write_text("secret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    text = '[catalog]\nurl = "postgresql+psycopg://archimed@db/archimed"\npassword_file = "{}"\n'
    found = write(text.format("password"))
    assert found.catalog.password_file == credentials / "password"
    assert read_secret(found.catalog.password_file, "the password") == "secret"
    assert write(text.format("./password")).catalog.password_file == tmp_path / "password"
    assert write(text.format("other")).catalog.password_file == tmp_path / "other"


@pytest.mark.parametrize(
    ("content", "says"), [(None, "No such file"), (b"", "first line .* empty"), (b"\n", "empty"), (b"\xff", "UTF-8")]
)
def test_secret_that_cannot_be_had(tmp_path: Path, content: bytes | None, says: str) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"the password.*{says}"):
        read_secret(file, "the password")


def test_every_fault_at_once(write) -> None:
    assert problems_of(
        write,
        'quiet_seconds = 5\n[http]\nprot = 80\nport = "80"\nworkers = 0\nthreads = true\nae_title = "X"\n'
        '[stor]\npath = "x"\n[auth]\nbackends = []\n[log]\nformat = "xml"\n[dicom]\nae_title = ""\nport = 1.5\n',
    ) == [
        "quiet_seconds stands in no section; it belongs in [staging]",
        "[http] prot: unknown key; the nearest known one is port",
        "[http] port: a whole number is needed, not text",
        "[http] workers: a whole number from 1 to 64 is needed, not 0",
        "[http] threads: a whole number is needed, not true or false",
        "[http] ae_title: unknown key here; it belongs in [dicom]",
        "[stor]: unknown section; the nearest known one is [store]",
        "[auth] backends: a list of one or more of token, pam, ldap is needed, none of them twice",
        "[log] format: one of json, text is needed",
        "[dicom] ae_title: an AE title is 1 to 16 printable ASCII characters without a backslash",
        "[dicom] port: a whole number is needed, not a number",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[http\nport = 1", "not TOML: .*line 1"),
        ("[http]\nport = 1\nport = 2\n", "not TOML: .*line 3"),
        (b"[http]\n# \xff\n", "not UTF-8"),
        ("http = 5", r"write \[http\] on a line of its own"),
        ("colour = 5", "unknown key outside any section; the nearest known one is"),
        ('[[http]]\nport = 1\n', r"http is a section: write \[http\]"),
        ('[store]\npath = ""', r"\[store\] path: a path is needed"),
        ('[store]\npath = 2020-01-01', r"\[store\] path: text is needed, not a date or time"),
        ('[auth]\nbackends = ["token", "token"]', "none of them twice"),
        ('[auth]\nbackends = ["token", ["x"]]', "none of them twice"),
        ('[auth]\nldap = 1', r"write \[auth.ldap\] on a line"),
        ('[auth.ldpa]\nbase = "x"', r"\[auth\] ldpa: unknown key"),
        ('[auth]\nrealms = ["@x"]', r"\[auth\] realms: .* without it"),
        ('[auth]\ntrusted_proxies = ["proxy"]', "a list of IP addresses is needed"),
        ('[auth]\nmax_failures = 9', "from 1 to 8"),
        ('[auth.ldap]\nservers = ["ldaps://dc1:port"]', r"\[auth.ldap\] servers: "),
        ('[auth.ldap]\nservers = ["http://dc1"]', "ldaps://host"),
        ('[auth.ldap]\nservers = ["ldaps://u:p@dc1"]', "ldaps://host"),
        ('[auth.ldap]\nfilter = "objectClass=person"', "a filter in parentheses"),
        ('[auth.ldap]\nlogin_attribute = "uid)(x=*"', "the name of an attribute"),
        ('[auth.ldap]\nbase = " x"', "one line of printable text"),
        ('[auth.ldap.roles]\n"cn=x" = "boss"', "the roles are limited, standard, power, administrator"),
        ('[auth.ldap.roles]\nx = "limited"', "distinguished name"),
        (f'[http]\nsocket = "/run/{"x" * 120}"', r"\[http\] socket: a path of 107 bytes at most"),
        ("[mounts]\nunix_user = 'CLINIC'", r"\[mounts\] unix_user: a name with \{login\} in it is needed"),
        ("[mounts]\nunix_user = '{login}{login}'", r"\[mounts\] unix_user: "),
        ("[mounts]\nunix_user = '{login}/x'", r"\[mounts\] unix_user: "),
        ('[http]\nhost = " "', r"\[http\] host: 1 to 255 printable ASCII"),
        ('[catalog]\nurl = "mysql://x"', r"\[catalog\] url: a URL that begins with sqlite:/// or postgresql\+psycopg://"),
        ('[catalog]\nurl = "postgresql+psycopg://host/"', "database's name is missing"),
        ('[catalog]\nurl = "sqlite://"', "a SQLite URL is"),
        ('[catalog]\nurl = "sqlite:///:memory:"', "a SQLite URL is"),
        ('[catalog]\nurl = "postgresql+psycopg://[x/y"', r"\[catalog\] url: "),
    ],
)  # fmt: skip
def test_what_it_says(write, text: str | bytes, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        write(text)


def test_a_domain_before_unix_users(write) -> None:
    assert write("[mounts]\nunix_user = 'CLINIC\\{login}'").mounts.unix_user == "CLINIC\\{login}"
    assert write("").mounts.unix_user == "{login}"


def test_a_password_in_the_url_is_refused_and_not_repeated(write) -> None:
    (problem,) = problems_of(write, '[catalog]\nurl = "postgresql+psycopg://archimed:hunter2@db/archimed"\n')
    assert "password_file" in problem
    assert "hunter2" not in problem


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, variable = tmp_path / "named.toml", tmp_path / "variable.toml"
    named.write_text("[http]\nport = 1\n")
    variable.write_text("[http]\nport = 2\n")
    monkeypatch.setenv("ARCHIMED_CONFIG", str(variable))
    assert (load(named).http.port, load().http.port) == (1, 2)
    variable.unlink()
    with pytest.raises(ConfigError, match=f"there is no configuration at {variable}.*--config"):
        load()
    monkeypatch.setenv("ARCHIMED_CONFIG", str(tmp_path))
    with pytest.raises(ConfigError, match="cannot be read"):
        load()


_NAMES = st.text(string.ascii_lowercase + "_", min_size=1, max_size=20)


@given(section=st.sampled_from(sorted(SECTIONS)), key=_NAMES)
def test_any_unknown_key_is_named_with_a_known_one(tmp_path_factory: pytest.TempPathFactory, section: str, key: str) -> None:
    assume(key not in KEYS[section])
    file = tmp_path_factory.getbasetemp() / "unknown-key.toml"
    file.write_text(f"[{section}]\n{key} = 1\n")
    (problem,) = problems_of(load, file)
    assert problem.startswith(f"[{section}] {key}: unknown key")
    assert any(known in problem for keys in KEYS.values() for known in keys)


@given(data=st.data(), section=st.sampled_from(sorted(SECTIONS)))
def test_a_slip_of_the_finger_finds_its_key(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, section: str
) -> None:
    key = data.draw(st.sampled_from(KEYS[section]))
    at = data.draw(st.integers(0, len(key) - 1))
    slipped = data.draw(st.sampled_from([key[:at] + key[at + 1 :], key[:at] + "x" + key[at:], key.upper()]))
    assume(slipped and not any(slipped in keys for keys in KEYS.values()))
    rivals = difflib.get_close_matches(slipped.lower(), KEYS[section], n=2, cutoff=0)
    assume(rivals[0] == key)  # two keys can be as near
    file = tmp_path_factory.getbasetemp() / "slip.toml"
    file.write_text(f"[{section}]\n{slipped} = 1\n")
    assert problems_of(load, file) == [f"[{section}] {slipped}: unknown key; the nearest known one is {key}"]
