"""Programs that people bring files with, on a real staging mount: each ends without a complaint and with the right bytes."""

import filecmp
import os
import random
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.archimedfs.mounts import TIMEOUT, RunningMount, needs_fuse
from tests.archimedfs.staged import exam, run, staged, staging_archive

__all__ = ["exam", "staged", "staging_archive"]

pytestmark = needs_fuse

BIG = random.Random(9).randbytes(5_000_001)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder as a researcher has it."""
    folder = tmp_path_factory.mktemp("source") / "data"
    (folder / "sub" / "deeper").mkdir(parents=True)
    (folder / "empty folder").mkdir()
    for name, content in (
        ("big.dat", BIG), ("empty", b""), ("sub/with blanks & ü.txt", b"text\n"), ("sub/deeper/.hidden", b"h"),
        ("sub/\udcff\udcfe latin", b"bytes"), ("_looks_like_the_systems", b"x"), ("n" * 255, b"long"),
    ):  # fmt: skip
        (folder / name).write_bytes(content)
        os.utime(folder / name, (1_200_000_000, 1_200_000_001.5))
    for number in range(200):
        (folder / "sub" / f"{number:05d}.dcm").write_bytes(bytes([number % 256]) * number)
    return folder


def assert_same(left: Path, right: Path) -> None:
    assert run("diff", "-r", left, right, cwd=left) == ""


def test_cp(source: Path, exam: Path) -> None:
    run("cp", "-r", source, "copy", cwd=exam)
    assert_same(source, exam / "copy")
    run("cp", "-a", source, "exact", cwd=exam)
    assert_same(source, exam / "exact")
    assert (exam / "exact" / "big.dat").stat().st_mtime == 1_200_000_001.5


def test_rsync(source: Path, exam: Path) -> None:
    for options in (["-a"], ["-a", "--inplace"], ["-rt", "--partial", "--delay-updates"], ["-a", "--delete", "--checksum"]):
        run("rsync", *options, f"{source}/", f"{exam}/copy/", cwd=exam)
        assert_same(source, exam / "copy")
    assert run("rsync", "-rti", f"{source}/", f"{exam}/copy/", cwd=exam) == "", "nothing is left to do"


def test_tar(source: Path, exam: Path, tmp_path: Path) -> None:
    run("tar", "czf", tmp_path / "data.tar.gz", "-C", source.parent, "data", cwd=tmp_path)
    run("tar", "xzf", tmp_path / "data.tar.gz", cwd=exam)
    assert_same(source, exam / "data")
    run("tar", "cf", "again.tar", "data", cwd=exam)
    with tarfile.open(exam / "again.tar") as again:
        assert len(again.getnames()) > 200


def test_dd(exam: Path, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(BIG)
    for block in ("512", "100k", "3M"):
        run("dd", f"if={tmp_path}/big", f"of=out-{block}", f"bs={block}", "conv=fsync", "status=none", cwd=exam)
        assert filecmp.cmp(tmp_path / "big", exam / f"out-{block}", shallow=False)
    run("dd", f"if={tmp_path}/big", "of=out-512", "bs=7", "seek=1000", "count=3", "conv=notrunc", "status=none", cwd=exam)
    assert (exam / "out-512").read_bytes() == BIG[:7000] + BIG[:21] + BIG[7021:]


def test_unzip(source: Path, exam: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for path in sorted((source / "sub").glob("*.dcm")):
            archive.write(path, path.name)
    run("unzip", "-q", tmp_path / "data.zip", "-d", "out", cwd=exam)
    assert len(list((exam / "out").iterdir())) == 200


def test_holes_of_ten_gigabytes(exam: Path, tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(5 << 30)
        file.write(b"middle")
        file.truncate(10 << 30)
    run("cp", "--sparse=always", tmp_path / "sparse", "copy", cwd=exam)
    found = (exam / "copy").stat()
    assert found.st_size == 10 << 30
    run("dd", "if=/dev/zero", "of=dd", "bs=1", "count=0", "seek=10G", "status=none", cwd=exam)
    assert (exam / "dd").stat().st_size == 10 << 30
    with (exam / "copy").open("rb") as file:
        assert file.read(5) == b"begin"
        file.seek(5 << 30)
        assert file.read(8) == b"middle\0\0"
    run("truncate", "-s", "0", "copy", cwd=exam)


def test_octave(exam: Path) -> None:
    # It complains to itself about its own exit without a terminal.
    for form in ("-text", "-binary", "-v7", "-hdf5"):
        script = f"x = magic(100); save('{form}', 'a.mat', 'x'); x = 0; load('a.mat'); assert(isequal(x, magic(100)))"
        run("octave-cli", "--no-init-file", "--eval", script, cwd=exam, may_complain=True)
    append = "y = 1; save('-append', '-text', 'b.mat', 'y')"
    for _ in range(2):
        run("octave-cli", "--no-init-file", "--eval", append, cwd=exam, may_complain=True)


def test_shell_redirections(exam: Path) -> None:
    run("sh", "-c", "echo one > log; echo two >> log; echo three >> log; sed -i s/two/2/ log; mv log log2; cat log2", cwd=exam)
    assert (exam / "log2").read_text() == "one\n2\nthree\n"


def test_git_like_temporary_names(exam: Path) -> None:
    """Write under another name, rename over the old one: as editors and savers do."""
    for number in range(20):
        (exam / "doc.tmp").write_text(str(number))
        (exam / "doc.tmp").replace(exam / "doc")
    assert (exam / "doc").read_text() == "19"
    assert [path.name for path in exam.iterdir()] == ["doc"]


def test_numpy_memmap(exam: Path) -> None:
    code = (
        "import numpy as np; a = np.memmap('m.dat', np.uint16, 'w+', shape=(1000, 1000)); a[:] = 7; a[500] = 9; a.flush(); "
        "del a; assert np.fromfile('m.dat', np.uint16).sum() == 7 * 999000 + 9 * 1000"
    )
    run(sys.executable, "-c", code, cwd=exam)
    assert (exam / "m.dat").stat().st_size == 2_000_000


def test_many_programs_at_once(source: Path, exam: Path) -> None:
    running = [subprocess.Popen(["cp", "-r", source, exam / f"copy{number}"]) for number in range(6)]
    assert [process.wait(4 * TIMEOUT) for process in running] == [0] * 6
    for number in range(6):
        assert_same(source, exam / f"copy{number}")


def test_rm_takes_the_exam_along(source: Path, exam: Path, staged: RunningMount) -> None:
    run("cp", "-r", source, "copy", cwd=exam)
    run("rm", "-rf", exam, cwd=staged.path)
    assert not exam.exists()
    exam.mkdir()
    assert list(exam.iterdir()) == []


def test_df_and_du(exam: Path) -> None:
    (exam / "a").write_bytes(bytes(1 << 20))
    assert run("du", "-sb", "--apparent-size", "a", cwd=exam).split()[0] == str(1 << 20)
    assert "archimed" in run("df", ".", cwd=exam)
