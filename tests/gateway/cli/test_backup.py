"""`archimed backup`: made beside a running archive, killed, gone on with, proved."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, command, done, environment, refused

STUDY = "2008-0003"


@pytest.fixture
def filled(built: BuiltArchive, archimed: Run) -> BuiltArchive:
    """Give an archive with files and a user."""
    done(archimed("init"))
    built.study(STUDY)
    for number in range(1, 6):
        content = {f"{at}.raw": f"{number} {at} ".encode() * 50_000 for at in range(20)}
        built.add_series(f"{STUDY}/E001/{number:03d}_RAW", content)
    done(archimed("user", "add", "ada", "--role", "standard"))
    done(archimed("grant", "add", "ada", STUDY))
    return built


def test_a_backup_is_made_and_proved(filled: BuiltArchive, archimed: Run, tmp_path: Path) -> None:
    text = done(archimed("backup", "create", tmp_path / "b"))
    assert "100 objects" in text
    for key in ("deid.key", "secret.key", "apart from this backup"):
        assert key in text
    again = json.loads(done(archimed("backup", "create", tmp_path / "b", "--json")))
    assert (again["objects"], again["not_copied"]) == (0, [])
    assert "0 objects are lacking" in done(archimed("backup", "verify", tmp_path / "b", "--deep"))
    found = json.loads(done(archimed("backup", "verify", tmp_path / "b", "--json")))
    assert (found["studies"], found["files"], found["lacking"], found["age_hours"]) == (1, 100, [], 0)
    (entry, *_) = [one for one in json.loads(done(archimed("audit", "--json"))) if one["action"] == "backup.create"]
    assert entry["detail"]["damaged"] == 0
    doctor = json.loads(archimed("doctor", "--json").stdout)
    assert [one["grade"] for one in doctor if one["check"] == "backup"] == ["good"]


def test_one_that_was_killed_is_gone_on_with(filled: BuiltArchive, archimed: Run, tmp_path: Path) -> None:
    target = tmp_path / "b"
    running = subprocess.Popen(
        command("--config", filled.config, "backup", "create", target),
        env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until = time.monotonic() + 60
    while running.poll() is None and not list(target.glob("store/*/incoming/*")) and time.monotonic() < until:
        time.sleep(0.001)
    running.kill()
    running.wait()
    done(archimed("backup", "create", target))
    assert "0 objects are lacking" in done(archimed("backup", "verify", target, "--deep"))


def test_what_is_damaged_is_named_and_the_status_says_so(filled: BuiltArchive, archimed: Run, tmp_path: Path) -> None:
    path = next(filled.folder.glob("var/store/*/objects/*/*"))
    path.chmod(0o600)
    path.write_bytes(b"x" * path.stat().st_size)
    result = archimed("backup", "create", tmp_path / "b")
    assert (result.returncode, path.name in result.stderr) == (1, True)
    assert "99 objects" in result.stdout
    result = archimed("backup", "verify", tmp_path / "b")
    assert (result.returncode, f"missing: {STUDY} {path.name}" in result.stdout) == (1, True)


def test_wrong_folders_are_refused(filled: BuiltArchive, archimed: Run, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").write_text("x")
    assert "not empty" in refused(archimed("backup", "create", tmp_path / "full"))
    assert "own folders" in refused(archimed("backup", "create", filled.folder / "var/store/b"))
    assert "no complete backup" in refused(archimed("backup", "verify", tmp_path / "full"))
    assert "no complete backup" in refused(archimed("backup", "verify", tmp_path / "none"))


def test_a_machine_that_was_never_backed_up_is_doubtful(filled: BuiltArchive, archimed: Run) -> None:
    found = json.loads(archimed("doctor", "--json").stdout)
    assert [one["grade"] for one in found if one["check"] == "backup"] == ["doubtful"]
