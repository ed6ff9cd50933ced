"""How a mount ends, and what it leaves behind: nothing."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyfuse3
import pytest
import trio

from archimedfs import mountpoint, session
from tests.archimedfs.mounts import TIMEOUT, needs_fuse, running_mount
from tests.behaviour.suite import ODD, SERIES, fill
from tests.builders import BuiltArchive

pytestmark = needs_fuse


@pytest.fixture
def filled(built: BuiltArchive) -> BuiltArchive:
    return fill(built)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("options", [[], ["--in-thread"]])
def test_a_signal_unmounts(filled: BuiltArchive, tmp_path: Path, number: signal.Signals, options: list[str]) -> None:
    with running_mount(filled, "anna", tmp_path / "mount", *options) as mount:
        assert (mount.path / SERIES / "00001.dcm").read_bytes()
        assert mount.end(number) == 0
        assert not mountpoint.is_mounted(mount.path)
        assert mount.log == ""
        assert list(mount.path.iterdir()) == []


@pytest.mark.parametrize("command", [["fusermount3", "-u"], ["umount"], ["umount", "-l"]])
def test_somebody_else_unmounts(filled: BuiltArchive, tmp_path: Path, command: list[str]) -> None:
    if command[0] == "umount" and os.geteuid() != 0:
        pytest.skip("only root may umount(8)")
    with running_mount(filled, "anna", tmp_path / "mount") as mount:
        for path in sorted((mount.path / SERIES).iterdir()):
            path.read_bytes()
        subprocess.run([*command, mount.path], check=True, timeout=TIMEOUT)
        assert mount.process.wait(TIMEOUT) == 0
        assert mount.log == ""


def test_a_signal_ends_a_mount_that_is_in_use(filled: BuiltArchive, tmp_path: Path) -> None:
    with running_mount(filled, "anna", tmp_path / "mount") as mount:
        reader = subprocess.Popen(["tail", "-f", mount.path / SERIES / "00001.dcm"], cwd=mount.path, stdout=subprocess.PIPE)
        try:
            assert reader.stdout is not None
            assert reader.stdout.read(10)
            assert mount.end() == 0
            assert not mountpoint.is_mounted(mount.path)
            assert mount.log == ""
        finally:
            reader.kill()
            reader.communicate()


def test_it_can_be_mounted_again(filled: BuiltArchive, tmp_path: Path) -> None:
    for _ in range(3):
        with running_mount(filled, "anna", tmp_path / "mount") as mount:
            assert (mount.path / SERIES).is_dir()


def test_a_reader_whose_mount_is_killed_gets_an_error_and_does_not_hang(filled: BuiltArchive, tmp_path: Path) -> None:
    with running_mount(filled, "anna", tmp_path / "mount") as mount:
        fd = os.open(mount.path / ODD / "00001.dcm", os.O_RDONLY)
        mount.end(signal.SIGKILL)
        for ask in (lambda: os.pread(fd, 10, 0), (mount.path / SERIES / "00001.dcm").stat, lambda: os.close(fd)):
            with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is what is tested
                ask()
            assert caught.value.errno in {errno.ENOTCONN, errno.ECONNABORTED}


@pytest.fixture
def usual_limit() -> Iterator[None]:
    """Start programs with the soft limit that most systems give them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("usual_limit")
def test_many_files_can_be_open_at_once(filled: BuiltArchive, tmp_path: Path) -> None:
    with running_mount(filled, "anna", tmp_path / "mount") as mount:
        path = mount.path / ODD / "00001.dcm"
        script = (
            "import os, resource, sys\n"
            "most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))\n"
            "fds = [os.open(sys.argv[1], os.O_RDONLY) for _ in range(3000)]\n"
            "print(len(fds), all(os.pread(fd, 1, 0) for fd in fds))\n"
        )
        done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, timeout=TIMEOUT, check=True)
        assert done.stdout == "3000 True\n"
        assert mount.log == ""


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EIO])
def test_releases_that_an_unmount_cut_off_are_a_clean_end_and_nothing_else_is(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    async def main() -> None:
        async with trio.open_nursery():
            raise OSError(number, "fuse_session_receive_buf failed")

    monkeypatch.setattr(pyfuse3, "main", main)
    if number == errno.ECONNABORTED:
        trio.run(session._answer_requests)
    else:
        with pytest.raises(ExceptionGroup):
            trio.run(session._answer_requests)
