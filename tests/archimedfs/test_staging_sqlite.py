"""SQLite on the staging mount: its locks, its shared memory and its journals hold, whoever is killed."""

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.archimedfs.mounts import TIMEOUT, RunningMount, needs_fuse, running_staging
from tests.archimedfs.staged import exam, staged, staging_archive
from tests.behaviour.dropping import EXAM, fill
from tests.builders import BuiltArchive

__all__ = ["exam", "staged", "staging_archive"]

pytestmark = [needs_fuse, pytest.mark.parametrize("mode", ["delete", "truncate", "wal"])]

# Each transaction reads what is there and writes what follows: two that overlapped would write the same number.
WRITER = """
import sqlite3, sys
file, who, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
connection = sqlite3.connect(file, timeout=60, isolation_level=None)
for number in range(count):
    connection.execute("begin immediate")
    (last,) = connection.execute("select coalesce(max(n), 0) from t").fetchone()
    connection.execute("insert into t values (?, ?, ?)", (last + 1, who, "x" * 5000))
    connection.execute("commit")
    print(number + 1, flush=True)
"""


def begin(file: Path, mode: str) -> None:
    connection = sqlite3.connect(file)
    assert connection.execute(f"pragma journal_mode = {mode}").fetchone() == (mode,)
    connection.execute("create table t (n integer, who text, filling text)")
    connection.commit()
    connection.close()


def writer(file: Path, who: str, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", WRITER, file, who, str(count)], stdout=subprocess.PIPE, text=True)


def numbers(file: Path) -> list[tuple[int, str]]:
    """Return what is in it; it is whole."""
    connection = sqlite3.connect(file, timeout=60)
    try:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        return connection.execute("select n, who from t order by rowid").fetchall()
    finally:
        connection.close()


def acknowledged(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    with process.stdout as told:
        return len(told.read().split())


def test_two_programs_write_by_turns(exam: Path, mode: str) -> None:
    file = exam / "shared.db"
    begin(file, mode)
    running = [writer(file, who, 40) for who in ("a", "b")]
    assert [acknowledged(process) for process in running] == [40, 40]
    assert [process.wait(TIMEOUT) for process in running] == [0, 0]
    found = numbers(file)
    assert [number for number, _ in found] == list(range(1, 81))
    assert {who for _, who in found} == {"a", "b"}


def test_a_program_that_is_killed_takes_nothing_along(exam: Path, mode: str) -> None:
    file = exam / "killed.db"
    begin(file, mode)
    killed, other = writer(file, "killed", 10_000), writer(file, "other", 20)
    assert killed.stdout is not None
    for _ in range(10):
        assert killed.stdout.readline()
    killed.send_signal(signal.SIGKILL)
    told = 10 + acknowledged(killed)
    killed.wait(TIMEOUT)
    assert acknowledged(other) == 20
    other.wait(TIMEOUT)
    found = numbers(file)
    assert [number for number, _ in found] == list(range(1, len(found) + 1))
    assert told <= sum(who == "killed" for _, who in found) <= told + 1
    assert sum(who == "other" for _, who in found) == 20


def test_a_mount_that_is_killed_takes_nothing_along(built: BuiltArchive, tmp_path: Path, mode: str) -> None:
    filled = fill(built)
    with running_staging(filled, "anna", tmp_path / "mount") as mount:
        file = in_exam(mount)
        begin(file, mode)
        process = writer(file, "a", 10_000)
        assert process.stdout is not None
        for _ in range(10):
            assert process.stdout.readline()
        mount.process.kill()
        mount.process.wait(TIMEOUT)
        told = 10 + acknowledged(process)
        process.wait(TIMEOUT)
    with running_staging(filled, "anna", tmp_path / "mount") as mount:
        found = numbers(in_exam(mount))
        assert [number for number, _ in found] == list(range(1, len(found) + 1))
        assert told <= len(found) <= told + 1


def in_exam(mount: RunningMount) -> Path:
    (mount.path / EXAM).mkdir(exist_ok=True)
    return mount.path / EXAM / "f.db"
