"""Programs that people use on folders, on a real mount; each ends without a complaint and with the right bytes."""

import filecmp
import mmap
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.archimedfs.mounts import TIMEOUT, RunningMount, needs_fuse
from tests.behaviour.faces import CoreFace
from tests.behaviour.suite import (
    ACQUIRED,
    BIG,
    BIG_FOLDER,
    BIG_FOLDER_FILES,
    FILES,
    FOLDERS,
    ODD,
    SERIES,
    SLICES,
    STUDY,
)
from tests.builders import BuiltArchive

pytestmark = needs_fuse


def run(*command: str | Path, cwd: Path) -> str:
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def expected(archive: BuiltArchive, tmp_path: Path) -> Path:
    """Give a plain folder with what anna's tree holds, written through the bare view."""
    face, root = CoreFace(archive.view("anna")), tmp_path / "expected"

    def write(path: str) -> None:
        for name in face.names(path):
            below = f"{path}/{name}".lstrip("/")
            facts = face.stat(below)
            if facts.is_folder:
                (root / below).mkdir(parents=True)
                write(below)
            else:
                (root / below).write_bytes(face.read(below))
            os.utime(root / below, (facts.mtime, facts.mtime))

    write("")
    return root


def assert_same(left: Path, right: Path) -> None:
    assert run("diff", "-r", left, right, cwd=left) == ""


def test_diff(mounted: RunningMount, expected: Path) -> None:
    assert_same(mounted.path, expected)


def test_ls(mounted: RunningMount) -> None:
    listed = run("ls", "-lR", cwd=mounted.path)
    assert sum(line.startswith("-rw-------") for line in listed.splitlines()) == FILES
    assert sum(line.startswith("drwx------") for line in listed.splitlines()) == FOLDERS
    assert run("ls", "-a", cwd=mounted.path).split() == [".", "..", STUDY, "2010-A.7"]
    assert run("ls", "-U", mounted.path / SERIES, cwd=mounted.path).split() == sorted(SLICES)


def test_find(mounted: RunningMount) -> None:
    assert len(run("find", ".", "-type", "f", cwd=mounted.path).splitlines()) == FILES
    assert len(run("find", ".", "-mindepth", "1", "-type", "d", cwd=mounted.path).splitlines()) == FOLDERS
    assert run("find", ".", "-name", "00003.dcm", "-size", "-1", cwd=mounted.path) == ""
    assert run("find", ".", "-newermt", "2009-01-01", "-name", "00003.dcm", cwd=mounted.path) != ""


def test_cp(mounted: RunningMount, expected: Path, tmp_path: Path) -> None:
    run("cp", "-r", mounted.path / STUDY, tmp_path / "copy", cwd=tmp_path)
    assert_same(tmp_path / "copy", expected / STUDY)


def test_cp_archive_keeps_times_and_complains_of_nothing(mounted: RunningMount, tmp_path: Path) -> None:
    run("cp", "-a", mounted.path / STUDY, tmp_path / "copy", cwd=tmp_path)
    copy = tmp_path / "copy" / SERIES.removeprefix(f"{STUDY}/") / "00001.dcm"
    assert copy.stat().st_mtime == ACQUIRED
    assert copy.stat().st_mode & 0o777 == 0o600


def _python_copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target)


def _tar(source: Path, target: Path) -> None:
    target.mkdir()
    packed = subprocess.run(["tar", "-c", "."], cwd=source, stdout=subprocess.PIPE, timeout=TIMEOUT, check=True)
    subprocess.run(["tar", "-xp"], cwd=target, input=packed.stdout, timeout=TIMEOUT, check=True)


def _by(*command: str) -> Callable[[Path, Path], None]:
    def copy(source: Path, target: Path) -> None:
        target.mkdir()
        run(*command, f"{source}/.", f"{target}/", cwd=target)

    return copy


@pytest.mark.parametrize(
    "copy",
    [_by("cp", "-r"), _by("cp", "-a"), _by("rsync", "-a"), _tar, _python_copy],
    ids=["cp -r", "cp -a", "rsync -a", "tar -xp", "copytree"],
)
def test_copies_can_be_changed_and_deleted(
    mounted: RunningMount, expected: Path, tmp_path: Path, copy: Callable[[Path, Path], None]
) -> None:
    target = tmp_path / "copy"
    copy(mounted.path / STUDY, target)
    assert_same(target, expected / STUDY)
    for path in [target, *target.rglob("*")]:
        assert path.stat().st_mode & 0o200, "whoever is not root needs the bit"
    folder = target / SERIES.removeprefix(f"{STUDY}/")
    (folder / "mask.nii").write_bytes(b"mine")
    (folder / "00001.dcm").write_bytes(b"changed")
    shutil.rmtree(target)


