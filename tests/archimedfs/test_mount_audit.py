"""What is read through a mount stands in the audit: by user, calling program and series, a row for thousands of files."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from archimedfs.programs import Programs
from catalog.audit import Wanted, list_reads
from catalog.audit.read_log import Read
from tests.archimedfs.mounts import TIMEOUT, RunningMount, needs_fuse, running_mount
from tests.behaviour.suite import eventually
from tests.builders import BuiltArchive

SERIES = "S1/E1/001_DCM_MR_x"
COUNT, SIZE = 2000, 100


@pytest.fixture
def many(built: BuiltArchive) -> BuiltArchive:
    built.user("anna")
    built.study("S1")
    built.grant("anna", "S1")
    built.add_series(SERIES, {f"{number:05d}.dcm": b"x" * SIZE for number in range(COUNT)})
    return built


@pytest.fixture
def mount(many: BuiltArchive, tmp_path: Path) -> Iterator[RunningMount]:
    with running_mount(many, "anna", tmp_path / "mount", "--audit-seconds", "0.2") as mount:
        yield mount


def reads(built: BuiltArchive) -> list[Read]:
    return list_reads(built.database, Wanted())


def program(folder: Path, name: str) -> Path:
    """Return a copy of cat(1) under a name of our own."""
    copied = folder / name
    shutil.copy(shutil.which("cat") or "", copied)
    return copied


@needs_fuse
def test_thousands_of_files_are_one_row_with_the_programs_name(many: BuiltArchive, mount: RunningMount, tmp_path: Path) -> None:
    files = sorted((mount.path / SERIES).iterdir())
    for begin in range(0, COUNT, 500):
        subprocess.run(
            [program(tmp_path, f"freeview{begin // 1000}"), *files[begin : begin + 500]],
            stdout=subprocess.DEVNULL, check=True, timeout=TIMEOUT,
        )  # fmt: skip
    assert eventually(lambda: sum(row.files for row in reads(many)) == COUNT)
    assert eventually(lambda: sum(row.bytes for row in reads(many)) == COUNT * SIZE)
    found = reads(many)
    assert {(row.login, row.face, row.study, row.exam, row.series) for row in found} == {
        ("anna", "mount", *SERIES.split("/")),
    }
    assert [(row.program, row.files) for row in found] == [("freeview0", 1000), ("freeview1", 1000)]


@needs_fuse
def test_listing_and_attributes_are_no_reads(many: BuiltArchive, mount: RunningMount) -> None:
    assert sum(file.stat().st_size for file in (mount.path / SERIES).iterdir()) == COUNT * SIZE
    assert mount.end() == 0
    assert reads(many) == []


@needs_fuse
def test_the_end_of_the_mount_writes_down_the_rest(many: BuiltArchive, tmp_path: Path) -> None:
    with running_mount(many, "anna", tmp_path / "mount", "--audit-seconds", "3600") as mount:
        (mount.path / SERIES / "00001.dcm").read_bytes()
        assert reads(many) == []
        assert mount.end() == 0
    assert [(row.files, row.bytes) for row in reads(many)] == [(1, SIZE)]


@needs_fuse
def test_a_mount_that_is_killed_loses_only_what_was_not_written_yet(many: BuiltArchive, mount: RunningMount) -> None:
    (mount.path / SERIES / "00001.dcm").read_bytes()
    assert eventually(lambda: [row.files for row in reads(many)] == [1])
    mount.end(signal.SIGKILL)
    assert [row.files for row in reads(many)] == [1]


def test_a_program_is_named_as_the_kernel_knows_it(tmp_path: Path) -> None:
    names = Programs()
    sleeping = subprocess.Popen([program(tmp_path, "naïve prog, 0123456789")], stdin=subprocess.PIPE)
    try:
        assert eventually(lambda: Programs().name(sleeping.pid) == "naïve prog, 01")
        assert names.name(sleeping.pid) == "naïve prog, 01"
    finally:
        sleeping.kill()
        sleeping.communicate()
    assert names.name(0) == names.name(2**22 + 1) == ""


def test_a_thread_is_called_by_its_program(tmp_path: Path) -> None:
    """A request comes from a thread, which may have a name of its own."""
    script = (
        "import ctypes, threading\n"
        "def work():\n"
        "    ctypes.CDLL(None).prctl(15, b'worker-7')\n"
        "    print(threading.get_native_id(), flush=True)\n"
        "    threading.Event().wait()\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "input()\n"
    )
    running = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    try:
        thread = int(running.stdout.readline())
        assert thread != running.pid
        assert Path(f"/proc/{thread}/comm").read_text() == "worker-7\n"
        assert Programs().name(thread) == Programs().name(running.pid) != ""
    finally:
        running.communicate("\n")


def test_names_are_not_kept_without_bound() -> None:
    names = Programs()
    for pid in range(10_000_000, 10_001_000):
        names.name(pid)
    assert len(names._names) <= 256
