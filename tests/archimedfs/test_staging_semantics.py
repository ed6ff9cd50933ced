"""What the staging mount promises of single calls, in the manner of pjdfstest: a table of calls and what each must answer."""

import ctypes
import errno
import fcntl
import mmap
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archimedfs.mounts import RunningMount, needs_fuse
from tests.archimedfs.staged import exam, staged, staging_archive
from tests.behaviour.dropping import STUDY, review_of
from tests.builders import BuiltArchive

__all__ = ["exam", "staged", "staging_archive"]

pytestmark = needs_fuse

LIBC = ctypes.CDLL(None, use_errno=True)


def make(exam: Path) -> None:
    (exam / "file").write_bytes(b"0123456789")
    (exam / "dir").mkdir()
    (exam / "full").mkdir()
    (exam / "full" / "inner").write_bytes(b"x")


CALLS: list[tuple[str, Callable[[Path], object], int]] = [
    ("open what is not there", lambda e: os.open(e / "none", os.O_RDONLY), errno.ENOENT),
    ("create exclusively what is there", lambda e: os.open(e / "file", os.O_CREAT | os.O_EXCL | os.O_WRONLY), errno.EEXIST),
    ("create below a file", lambda e: os.open(e / "file" / "x", os.O_CREAT | os.O_WRONLY), errno.ENOTDIR),
    ("create below nothing", lambda e: os.open(e / "none" / "x", os.O_CREAT | os.O_WRONLY), errno.ENOENT),
    ("open a folder for writing", lambda e: os.open(e / "dir", os.O_WRONLY), errno.EISDIR),
    ("name too long", lambda e: os.open(e / ("n" * 256), os.O_CREAT | os.O_WRONLY), errno.ENAMETOOLONG),
    ("the report's name", lambda e: os.open(e / "_REPORT.txt", os.O_CREAT | os.O_WRONLY), errno.EACCES),
    ("mkdir what is there", lambda e: (e / "dir").mkdir(), errno.EEXIST),
    ("mkdir over a file", lambda e: (e / "file").mkdir(), errno.EEXIST),
    ("rmdir what is full", lambda e: (e / "full").rmdir(), errno.ENOTEMPTY),
    ("rmdir a file", lambda e: (e / "file").rmdir(), errno.ENOTDIR),
    ("rmdir a full exam", lambda e: e.rmdir(), errno.ENOTEMPTY),
    ("unlink a folder", lambda e: (e / "dir").unlink(), errno.EISDIR),
    ("unlink what is not there", lambda e: (e / "none").unlink(), errno.ENOENT),
    ("rename what is not there", lambda e: (e / "none").rename(e / "x"), errno.ENOENT),
    ("rename a folder over a full one", lambda e: (e / "dir").rename(e / "full"), errno.ENOTEMPTY),
    ("rename a folder over a file", lambda e: (e / "dir").rename(e / "file"), errno.ENOTDIR),
    ("rename a file over a folder", lambda e: (e / "file").rename(e / "dir"), errno.EISDIR),
    ("rename a folder into itself", lambda e: (e / "dir").rename(e / "dir" / "x"), errno.EINVAL),
    ("rename over the report", lambda e: (e / "file").rename(e / "_REPORT.txt"), errno.EACCES),
    ("rename to another study", lambda e: (e / "file").rename(e.parents[1] / "2010-A.7" / "x"), errno.EACCES),
    ("symlink", lambda e: (e / "link").symlink_to("/etc/passwd"), errno.EPERM),
    ("hard link", lambda e: (e / "link").hardlink_to(e / "file"), errno.EPERM),
    ("fifo", lambda e: os.mkfifo(e / "fifo"), errno.EPERM),
    ("set an attribute", lambda e: os.setxattr(e / "file", "user.x", b"1"), errno.ENOTSUP),
    ("read an attribute", lambda e: os.getxattr(e / "file", "user.x"), errno.ENOTSUP),
    ("mkdir at the root", lambda e: (e.parents[1] / "study").mkdir(), errno.EACCES),
    ("a bad exam code", lambda e: (e.parent / "bad code").mkdir(), errno.EINVAL),
    ("a system's exam code", lambda e: (e.parent / "_x").mkdir(), errno.EINVAL),
    ("a file in the study", lambda e: (e.parent / "file").write_bytes(b""), errno.EACCES),
    ("remove the study", lambda e: e.parent.rmdir(), errno.EACCES),
    ("rename the study", lambda e: e.parent.rename(e.parents[1] / "x"), errno.EACCES),
    ("an exam that is there", lambda e: e.mkdir(), errno.EEXIST),
]


