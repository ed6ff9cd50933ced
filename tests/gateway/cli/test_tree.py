"""`ls`, `stat` and `cat` show what a view shows, and nothing of what is not granted."""

import hashlib
import json
import subprocess

import pytest

from tests.builders import ADDED, BuiltArchive
from tests.gateway.cli.conftest import Run, command, done, environment, refused

SERIES = "2008-0003/E001/003_DCM_MR_t1_mprage"
BYTES = bytes(range(256)) * 9000


@pytest.fixture
def granted(built: BuiltArchive) -> BuiltArchive:
    """Give an archive of two studies, of which ada may see one."""
    built.user("ada")
    for code in ("2008-0003", "HIDDEN"):
        built.study(code)
        built.add_series(f"{code}/E001/003_DCM_MR_t1_mprage", {"00001.dcm": BYTES, "00002.dcm": b""}, mtime=1_600_000_000)
    built.grant("ada", "2008-0003")
    return built


def test_names(archimed: Run, granted: BuiltArchive) -> None:
    assert done(archimed("ls", "--as", "ada")) == "2008-0003/\n"
    assert done(archimed("ls", "/2008-0003//E001/", "--as", "ADA")) == "003_DCM_MR_t1_mprage/\n"
    assert done(archimed("ls", SERIES, "--as", "ada")) == "00001.dcm\n00002.dcm\n"
    assert done(archimed("ls", f"{SERIES}/00001.dcm", "--as", "ada")) == "00001.dcm\n"
    assert done(archimed("ls", "-l", SERIES, "--as", "ada")).splitlines()[0].split() == [
        str(len(BYTES)), "2020-09-13T12:26:40Z", "00001.dcm",
    ]  # fmt: skip


def test_json(archimed: Run, granted: BuiltArchive) -> None:
    assert json.loads(done(archimed("ls", SERIES, "--as", "ada", "--json")))[0] == {
        "name": "00001.dcm", "kind": "file", "mtime": "2020-09-13T12:26:40Z", "changed": "2023-11-14T22:13:20Z",
        "size": len(BYTES), "sha256": hashlib.sha256(BYTES).hexdigest(),
    }  # fmt: skip
    assert ADDED == 1_700_000_000
    shown = json.loads(done(archimed("stat", f"/{SERIES}", "--as", "ada", "--json")))
    assert (shown["path"], shown["kind"], shown["name"]) == (SERIES, "series", "003_DCM_MR_t1_mprage")
    granted.revoke("ada", "2008-0003")
    assert json.loads(done(archimed("ls", "--as", "ada", "--json"))) == []


def test_bytes(granted: BuiltArchive) -> None:
    for name, content in (("00001.dcm", BYTES), ("00002.dcm", b"")):
        result = subprocess.run(
            command("--config", granted.config, "cat", f"{SERIES}/{name}", "--as", "ada"), capture_output=True,
            env=environment(), timeout=60,
        )  # fmt: skip
        assert (result.returncode, result.stdout, result.stderr) == (0, content, b"")


@pytest.mark.parametrize("word", ["ls", "stat", "cat"])
def test_what_is_not_granted_is_not_there(archimed: Run, granted: BuiltArchive, word: str) -> None:
    hidden, missing = (
        refused(archimed(word, path, "--as", "ada")) for path in ("HIDDEN/E001", "NOWHERE/E001")
    )  # fmt: skip
    assert hidden == missing == "archimed: there is no such file or folder"


def test_wrong_kinds_and_people(archimed: Run, granted: BuiltArchive) -> None:
    assert "a folder has no bytes" in refused(archimed("cat", SERIES, "--as", "ada"))
    assert "nothing below" in refused(archimed("ls", f"{SERIES}/00001.dcm/x", "--as", "ada"))
    assert "no user ghost" in refused(archimed("ls", "--as", "ghost"))
    assert "no such file" in refused(archimed("ls", "2008-0003/../HIDDEN", "--as", "ada"))


def test_the_archive_is_read_without_the_key_of_de_identification(archimed: Run, granted: BuiltArchive) -> None:
    """Losing it costs what is imported later its fit to what was before, and nothing that is here."""
    key = granted.config.parent / "var/secrets/deid.key"
    assert str(key) in granted.config.read_text()
    key.unlink(missing_ok=True)
    assert hashlib.sha256(BYTES).hexdigest() in done(archimed("stat", f"{SERIES}/00001.dcm", "--as", "ada", "--json"))
    assert "00001.dcm" in done(archimed("ls", SERIES, "--as", "ada"))
