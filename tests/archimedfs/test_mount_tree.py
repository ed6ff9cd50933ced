"""What the kernel shows of the tree: numbers, attributes, listings from any place, damage, strangers."""

import ctypes
import errno
import os
import stat
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from catalog.changes import announce_gone
from catalog.database.tables import exams
from catalog.derived import touch
from catalog.store.local import object_path
from tests.archimedfs.mounts import TIMEOUT, RunningMount, needs_fuse, running_mount
from tests.behaviour.suite import ACQUIRED, BEFORE_1970, BIG_FOLDER, ODD, SERIES, SLICES, STUDY, add_many, eventually, fill
from tests.builders import ADDED, BuiltArchive

pytestmark = needs_fuse

_libc = ctypes.CDLL(None, use_errno=True)


def entries(fd: int, size: int) -> list[tuple[int, int, str]]:
    """Return what one getdents64(2) gives into a buffer of that size: inode number, cookie, name."""
    buffer = ctypes.create_string_buffer(size)
    filled = _libc.getdents64(fd, buffer, ctypes.c_size_t(size))
    assert filled >= 0, os.strerror(ctypes.get_errno())
    found, place = [], 0
    while place < filled:
        inode, cookie, length = struct.unpack_from("<QqH", buffer, place)
        found.append((inode, cookie, buffer.raw[place + 19 : place + length].split(b"\0", 1)[0].decode()))
        place += length
    return found


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory, archive: BuiltArchive) -> Iterator[Path]:
    """Give a folder of 5,500 files on a mount of its own."""
    add_many(archive, "2010-A.7/E001/001_MR_RAW", (f"{number:05d}.raw" for number in range(1, 5501)))
    with running_mount(archive, "anna", tmp_path_factory.mktemp("wide") / "mount") as mount:
        yield mount.path / "2010-A.7/E001/001_MR_RAW"


@pytest.mark.parametrize("size", [300, 4096, 32768, 1 << 20])
def test_a_wide_folder_lists_each_name_once(wide: Path, size: int) -> None:
    fd = os.open(wide, os.O_RDONLY)
    try:
        names = []
        while found := entries(fd, size):
            names += [name for _, _, name in found]
    finally:
        os.close(fd)
    assert names == [".", "..", *(f"{number:05d}.raw" for number in range(1, 5501))]


def test_a_listing_goes_on_from_any_place(wide: Path) -> None:
    fd = os.open(wide, os.O_RDONLY)
    try:
        whole = []
        while found := entries(fd, 32768):
            whole += found
        names = [name for _, _, name in whole]
        for place in (0, 1, 2, 17, 999, 1000, 1001, 1002, 1003, 3333, 5500, 5501, 4, 2001):
            os.lseek(fd, whole[place][1], os.SEEK_SET)
            found = [name for _, _, name in entries(fd, 600)]
            assert found == names[place + 1 : place + 1 + len(found)]
            assert found or place == len(whole) - 1
        os.lseek(fd, 0, os.SEEK_SET)
        assert entries(fd, 600)[0][2] == "."
    finally:
        os.close(fd)


def test_inode_numbers_agree_and_differ(mounted: RunningMount) -> None:
    seen: dict[int, Path] = {}
    for parent, folders, names in os.walk(mounted.path):
        with os.scandir(parent) as found:
            told = {entry.name: entry.inode() for entry in found}
        for name in [*folders, *names]:
            path = Path(parent, name)
            inode = path.stat().st_ino
            assert told[name] == inode
            assert seen.setdefault(inode, path) == path
    assert mounted.path.stat().st_ino == 1


def test_attributes(mounted: RunningMount) -> None:
    for path, kind, mode, size, mtime in [
        ("", stat.S_IFDIR, 0o700, 0, 0),
        (STUDY, stat.S_IFDIR, 0o700, 0, ADDED),
        (SERIES, stat.S_IFDIR, 0o700, 0, ADDED),
        (f"{SERIES}/00011.dcm", stat.S_IFREG, 0o600, 1100, ACQUIRED),
        (f"{ODD}/leer.bin", stat.S_IFREG, 0o600, 0, BEFORE_1970),
    ]:
        found = (mounted.path / path).stat()
        assert (found.st_mode, found.st_size, found.st_mtime) == (kind | mode, size, mtime)
        assert (found.st_uid, found.st_gid, found.st_nlink) == (os.getuid(), os.getuid(), 1)
        assert found.st_blocks == (size + 511) // 512