@pytest.mark.parametrize(("act", "expected"), [(act, number) for _, act, number in CALLS], ids=[name for name, _, _ in CALLS])
def test_what_is_refused(exam: Path, act: Callable[[Path], object], expected: int) -> None:
    make(exam)
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is looked at
        act(exam)
    assert errno.errorcode[caught.value.errno or 0] == errno.errorcode[expected]
    assert (exam / "file").read_bytes() == b"0123456789"
    assert (exam / "full" / "inner").read_bytes() == b"x"


def test_moving_to_another_exam_is_a_copy(exam: Path) -> None:
    make(exam)
    other = exam.with_name(f"{exam.name}-b")
    other.mkdir()
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is looked at
        (exam / "file").rename(other / "file")
    assert caught.value.errno == errno.EXDEV


def test_rename_without_replacing(exam: Path) -> None:
    make(exam)
    old, new = os.fsencode(exam / "file"), os.fsencode(exam / "full" / "inner")
    at = -100
    assert LIBC.renameat2(at, old, at, new, 1) == -1
    assert ctypes.get_errno() == errno.EEXIST
    assert LIBC.renameat2(at, old, at, new, 2) == -1  # exchange
    assert ctypes.get_errno() == errno.EINVAL
    assert LIBC.renameat2(at, old, at, os.fsencode(exam / "fresh"), 1) == 0
    assert (exam / "fresh").read_bytes() == b"0123456789"


def test_files_without_a_name_are_not_there(exam: Path) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is looked at
        os.open(exam, os.O_TMPFILE | os.O_RDWR)
    assert caught.value.errno in {errno.EOPNOTSUPP, errno.EISDIR}
    assert list(exam.iterdir()) == []


def test_appending_truncating_and_holes(exam: Path) -> None:
    path = exam / "f"
    fd = os.open(path, os.O_CREAT | os.O_RDWR)
    assert os.pwrite(fd, b"abc", 10) == 3
    assert os.pread(fd, 100, 0) == bytes(10) + b"abc"
    os.ftruncate(fd, 11)
    assert os.pread(fd, 100, 0) == bytes(10) + b"a"
    os.ftruncate(fd, 10 << 30)
    os.pwrite(fd, b"end", (10 << 30) - 3)
    assert os.fstat(fd).st_size == 10 << 30
    assert os.fstat(fd).st_blocks * 512 < 1 << 20, "a hole takes no room"
    assert os.pread(fd, 10, (10 << 30) - 3) == b"end"
    os.close(fd)
    os.truncate(path, 5)
    assert path.read_bytes() == bytes(5)
    with path.open("ab") as file:
        file.write(b"x")
    assert path.read_bytes() == bytes(5) + b"x"
    path.write_bytes(b"new")
    assert path.read_bytes() == b"new"


def test_times_and_modes(exam: Path) -> None:
    path = exam / "f"
    path.write_bytes(b"1")
    os.utime(path, ns=(1, 1_500_000_000_123_456_789))
    assert path.stat().st_mtime_ns == 1_500_000_000_123_456_789
    path.chmod(0o755)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    os.chown(path, os.getuid(), os.getgid())
    (exam / "d").mkdir()
    os.utime(exam / "d", (1_000_000_000, 1_000_000_000))
    assert (exam / "d").stat().st_mtime == 1_000_000_000
    os.utime(exam, (1, 1))  # tolerated: the system's


def test_a_removed_file_lives_on_while_it_is_open(exam: Path) -> None:
    path = exam / "f"
    with path.open("w+b") as file:
        file.write(b"before")
        file.flush()
        path.unlink()
        assert os.fstat(file.fileno()).st_nlink == 0
        file.write(b" after")
        file.flush()
        file.seek(0)
        assert file.read() == b"before after"
        path.write_bytes(b"another")
    assert path.read_bytes() == b"another"


def test_a_renamed_file_and_folder_stay_open(exam: Path) -> None:
    make(exam)
    with (exam / "full" / "inner").open("r+b") as file:
        (exam / "full").rename(exam / "moved")
        (exam / "moved" / "inner").rename(exam / "moved" / "other")
        file.write(b"y")
    assert (exam / "moved" / "other").read_bytes() == b"y"


def test_a_name_that_another_file_takes(exam: Path) -> None:
    (exam / "a").write_bytes(b"first")
    with (exam / "a").open("rb") as old:
        assert old.read() == b"first"
        (exam / "b").write_bytes(b"second")
        (exam / "b").replace(exam / "a")
        assert (exam / "a").read_bytes() == b"second"
        old.seek(0)
        assert old.read() == b"first"


