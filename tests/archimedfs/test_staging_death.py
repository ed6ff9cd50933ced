"""What is left when something ends in the middle: a program, the mount, the disk, the quota, the batch's time to be written."""

import errno
import mmap
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.gate.drops import sealing
from catalog.gate.staged.area import Staging
from catalog.pure.errors import Refused
from tests.archimedfs.mounts import TIMEOUT, RunningMount, needs_fuse, running_staging
from tests.behaviour.dropping import EXAM, fill, review_of, staging_of
from tests.behaviour.suite import eventually
from tests.builders import BuiltArchive
from tests.catalog.disks import mounted_tmpfs

pytestmark = needs_fuse

WRITE_AND_WAIT = (
    "import os, sys, time; fd = os.open('partial', os.O_CREAT | os.O_WRONLY); os.write(fd, b'x' * 100000); "
    "print('written', flush=True); sys.stdin.read()"
)


@pytest.fixture
def filled(built: BuiltArchive) -> BuiltArchive:
    return fill(built)


@pytest.fixture
def mount(filled: BuiltArchive, tmp_path: Path) -> Iterator[RunningMount]:
    with running_staging(filled, "anna", tmp_path / "mount") as mount:
        (mount.path / EXAM).mkdir()
        yield mount


def is_marked(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_ISVTX)


def writer(folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_AND_WAIT], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.wait(TIMEOUT)
    process.stdout.close()


def test_what_a_killed_program_was_writing_stays_marked(mount: RunningMount, filled: BuiltArchive) -> None:
    folder = mount.path / EXAM
    (folder / "whole").write_bytes(b"1")
    process = writer(folder)
    assert is_marked(folder / "partial")
    process.kill()
    end(process)
    assert is_marked(folder / "partial")
    assert not is_marked(folder / "whole")
    review_of(filled).seal(1)
    staging = staging_of(filled)
    sealing.take_stock(filled.database, staging, 1)
    key = staging.all_drops()[0]
    assert [(staging.name_of(f"drops/{key}/{n}"), staging.is_unfinished(f"drops/{key}/{n}")) for n in (1, 2)] == [
        ("partial", True), ("whole", False),
    ]  # fmt: skip


def test_what_a_program_closes_by_ending_is_whole(mount: RunningMount) -> None:
    process = writer(mount.path / EXAM)
    end(process)
    assert not is_marked(mount.path / EXAM / "partial")


def test_a_mount_that_is_killed(filled: BuiltArchive, tmp_path: Path) -> None:
    with running_staging(filled, "anna", tmp_path / "mount") as mount:
        folder = mount.path / EXAM
        folder.mkdir()
        (folder / "whole").write_bytes(b"1" * 50_000)
        process = writer(folder)
        mount.process.send_signal(signal.SIGKILL)
        mount.process.wait(TIMEOUT)
        end(process)
    with running_staging(filled, "anna", tmp_path / "mount") as mount:
        assert (folder / "whole").read_bytes() == b"1" * 50_000
        assert is_marked(folder / "partial")
        assert not is_marked(folder / "whole")
        (folder / "partial").write_bytes(b"again")
        assert not is_marked(folder / "partial")
        (folder / "more").write_bytes(b"2")
    info = review_of(filled).seal(1)
    assert info.files == 3, "counted anew, whatever the dead mount had not told"


def test_an_open_file_is_sealed_when_it_is_closed(mount: RunningMount, filled: BuiltArchive) -> None:
    process = writer(mount.path / EXAM)
    with pytest.raises(Refused, match="still open"):
        sealing.close_to_writers(filled.database, staging_of(filled), 1, wait_seconds=0.2)
    end(process)
    review_of(filled).seal(1)
    with pytest.raises(OSError, match="Read-only"):
        (mount.path / EXAM / "partial").write_bytes(b"late")


def test_a_file_that_is_mapped_is_written_though_it_is_closed(mount: RunningMount, filled: BuiltArchive) -> None:
    """What a program may still change through its memory is not sealed."""
    path = mount.path / EXAM / "mapped"
    path.write_bytes(b"a" * 8192)
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
    mapped[:1] = b"b"
    with pytest.raises(Refused, match="still open"):
        sealing.close_to_writers(filled.database, staging_of(filled), 1, wait_seconds=0.2)
    mapped[-1:] = b"c"
    mapped.close()
    review_of(filled).seal(1)
    assert path.read_bytes() == b"b" + b"a" * 8190 + b"c"
    assert not is_marked(path)


def test_sealing_while_a_program_writes_file_after_file(mount: RunningMount, filled: BuiltArchive) -> None:
    """Each file is in one batch, whole; what came late is in another that names the first."""
    folder, stop = mount.path / EXAM, threading.Event()
    written: list[str] = []

    def write() -> None:
        while not stop.is_set() and len(written) < 3000:
            name = f"{len(written):05d}"
            (folder / name).write_bytes(name.encode() * 100)
            written.append(name)

    thread = threading.Thread(target=write)
    thread.start()
    assert eventually(lambda: len(written) > 5)
    for _ in range(50):
        try:
            review_of(filled).seal(1)
            break
        except Refused:
            continue
    seen = len(written)
    assert eventually(lambda: len(written) > seen + 5 or not thread.is_alive())
    stop.set()
    thread.join()
    assert [(folder / name).read_bytes() for name in written] == [name.encode() * 100 for name in written]
    first, second = review_of(filled).list()
    assert (first.state, second.state, second.follows) == ("sealed", "open", 1)
    assert first.files + review_of(filled).seal(2).files == len(written)


def make_many(folder: Path) -> None:
    for number in range(300):
        (folder / f"{number}").write_bytes(b"")


def test_a_full_disk(filled: BuiltArchive, tmp_path: Path) -> None:
    with mounted_tmpfs(filled.folder / "small", "size=4m,nr_inodes=200,mode=700") as small:
        Staging(small / "staging").prepare()
        with running_staging(filled, "anna", tmp_path / "mount", "--staging", str(small / "staging")) as mount:
            folder = mount.path / EXAM
            folder.mkdir()
            (folder / "safe").write_bytes(b"s" * 1_000_000)
            with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is looked at
                (folder / "big").write_bytes(b"b" * 8_000_000)
            assert caught.value.errno == errno.ENOSPC
            assert (folder / "safe").read_bytes() == b"s" * 1_000_000
            (folder / "big").unlink()
            (folder / "after").write_bytes(b"a" * 1_000_000)
            with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is looked at
                make_many(folder)
            assert caught.value.errno == errno.ENOSPC
            assert (folder / "after").read_bytes() == b"a" * 1_000_000


def test_a_full_quota(filled: BuiltArchive, tmp_path: Path) -> None:
    with running_staging(filled, "anna", tmp_path / "mount", "--quota", str(10 << 20)) as mount:
        folder = mount.path / EXAM
        folder.mkdir()
        shown = os.statvfs(folder)
        assert shown.f_blocks * shown.f_frsize == 10 << 20
        (folder / "safe").write_bytes(b"s" * (6 << 20))
        shown = os.statvfs(folder)
        assert shown.f_bavail * shown.f_frsize == 4 << 20
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is looked at
            (folder / "big").write_bytes(b"b" * (5 << 20))
        assert caught.value.errno == errno.ENOSPC
        assert (folder / "safe").read_bytes() == b"s" * (6 << 20)
        (folder / "big").unlink()
        (folder / "fits").write_bytes(b"f" * (4 << 20))
        shown = os.statvfs(folder)
        assert shown.f_bavail == 0