def test_the_same_from_a_listing_and_from_a_look_up(mounted: RunningMount, archive: BuiltArchive, tmp_path: Path) -> None:
    with running_mount(archive, "anna", tmp_path / "other") as other:
        listed = {entry.name: entry.stat() for entry in os.scandir(mounted.path / SERIES)}
        for name, facts in listed.items():
            found = (other.path / SERIES / name).stat()
            assert [value for place, value in enumerate(found) if place != stat.ST_DEV] == [
                value for place, value in enumerate(facts) if place != stat.ST_DEV
            ]


def test_free_space_is_that_of_the_store(mounted: RunningMount, archive: BuiltArchive) -> None:
    shown, real = os.statvfs(mounted.path), archive.store.capacity()
    assert (shown.f_blocks * shown.f_frsize, shown.f_namemax) == (real.blocks * real.block, 255)
    assert shown.f_flag & os.ST_RDONLY
    assert shown.f_flag & os.ST_NOSUID
    subprocess.run(["df", mounted.path], check=True, timeout=TIMEOUT, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("name", [b"\xff\xfe", b"caf\xe9", b"\xed\xa0\x80", b"n" * 255, b".hidden", b"%2e%2e", b"a\nb"])
def test_names_that_no_file_can_have_are_not_there(mounted: RunningMount, name: bytes) -> None:
    with pytest.raises(FileNotFoundError):
        (mounted.path / SERIES / os.fsdecode(name)).stat()


def test_extended_attributes_are_not_offered(mounted: RunningMount) -> None:
    path = mounted.path / SERIES / "00001.dcm"
    for call in (lambda: os.getxattr(path, "user.x"), lambda: os.listxattr(path)):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is what is tested
            call()
        assert caught.value.errno == errno.EOPNOTSUPP


def test_damage_is_an_error_on_that_file_alone(built: BuiltArchive, tmp_path: Path) -> None:
    fill(built)
    view = built.view("anna")
    study_folder = tmp_path / "var" / "store" / STUDY
    gone, short = (object_path(study_folder, view.resolve(f"{SERIES}/{name}").digest) for name in ("00003.dcm", "00004.dcm"))
    gone.unlink()
    short.chmod(0o600)
    os.truncate(short, 10)
    with running_mount(built, "anna", tmp_path / "mount") as mount:
        series = mount.path / SERIES
        for name in ("00003.dcm", "00004.dcm"):
            assert (series / name).stat().st_size == len(SLICES[name])
            with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is what is tested
                (series / name).read_bytes()
            assert caught.value.errno == errno.EIO
        assert (series / "00005.dcm").read_bytes() == SLICES["00005.dcm"]
        assert mount.log.count("store is damaged") >= 2
        assert STUDY not in mount.log
        assert str(tmp_path) not in mount.log


def test_a_store_that_vanishes_is_an_error_and_the_mount_lives_on(built: BuiltArchive, tmp_path: Path) -> None:
    fill(built)
    store = tmp_path / "var" / "store"
    with running_mount(built, "anna", tmp_path / "mount") as mount:
        store.rename(tmp_path / "var" / "elsewhere")
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is what is tested
            (mount.path / SERIES / "00001.dcm").read_bytes()
        assert caught.value.errno == errno.EIO
        (tmp_path / "var" / "elsewhere").rename(store)
        assert (mount.path / SERIES / "00001.dcm").read_bytes() == SLICES["00001.dcm"]


def test_either_catalogue_and_a_server_that_drops_its_connections(built_anywhere: BuiltArchive, tmp_path: Path) -> None:
    fill(built_anywhere)
    database = built_anywhere.database
    with running_mount(built_anywhere, "anna", tmp_path / "mount", "--in-thread") as mount, ThreadPoolExecutor(8) as pool:
        for _ in range(2):
            found = pool.map(lambda name: (mount.path / SERIES / name).read_bytes(), SLICES)
            assert list(found) == list(SLICES.values())
            if not database.is_sqlite:
                with database.write() as connection:
                    connection.exec_driver_sql(
                        "select pg_terminate_backend(pid) from pg_stat_activity"
                        " where datname = current_database() and pid <> pg_backend_pid()"
                    )
        assert mount.end() == 0
        assert mount.log == ""


def test_an_open_file_outlives_its_name_in_the_store(built: BuiltArchive, tmp_path: Path) -> None:
    fill(built)
    stored = object_path(tmp_path / "var" / "store" / STUDY, built.view("anna").resolve(f"{ODD}/00001.dcm").digest)
    with running_mount(built, "anna", tmp_path / "mount") as mount, (mount.path / ODD / "00001.dcm").open("rb") as file:
        stored.unlink()
        assert len(file.read()) == 3_000_001


def test_a_mount_follows_grants_without_being_made_anew(built: BuiltArchive, tmp_path: Path) -> None:
    fill(built)
    with running_mount(built, "anna", tmp_path / "mount") as mount:
        assert not (mount.path / "SECRET").exists()
        built.grant("anna", "SECRET")
        assert (mount.path / "SECRET/E001/001_DCM_MR_x/00001.dcm").read_bytes() == b"secret"
        built.revoke("anna", "SECRET")
        assert eventually(lambda: not (mount.path / "SECRET/E001").exists())
        assert eventually(lambda: sorted(os.listdir(mount.path)) == [STUDY, "2010-A.7"])  # noqa: PTH208 - one call


def test_a_name_that_was_corrected_is_gone_and_what_is_open_stays(built: BuiltArchive, tmp_path: Path) -> None:
    fill(built)
    study, exam = built.view("anna").resolve(STUDY), built.view("anna").resolve(f"{STUDY}/E001")
    with running_mount(built, "anna", tmp_path / "mount") as mount, (mount.path / SERIES / "00001.dcm").open("rb") as file:
        assert (mount.path / SERIES / "00002.dcm").read_bytes() == SLICES["00002.dcm"]
        with built.database.write() as connection:
            connection.execute(exams.update().where(exams.c.id == exam.id.row).values(code="E010", code_key="e010"))
            announce_gone(connection, study.id.row, study.id, "E001")
        assert eventually(lambda: not (mount.path / STUDY / "E001").exists())
        assert eventually(lambda: not (mount.path / SERIES / "00002.dcm").exists())
        moved = mount.path / SERIES.replace("E001", "E010")
        assert (moved / "00002.dcm").read_bytes() == SLICES["00002.dcm"]
        assert file.read() == SLICES["00001.dcm"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a mount for another user and act as a third")
def test_a_mount_belongs_to_its_owner_alone(built: BuiltArchive) -> None:
    fill(built)
    owner, stranger = 61_001, 61_002

    def run_as(uid: int, *command: str | Path) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(command, user=uid, group=uid, extra_groups=[], capture_output=True, timeout=TIMEOUT, cwd="/")

    # pytest's own folders let nobody else in.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with running_mount(built, "anna", Path(folder, "mount"), "--owner", str(owner), "--allow-other") as mount:
            file = mount.path / SERIES / "00001.dcm"
            assert run_as(owner, "cat", file).stdout == SLICES["00001.dcm"]
            assert b"Permission denied" in run_as(stranger, "cat", file).stderr
            assert b"Permission denied" in run_as(stranger, "ls", mount.path).stderr


def test_a_folder_that_changed_is_dated_anew_in_a_moment(mounted: RunningMount, archive: BuiltArchive) -> None:
    folder = mounted.path / BIG_FOLDER
    assert folder.stat().st_mtime == ADDED
    with archive.database.write() as connection:
        touch(connection, [archive.view("anna").resolve(BIG_FOLDER).id], ADDED + 100)
    assert eventually(lambda: folder.stat().st_mtime != ADDED)
    found = folder.stat()
    assert (found.st_mtime, found.st_ctime) == (ADDED + 100, ADDED + 100)
    assert (folder / "00001.raw").stat().st_mtime == ADDED, "files keep theirs"
