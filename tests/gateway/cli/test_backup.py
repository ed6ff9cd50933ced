"""`archimed backup`: made beside a running archive, killed, gone on with, proved."""

import json
import subprocess
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.builders import BuiltArchive
from tests.catalog.disks import mounted_tmpfs
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


def _listing(archimed: Run) -> tuple[str, str]:
    listed = done(archimed("query", "size >= 0", "--files", "--as", "ada", "--json"))
    return listed, done(archimed("ls", f"{STUDY}/E001", "--as", "ada", "--json"))


def test_an_archive_comes_back_on_an_empty_machine(filled: BuiltArchive, archimed: Run, tmp_path: Path) -> None:
    done(archimed("token", "create", "ada"))
    done(archimed("backup", "create", tmp_path / "b"))
    path = f"{STUDY}/E001/001_RAW/1.raw"
    before, content = _listing(archimed), done(archimed("cat", path, "--as", "ada"))
    assert "catalogue already" in refused(archimed("restore", tmp_path / "b"))
    filled.database.close()
    (filled.folder / "var").rename(filled.folder / "gone")
    text = done(archimed("restore", tmp_path / "b"))
    for part in ("1 studies, 100 files", "100 objects", "1 tokens were revoked", "deid.key is MISSING"):
        assert part in text
    assert (_listing(archimed), done(archimed("cat", path, "--as", "ada"))) == (before, content)
    assert "missing" in refused(archimed("init"))  # the key is no part of a backup
    (filled.folder / "var/secrets").mkdir()
    (filled.folder / "gone/secrets/deid.key").rename(filled.folder / "var/secrets/deid.key")
    done(archimed("init"))
    done(archimed("verify"))
    found = json.loads(archimed("doctor", "--json").stdout)
    assert [one["grade"] for one in found if one["check"] == "generation"] == ["good"]


def test_a_catalogue_that_is_there_is_moved_aside_never_removed(filled: BuiltArchive, archimed: Run, tmp_path: Path) -> None:
    done(archimed("backup", "create", tmp_path / "b"))
    done(archimed("user", "add", "eve", "--role", "limited"))
    filled.database.close()
    done(archimed("restore", tmp_path / "b", "--replace"))
    assert [user["login"] for user in json.loads(done(archimed("user", "list", "--json")))] == ["ada"]
    (aside,) = (filled.folder / "var").glob("catalog.db.replaced-*Z")
    aside.rename(filled.folder / "var/catalog.db")
    assert {user["login"] for user in json.loads(done(archimed("user", "list", "--json")))} == {"ada", "eve"}


def test_a_restore_that_was_killed_is_begun_again(filled: BuiltArchive, archimed: Run, tmp_path: Path) -> None:
    done(archimed("backup", "create", tmp_path / "b"))
    before = _listing(archimed)
    filled.database.close()
    (filled.folder / "var").rename(filled.folder / "gone")
    running = subprocess.Popen(
        command("--config", filled.config, "restore", tmp_path / "b"),
        env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until = time.monotonic() + 60
    while running.poll() is None and not list(filled.folder.glob("var/store/*/incoming/*")) and time.monotonic() < until:
        time.sleep(0.001)
    running.kill()
    running.wait()
    done(archimed("restore", tmp_path / "b", "--replace"))
    assert _listing(archimed) == before


def test_another_archives_store_is_not_filled(filled: BuiltArchive, archimed: Run, tmp_path: Path) -> None:
    done(archimed("backup", "create", tmp_path / "b"))
    filled.database.close()
    about = tmp_path / "b/archimed-backup.json"
    changed = json.loads(about.read_bytes())
    changed["mark"]["archive"] = "ef" * 16
    about.write_text(json.dumps(changed))
    assert "another archive" in refused(archimed("restore", tmp_path / "b", "--replace"))


def test_what_an_operator_may_get_wrong_is_refused_in_words(filled: BuiltArchive, archimed: Run, tmp_path: Path) -> None:
    done(archimed("backup", "create", tmp_path / "b"))
    (tmp_path / "half").mkdir()
    for wrong in (tmp_path / "none", tmp_path / "half", tmp_path / "b/store"):
        assert "no complete backup" in refused(archimed("restore", wrong, "--replace"))
    filled.database.rows(sa.text("select 1 from studies"))  # an archive that runs
    assert "running" in refused(archimed("restore", tmp_path / "b", "--replace"))
    filled.database.close()
    assert "not hold" in refused(archimed("restore", tmp_path / "b", "--replace", "--staging-from", tmp_path / "half"))
    for _ in range(2):
        done(archimed("restore", tmp_path / "b", "--replace"))
    assert len(list((filled.folder / "var").glob("catalog.db.replaced-*"))) == 2, "each is kept"
    assert not list((filled.folder / "var").glob(".catalog.db.*"))
    next((tmp_path / "b/catalog").iterdir()).unlink()
    assert "missing from the backup" in refused(archimed("restore", tmp_path / "b", "--replace"))


def test_the_configuration_says_where_and_what(filled: BuiltArchive, archimed: Run, tmp_path: Path) -> None:
    assert "no backup is made" in done(archimed("backup", "create", "--scheduled"))
    assert archimed("backup", "create").returncode == 2
    with filled.config.open("a") as config:
        config.write(f'[backup]\npath = "{tmp_path}/b"\nstaging_path = "{tmp_path}/gate"\n')
    waits = filled.folder / "var/staging/received/session"
    waits.mkdir(parents=True)
    (waits / "1").write_bytes(b"names")
    done(archimed("backup", "create", "--scheduled"))
    assert not (tmp_path / "b/staging").exists()
    assert (tmp_path / "gate/staging/received/session/1").read_bytes() == b"names"
    assert (tmp_path / "gate").stat().st_mode & 0o777 == 0o700
    (tmp_path / "b").rename(tmp_path / "unmounted")
    assert "disk mounted" in refused(archimed("backup", "create", "--scheduled"))
    assert not (tmp_path / "b").exists()
    (tmp_path / "unmounted").rename(tmp_path / "b")
    filled.database.close()
    (filled.folder / "var").rename(filled.folder / "gone")
    done(archimed("restore", tmp_path / "b"))
    assert (filled.folder / "var/staging/received/session/1").read_bytes() == b"names"


def test_a_full_disk_is_told_and_gone_on_with_once_there_is_room(filled: BuiltArchive, archimed: Run, tmp_path: Path) -> None:
    done(archimed("backup", "create", tmp_path / "whole"))
    with mounted_tmpfs(tmp_path / "small", "size=6m") as small:
        assert "full" in refused(archimed("backup", "create", small / "b"))
        assert "no complete backup" in refused(archimed("restore", small / "b"))
        text = filled.config.read_text()
        filled.config.write_text(text.replace(f"{filled.folder}/var", f"{small}/var"))
        (small / "b").rename(small / "gone")
        assert "full" in refused(archimed("restore", tmp_path / "whole"))
        assert not (small / "var/catalog.db").exists()
        subprocess.run(["mount", "-o", "remount,size=80m", small], check=True)
        assert "1 studies, 100 files" in done(archimed("restore", tmp_path / "whole"))
