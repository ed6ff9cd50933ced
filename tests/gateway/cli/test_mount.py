"""`archimed mount` in the foreground and behind the terminal."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, command, done, environment, refused

pytestmark = pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="this machine has no /dev/fuse")

SERIES = "S/E/001_RAW"


@pytest.fixture
def mountpoint(built: BuiltArchive, tmp_path: Path) -> Iterator[Path]:
    """Give a folder to mount on, in an archive where ada may see one file; nothing stays mounted."""
    built.user("ada")
    built.study("S")
    built.grant("ada", "S")
    built.add_series(SERIES, {"00001.raw": b"bytes"})
    folder = tmp_path / "archive"
    folder.mkdir()
    yield folder
    if str(folder) in {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}:
        subprocess.run(["fusermount3", "-u", "-z", folder], check=True, timeout=30)


def _unmounted(folder: Path) -> None:
    subprocess.run(["fusermount3", "-u", folder], check=True, timeout=30)


def test_in_the_background(archimed: Run, mountpoint: Path, tmp_path: Path) -> None:
    out = done(archimed("mount", mountpoint.name, "--user", "ADA", "--log-file", "mount.log"))
    assert out == f"mounted {mountpoint} for ADA; unmount with: fusermount3 -u {mountpoint}\n"
    assert (mountpoint / SERIES / "00001.raw").read_bytes() == b"bytes"
    assert f"already mounted on {mountpoint}" in refused(archimed("mount", mountpoint, "--user", "ada"))
    _unmounted(mountpoint)
    assert list(mountpoint.iterdir()) == []
    assert "Traceback" not in (tmp_path / "mount.log").read_text()


def test_in_the_foreground_until_a_signal(built: BuiltArchive, mountpoint: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen(
            command("--config", built.config, "mount", mountpoint, "--user", "ada", "--foreground"), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=environment(),
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.readline() == f"mounted {mountpoint} for ada; Ctrl-C unmounts\n"
            assert (mountpoint / SERIES / "00001.raw").read_bytes() == b"bytes"
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "", "")
        assert list(mountpoint.iterdir()) == []


@pytest.mark.parametrize("foreground", [[], ["--foreground"]])
def test_refusals_come_back_whichever_way(archimed: Run, mountpoint: Path, tmp_path: Path, foreground: list[str]) -> None:
    assert "no user ghost" in refused(archimed("mount", mountpoint, "--user", "ghost", *foreground))
    missing = tmp_path / "missing"
    assert f"{missing} does not exist" in refused(archimed("mount", missing, "--user", "ada", *foreground))
    (mountpoint / "file").touch()
    assert "is not empty" in refused(archimed("mount", mountpoint, "--user", "ada", *foreground))
    refused(archimed("mount", mountpoint, "--user", "ada", "--allow-other", *foreground))


def test_log_that_cannot_be_written(archimed: Run, mountpoint: Path, tmp_path: Path) -> None:
    assert "log file" in refused(archimed("mount", mountpoint, "--user", "ada", "--log-file", tmp_path / "no" / "log"))


def test_nobody_to_let_in(archimed: Run, mountpoint: Path, built: BuiltArchive) -> None:
    built.user("no.such.unix.user")
    assert "no Unix user" in refused(archimed("mount", mountpoint, "--user", "no.such.unix.user", "--allow-other"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_letting_the_user_in(archimed: Run, mountpoint: Path, built: BuiltArchive) -> None:
    built.user("daemon")
    built.grant("daemon", "S")
    done(archimed("mount", mountpoint, "--user", "daemon", "--allow-other"))
    found = mountpoint.stat()
    assert (found.st_uid, found.st_mode & 0o777) == (1, 0o700)
    _unmounted(mountpoint)