def test_the_mount_itself_refuses_whatever_the_modes_say(mounted: RunningMount) -> None:
    folder = mounted.path / SERIES
    for attempt in (
        lambda: (folder / "new").write_bytes(b""),
        lambda: (folder / "00001.dcm").write_bytes(b""),
        (folder / "00001.dcm").unlink,
        lambda: (folder / "00001.dcm").chmod(0o400),
        (folder / "new").mkdir,
        lambda: folder.rename(folder.with_name("other")),
    ):
        with pytest.raises(OSError, match="Read-only file system"):
            attempt()
    assert not os.access(folder, os.W_OK)


def test_tar(mounted: RunningMount) -> None:
    listed = subprocess.run(["tar", "-cf", "-", "."], cwd=mounted.path, stdout=subprocess.PIPE, timeout=TIMEOUT, check=True)
    read_back = subprocess.run(["tar", "-tf", "-"], input=listed.stdout, stdout=subprocess.PIPE, timeout=TIMEOUT, check=True)
    assert len(read_back.stdout.splitlines()) == 1 + FOLDERS + FILES


def test_tarfile_in_python(mounted: RunningMount, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(mounted.path / SERIES, "series")
    with tarfile.open(tmp_path / "x.tar") as archive:
        member = archive.extractfile("series/00002.dcm")
        assert member is not None
        assert member.read() == SLICES["00002.dcm"]


def test_rsync(mounted: RunningMount, expected: Path, tmp_path: Path) -> None:
    run("rsync", "-a", f"{mounted.path}/", tmp_path / "copy", cwd=tmp_path)
    assert_same(tmp_path / "copy", expected)
    again = run("rsync", "-ain", f"{mounted.path}/", tmp_path / "copy", cwd=tmp_path)
    assert again == ""


def test_filecmp_in_python(mounted: RunningMount, expected: Path) -> None:
    matching, differing, failed = filecmp.cmpfiles(mounted.path / SERIES, expected / SERIES, list(SLICES), shallow=False)
    assert (len(matching), differing, failed) == (len(SLICES), [], [])


def test_mapped_memory(mounted: RunningMount) -> None:
    with (mounted.path / ODD / "00001.dcm").open("rb") as file:
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            assert mapped[:] == BIG
            assert mapped[2_999_999:] == BIG[2_999_999:]
        private = np.memmap(file, dtype=np.uint8, mode="c")
        assert bytes(private[1_000_000:1_000_010]) == BIG[1_000_000:1_000_010]


def test_reading_beyond_the_end_is_the_end(mounted: RunningMount) -> None:
    with (mounted.path / ODD / "00001.dcm").open("rb", buffering=0) as file:
        assert os.pread(file.fileno(), 10, len(BIG)) == b""
        assert os.pread(file.fileno(), 10, len(BIG) + 10_000_000) == b""
        assert os.pread(file.fileno(), 100, len(BIG) - 3) == BIG[-3:]
        assert file.seek(0, os.SEEK_END) == len(BIG)
        assert file.seek(-7, os.SEEK_END) == len(BIG) - 7
        assert file.read() == BIG[-7:]


def test_a_copy_inside_the_kernel(mounted: RunningMount, tmp_path: Path) -> None:
    with (mounted.path / ODD / "00001.dcm").open("rb") as source, (tmp_path / "copy").open("wb") as target:
        done = 0
        while count := os.sendfile(target.fileno(), source.fileno(), done, 1 << 20):
            done += count
    assert (tmp_path / "copy").read_bytes() == BIG


def test_several_processes_read_the_same_and_other_files(mounted: RunningMount) -> None:
    script = (
        "import hashlib, pathlib, sys\n"
        "digest = hashlib.sha256()\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).rglob('*.dcm')): digest.update(path.read_bytes())\n"
        "print(digest.hexdigest())\n"
    )
    readers = [
        subprocess.Popen([sys.executable, "-c", script, mounted.path / STUDY / "E001"], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    digests = {reader.communicate(timeout=TIMEOUT)[0] for reader in readers}
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64


def test_a_large_folder_in_a_shell(mounted: RunningMount) -> None:
    names = run("sh", "-c", "printf '%s\\n' *", cwd=mounted.path / BIG_FOLDER).split()
    assert names == [f"{number:05d}.raw" for number in range(1, BIG_FOLDER_FILES + 1)]
