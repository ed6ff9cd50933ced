"""Every command of docs/recovery.md runs, on an archive that is damaged, lost, and brought back."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done

STUDY = "2008-0003"
PAGE = Path(__file__).parents[3] / "docs/recovery.md"
COMMANDS = re.findall(r"^\$ archimed (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture
def filled(built: BuiltArchive, archimed: Run) -> BuiltArchive:
    done(archimed("init"))
    built.study(STUDY)
    built.add_series(f"{STUDY}/E001/001_RAW", {f"{at}.raw": b"%d " % at * 1000 for at in range(3)})
    done(archimed("user", "add", "ada", "--role", "standard"))
    done(archimed("grant", "add", "ada", STUDY))
    return built


def told(built: BuiltArchive) -> None:
    """Let the store know what only a publication and the worker tell it."""
    from catalog.lifecycle.access import AccessWriter
    from catalog.store import records

    AccessWriter(built.database, built.store).write()
    objects = {one.digest: one for one in built.store.list(STUDY)}
    lines = [
        {
            "exam": "E001", "series": "001_RAW", "name": f"{at}.raw", "sha256": digest.hex(), "size": one.size,
            "file_type": "RAW", "identity": f"{at:032x}", "series_identity": "0" * 32, "number": 1, "description": "",
            "acquired": None, "headers": {},
        }
        for at in range(3)
        for digest, one in objects.items()
        if b"".join(_content(built, one)).startswith(b"%d " % at)
    ]  # fmt: skip
    records.write_manifest(built.store, STUDY, records.import_name(1, "ab" * 16), lines)


def _content(built: BuiltArchive, one: object) -> list[bytes]:
    from catalog.lifecycle.copying import pieces

    return list(pieces(built.store, STUDY, one))  # type: ignore[arg-type]


def test_the_way_back_as_it_is_written(filled: BuiltArchive, archimed: Run, tmp_path: Path) -> None:
    left = list(COMMANDS)

    def run(command: str, status: int = 0) -> str:
        left.remove(command)
        result = archimed(*shlex.split(command.replace("/mnt/backup/archimed", str(tmp_path / "b"))))
        assert result.returncode == status, result.stderr
        return str(result.stdout)

    told(filled)
    listed = done(archimed("ls", f"{STUDY}/E001/001_RAW", "--as", "ada"))
    run("backup create /mnt/backup/archimed")
    run("backup verify --deep /mnt/backup/archimed")
    path = next(filled.folder.glob("var/store/*/objects/*/*"))
    path.chmod(0o600)
    path.write_bytes(b"x" * path.stat().st_size)
    run("verify", 1)
    run("verify --study 2008-0003", 1)
    run("verify --resume --rate 40M", 1)
    run("repair --from /mnt/backup/archimed")
    filled.database.close()
    (filled.folder / "var").rename(filled.folder / "gone")
    run("restore /mnt/backup/archimed")
    (filled.folder / "gone/secrets").rename(filled.folder / "var/secrets")
    run("init")
    run("verify")
    assert done(archimed("ls", f"{STUDY}/E001/001_RAW", "--as", "ada")) == listed
    run("job list")
    for ending in ("", "-wal", "-shm"):
        (filled.folder / f"var/catalog.db{ending}").unlink(missing_ok=True)
    run("rebuild")
    assert "1.raw" in done(archimed("ls", f"{STUDY}/E001/001_RAW", "--as", "ada"))
    assert left == []


@pytest.mark.parametrize("kind", ["restic", "borg"])
def test_a_backup_goes_into_a_repository_and_comes_out_of_it(
    filled: BuiltArchive, archimed: Run, tmp_path: Path, kind: str
) -> None:
    password = tmp_path / "password"
    password.write_text("a secret\n")
    password.chmod(0o600)
    place, out = tmp_path / "repository", tmp_path / "out"
    with filled.config.open("a") as config:
        config.write(f'[backup]\npath = "{tmp_path}/b"\nrepository = "{kind}:{place}"\n')
        config.write(f'repository_password_file = "{password}"\n')
    for _ in range(2):
        done(archimed("backup", "create"))
    out.mkdir()
    environment = os.environ | {"BORG_PASSCOMMAND": f"cat {password}", "HOME": str(tmp_path)}
    if kind == "restic":
        words = [
            "restic",
            "-r",
            str(place),
            "--password-file",
            str(password),
            "--no-cache",
            "restore",
            "latest",
            "--target",
            ".",
        ]
    else:
        names = subprocess.run(
            ["borg", "list", "--short", place], env=environment, capture_output=True, text=True, check=True
        ).stdout.split()
        assert len(names) == 2
        words = ["borg", "extract", f"{place}::{names[-1]}"]
    subprocess.run(words, env=environment, cwd=out, check=True, capture_output=True)
    found = next(path.parent for path in out.rglob("archimed-backup.json"))
    checked = json.loads(done(archimed("backup", "verify", "--deep", found, "--json")))
    assert (checked["files"], checked["lacking"]) == (3, [])