def test_shared_mappings(exam: Path) -> None:
    path = exam / "f"
    path.write_bytes(bytes(100_000))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[50_000:50_003] = b"xyz"
        mapped.flush()
    assert path.read_bytes()[50_000:50_003] == b"xyz"


def test_locks_hold_within_the_mount(exam: Path) -> None:
    path = exam / "f"
    path.write_bytes(b"")
    with path.open("r+b") as one, path.open("r+b") as two:
        fcntl.flock(one, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_fsync_of_files_and_folders(exam: Path) -> None:
    make(exam)
    for path in (exam / "file", exam / "dir", exam):
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
    with (exam / "file").open("r+b") as file:
        file.write(b"x")
        file.flush()
        os.fdatasync(file.fileno())


def test_a_large_folder_lists_each_name_once_while_it_changes(exam: Path) -> None:
    for number in range(3000):
        os.close(os.open(exam / f"{number:05d}", os.O_CREAT | os.O_WRONLY))
    with os.scandir(exam) as entries:
        seen = [next(entries).name for _ in range(10)]
        (exam / "zzz").write_bytes(b"")
        (exam / "00000").unlink(missing_ok=True)
        seen += [entry.name for entry in entries]
    assert len(seen) == len(set(seen))
    assert {f"{number:05d}" for number in range(1, 3000)} <= set(seen)


def test_any_bytes_are_a_name(exam: Path) -> None:
    raw = bytes(number for number in range(1, 256) if number != 47)
    for name in (raw[:127], raw[127:], "Mäßig 日本".encode(), "Mäßig".encode("latin-1"), b"a\nb", b" ", b"-", b"\x7f"):
        os.mkdir(os.path.join(os.fsencode(exam), name))  # noqa: PTH102, PTH118 - bytes
        path = os.path.join(os.fsencode(exam), name, name)  # noqa: PTH118 - bytes
        with open(path, "wb") as file:  # noqa: PTH123 - bytes
            file.write(name)
        with open(path, "rb") as file:  # noqa: PTH123 - bytes
            assert file.read() == name
        assert name in os.listdir(os.fsencode(exam))  # noqa: PTH208 - bytes


def test_two_writers_of_one_file(exam: Path) -> None:
    path = exam / "log"

    def append(letter: bytes) -> None:
        with path.open("ab", buffering=0) as file:
            for _ in range(200):
                file.write(letter * 100 + b"\n")

    threads = [threading.Thread(target=append, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = path.read_bytes().split()
    assert sorted(lines) == [b"a" * 100] * 200 + [b"b" * 100] * 200 + [b"c" * 100] * 200


def test_what_is_sealed_is_read_only(exam: Path, staging_archive: BuiltArchive) -> None:
    make(exam)
    batch = max(info.id for info in review_of(staging_archive).list() if info.exam == exam.name)
    review_of(staging_archive).seal(batch)
    calls: list[tuple[Callable[[], object], int]] = [
        (lambda: os.open(exam / "file", os.O_WRONLY), errno.EROFS),
        (lambda: os.truncate(exam / "file", 0), errno.EROFS),
        ((exam / "file").unlink, errno.EROFS),
        (lambda: (exam / "file").rename(exam / "x"), errno.EROFS),
        (lambda: (exam / "full").rename(exam / "x"), errno.EROFS),
        ((exam / "dir").rmdir, errno.EROFS),
        (lambda: os.utime(exam / "file"), errno.EROFS),
        (lambda: exam.rename(exam.with_name("other")), errno.EROFS),
        (exam.rmdir, errno.ENOTEMPTY),
        ((exam / "dir").mkdir, errno.EEXIST),
    ]
    for call, expected in calls:
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is looked at
            call()
        assert errno.errorcode[caught.value.errno or 0] == errno.errorcode[expected]
    (exam / "full" / "late").write_bytes(b"late")
    assert sorted(path.name for path in (exam / "full").iterdir()) == ["inner", "late"]
    assert review_of(staging_archive).list()[-1].follows == batch


def test_an_open_file_is_marked_until_it_is_closed(exam: Path) -> None:
    path = exam / "f"
    with path.open("wb") as file:
        file.write(b"x")
        file.flush()
        assert path.stat().st_mode & stat.S_ISVTX
    assert not path.stat().st_mode & stat.S_ISVTX


def test_nothing_of_other_studies_is_there(staged: RunningMount) -> None:
    assert sorted(path.name for path in staged.path.iterdir()) == [STUDY, "2010-A.7"]
    assert not (staged.path / "SECRET").exists()
