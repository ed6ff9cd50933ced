"""`archimed doctor`: a sound machine, and each thing that can be wrong with one."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from catalog.database import Database
from gateway.cli.init import prepare
from gateway.config import load
from gateway.doctor import Finding, Grade, examine, machine, places, programs
from tests.gateway.cli.conftest import command, environment

CONFIG = """
[catalog]
url = "sqlite:///c.db"
[store]
path = "store"
[staging]
path = "staging"
[deid]
key_file = "deid.key"
[http]
port = 0
[dicom]
port = 0
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Give the configuration of an archive that is in order."""
    file = tmp_path / "archimed.toml"
    file.write_text(CONFIG)
    file.chmod(0o640)
    prepare(load(file))
    return file


# What the machine that runs the tests is like is not the archive's.
OTHERS = {"fuse", "clock", "units", "backup"}


def findings(config: Path, check: str) -> list[Finding]:
    return [finding for finding in examine(config) if finding.check == check]


def the_wrong_one(config: Path, check: str) -> str:
    (found,) = [finding for finding in findings(config, check) if finding.grade == Grade.WRONG]
    assert found.mend
    return found.says


def test_nothing_is_wrong_with_a_machine_that_is_in_order(config: Path) -> None:
    found = list(examine(config))
    assert [finding for finding in found if finding.grade != Grade.GOOD and finding.check not in OTHERS] == []
    assert {"configuration", "key", "catalogue file", "folders", "space", "catalogue"} <= {finding.check for finding in found}


def test_the_command_prints_what_to_mend_and_ends_with_1(config: Path) -> None:
    (config.parent / "deid.key").unlink()
    done = subprocess.run(
        command("--config", config, "doctor", "--json", "--quiet"),
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (1, "")
    told = json.loads(done.stdout)
    assert {"check", "grade", "says", "mend"} == set(told[0])
    assert [entry["check"] for entry in told if entry["grade"] == "wrong" and entry["check"] not in OTHERS] == ["key"]


def test_a_configuration_that_cannot_be_used_is_told_with_all_its_faults(config: Path) -> None:
    config.write_text("[store]\npaht = 1\n[http]\nport = -1\n")
    assert [finding.grade for finding in findings(config, "configuration")] == [Grade.WRONG, Grade.WRONG]


def test_a_configuration_that_others_may_write(config: Path) -> None:
    config.chmod(0o666)
    assert "others may write" in the_wrong_one(config, "configuration")


def test_a_password_that_is_missing_open_or_empty(config: Path) -> None:
    config.write_text(CONFIG.replace('c.db"', 'c.db"\npassword_file = "password"'))
    secret = config.parent / "password"
    assert "is missing" in the_wrong_one(config, "secrets")
    secret.write_text("hunter2\n")
    secret.chmod(0o644)
    assert "others may read" in the_wrong_one(config, "secrets")
    secret.chmod(0o600)
    assert [finding.grade for finding in findings(config, "secrets")] == [Grade.GOOD]
    secret.write_text("")
    assert "is empty" in the_wrong_one(config, "secrets")
    assert "hunter2" not in str(list(examine(config)))


def test_a_key_that_is_missing_open_or_none(config: Path) -> None:
    key = config.parent / "deid.key"
    content = key.read_text()
    key.chmod(0o644)
    assert "others may read" in the_wrong_one(config, "key")
    key.chmod(0o600)
    key.write_text(content[1:])
    assert "is no key" in the_wrong_one(config, "key")
    key.unlink()
    assert "is missing" in the_wrong_one(config, "key")


def test_a_catalogue_that_others_may_read(config: Path) -> None:
    (config.parent / "c.db").chmod(0o644)
    assert "others may read" in the_wrong_one(config, "catalogue file")


def test_a_catalogue_that_is_missing_is_not_made(config: Path) -> None:
    for file in config.parent.glob("c.db*"):
        file.unlink()
    assert "there is no catalogue" in the_wrong_one(config, "catalogue file")
    assert not (config.parent / "c.db").exists()


def test_a_catalogue_of_another_revision(config: Path) -> None:
    database = Database(load(config).catalog.url)
    for revision, words in (("0001", "this program needs"), ("9999", "newer")):
        with database.write() as connection:
            connection.exec_driver_sql(f"update alembic_version set version_num = '{revision}'")
        assert words in the_wrong_one(config, "catalogue")
    database.close()


def test_a_catalogue_that_does_not_answer(config: Path) -> None:
    config.write_text(CONFIG.replace("sqlite:///c.db", "postgresql+psycopg://nobody@127.0.0.1:1/none"))
    assert the_wrong_one(config, "catalogue")


@pytest.mark.parametrize("name", ["store", "staging"])
def test_a_folder_whose_disk_is_not_mounted_is_open_or_anothers(config: Path, name: str) -> None:
    folder = config.parent / name
    folder.chmod(0o755)
    assert "others may look" in the_wrong_one(config, "folders")
    folder.chmod(0o700)
    (folder / "S").mkdir()
    if os.geteuid() == 0:
        os.chown(folder / "S", 12345, 12345)
        assert "belong to another user" in the_wrong_one(config, "folders")
    folder.rename(folder.with_name("away"))
    assert "its disk is not mounted" in the_wrong_one(config, "folders")


@pytest.mark.parametrize(("share", "grade"), [(0.5, Grade.GOOD), (0.05, Grade.DOUBTFUL), (0.01, Grade.WRONG)])
@pytest.mark.parametrize("scarce", ["bytes", "inodes"])
def test_a_disk_that_fills(config: Path, share: float, grade: Grade, scarce: str, monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"bytes": 100, "inodes": 100} | {scarce: int(share * 100)}
    found = os.statvfs_result((4096, 4096, 100, free["bytes"], free["bytes"], 100, free["inodes"], free["inodes"], 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: found)
    assert {finding.grade for finding in findings(config, "space")} == {grade}


@pytest.mark.parametrize(("days", "grade"), [(400, Grade.GOOD), (10, Grade.DOUBTFUL), (-2, Grade.WRONG)])
def test_a_certificate_that_ends(config: Path, days: int, grade: Grade, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = config.parent / "tls"
    folder.mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=archive",
         "-days", str(max(days, 1)), "-keyout", folder / "archive.key", "-out", folder / "archive.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "note.pem").write_text("no certificate")
    monkeypatch.setattr(places, "TLS", folder)
    if days < 0:
        now = places.time.time()
        monkeypatch.setattr(places.time, "time", lambda: now + 3 * 86400)
    (found,) = findings(config, "certificates")
    assert found.grade == grade
    (folder / "archive.crt").write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    assert [finding.grade for finding in findings(config, "certificates")] == [Grade.DOUBTFUL]


def test_pam_without_its_service(config: Path) -> None:
    config.write_text(CONFIG + '[auth]\nbackends = ["pam"]\n[auth.pam]\nfolder = "pam"\n')
    assert "is missing" in the_wrong_one(config, "pam")
    (config.parent / "pam").mkdir()
    (config.parent / "pam" / "archimed").write_text("auth required pam_deny.so\n")
    assert [finding.grade for finding in findings(config, "pam")] == [Grade.GOOD]


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def healthy() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _Healthy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["http", "dicom"])
def test_a_port_that_is_free_and_one_that_another_program_has(config: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_PATIENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config.write_text(CONFIG.replace(f"[{name}]\nport = 0", f"[{name}]\nport = {port}"))
        assert "taken by another program" in the_wrong_one(config, "ports")
    assert [finding.says.endswith("is free") for finding in findings(config, "ports")] == [True]


def test_a_port_that_is_ours(config: Path, healthy: int) -> None:
    config.write_text(CONFIG.replace("[http]\nport = 0", f"[http]\nport = {healthy}"))
    assert [finding.says.endswith("is ours") for finding in findings(config, "ports")] == [True]


def test_a_door_for_the_proxy_that_others_find_open(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "door"
    config.write_text(CONFIG.replace("[http]\n", f'[http]\nsocket = "{folder}/proxy.sock"\n'))
    assert the_wrong_one(config, "proxy") == f"the folder {folder} is missing"
    folder.mkdir()
    folder.chmod(0o751)
    assert the_wrong_one(config, "proxy") == f"others may look into {folder}, and speak for the proxy"
    folder.chmod(0o750)
    assert the_wrong_one(config, "proxy") == f"nothing listens at {folder}/proxy.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "proxy.sock"))
        assert [found.grade for found in findings(config, "proxy")] == [Grade.GOOD]
    config.write_text(f'{CONFIG}[auth]\ntrusted_proxies = ["::1"]\n')
    (found,) = findings(config, "proxy")
    assert (found.grade, "each of its users" in found.says) == (Grade.DOUBTFUL, True)


def test_a_mount_that_is_not_there(config: Path) -> None:
    config.write_text(CONFIG + '[mounts]\narchive = "mount"\n')
    assert "nothing is mounted" in the_wrong_one(config, "mounts")


def test_a_machine_without_fuse(config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = tmp_path / "fuse.conf"
    monkeypatch.setattr(machine, "_DEVICE", tmp_path)
    monkeypatch.setattr(machine, "_FUSE_CONF", settings)
    settings.write_text("#user_allow_other\n")
    assert [finding.grade for finding in findings(config, "fuse")] == [Grade.DOUBTFUL]
    settings.write_text("user_allow_other\n")
    assert [finding.grade for finding in findings(config, "fuse")] == [Grade.GOOD]
    monkeypatch.setattr(machine.shutil, "which", lambda _: None)
    assert "fusermount3 is missing" in the_wrong_one(config, "fuse")
    monkeypatch.setattr(machine, "_DEVICE", tmp_path / "nothing")
    assert "no /dev/fuse" in the_wrong_one(config, "fuse")


def test_a_clock_that_is_behind_or_adrift(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = findings(config, "clock")
    assert found.grade != Grade.WRONG
    monkeypatch.setattr(machine.time, "time", lambda: 1_000_000_000.0)
    assert "years behind" in the_wrong_one(config, "clock")


def test_units_that_do_not_run(config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a systemctl that answers as one does; tests/deploy asks a real one."""
    answers = {
        "list-unit-files": "archimed-http.service static -\narchimed-dicom.service masked -\narchimed.target disabled -\n",
        "is-active": "failed\n",
        "show": "\n",
    }
    monkeypatch.setattr(machine, "_MANAGED", tmp_path)
    monkeypatch.setattr(machine, "_systemctl", lambda *words: answers[words[0]])
    found = findings(config, "units")
    assert [(finding.grade, finding.says) for finding in found] == [
        (Grade.WRONG, "archimed-http.service is failed"), (Grade.DOUBTFUL, "archimed.target does not start at boot"),
    ]  # fmt: skip
    answers["list-unit-files"] = ""
    assert "no units" in findings(config, "units")[0].says
