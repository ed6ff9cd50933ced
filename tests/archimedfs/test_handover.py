"""A mount made by the helper on a device that the daemon opened, as systemd's units do it; only root may."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from archimedfs import mounter, mountpoint
from catalog.pure.errors import Refused, Unavailable
from tests.archimedfs.mounts import ROOT, TIMEOUT, RunningMount, needs_fuse
from tests.behaviour.suite import SERIES, fill
from tests.builders import BuiltArchive

pytestmark = [needs_fuse, pytest.mark.skipif(os.geteuid() != 0, reason="the helper mounts with root's rights")]


def helper(pid: int, path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from archimedfs.mounter import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, str(pid), path, *options], capture_output=True, text=True, timeout=TIMEOUT, cwd=ROOT
    )


def opened(mount: RunningMount) -> int:
    """Wait until the daemon has opened its device and return its process number."""
    assert mount.process.stdout is not None
    assert mount.process.stdout.readline() == b"opened\n", mount.log
    return mount.process.pid


@pytest.fixture
def mount(built: BuiltArchive, tmp_path: Path) -> Iterator[RunningMount]:
    """Give the suite's archive as anna's mount that nobody has mounted yet."""
    fill(built)
    (tmp_path / "mount").mkdir()
    running = RunningMount(built, "anna", tmp_path / "mount", "--await-mount")
    yield running
    running.clean_up()


def test_the_helper_mounts_what_the_daemon_opened(mount: RunningMount) -> None:
    done = helper(opened(mount), mount.path, "--read-only")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    mount.wait_until_ready()
    assert (mount.path / SERIES / "00001.dcm").read_bytes()
    line = next(line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {mount.path} " in line)
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(line.split()[5].split(","))
    assert {"allow_other", "default_permissions"} <= set(line.split()[-1].split(","))
    assert line.split(" - ")[1].startswith("fuse.archimed archimed ")
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is what is tested
        (mount.path / "new").mkdir()
    assert caught.value.errno == errno.EROFS
    assert mount.end() == 0
    # The daemon leaves the mount to whoever made it.
    assert mountpoint.is_mounted(mount.path)
    assert mount.log == ""


def test_reads_ahead_as_far_as_a_mount_of_its_own(mount: RunningMount) -> None:
    helper(opened(mount), mount.path)
    device = mountpoint.device_of(mount.path)
    assert Path(f"/sys/class/bdi/{device}/read_ahead_kb").read_text() == "1024\n"


def test_a_signal_ends_a_daemon_that_nobody_mounted(mount: RunningMount) -> None:
    opened(mount)
    assert mount.end() == 0
    assert mount.log == ""


def test_unmounted_by_somebody_it_ends(mount: RunningMount) -> None:
    helper(opened(mount), mount.path)
    mount.wait_until_ready()
    subprocess.run(["umount", "-l", mount.path], check=True)
    assert mount.process.wait(TIMEOUT) == 0
    assert mount.log == ""


def test_a_killed_daemon_leaves_a_dead_mount_that_the_helper_names(mount: RunningMount) -> None:
    helper(opened(mount), mount.path)
    mount.end(signal.SIGKILL)
    done = helper(os.getpid(), mount.path)
    assert done.returncode == 1
    assert "dead mount" in done.stderr
    subprocess.run(["umount", "-l", mount.path], check=True)


def test_refuses_what_it_cannot_mount(mount: RunningMount, tmp_path: Path) -> None:
    pid = opened(mount)
    with pytest.raises(Refused, match="does not exist"):
        mounter.mount(pid, tmp_path / "missing", read_only=True)
    (tmp_path / "full" / "inside").mkdir(parents=True)
    with pytest.raises(Refused, match="not empty"):
        mounter.mount(pid, tmp_path / "full", read_only=True)
    with pytest.raises(Refused, match="has 0 FUSE devices open"):
        mounter.mount(os.getpid(), mount.path, read_only=True)
    two = [os.open("/dev/fuse", os.O_RDWR) for _ in range(2)]
    with pytest.raises(Refused, match="has 2 FUSE devices open"):
        mounter.mount(os.getpid(), mount.path, read_only=True)
    for descriptor in two:
        os.close(descriptor)
    gone = subprocess.Popen(["true"])
    gone.wait()
    with pytest.raises(Unavailable, match="is gone"):
        mounter.mount(gone.pid, mount.path, read_only=True)
    assert not mountpoint.is_mounted(mount.path)


def test_takes_its_mount_away_if_the_daemon_dies_before_it_answers(tmp_path: Path) -> None:
    """A process that opens the device and is killed as soon as the kernel asks it something."""
    program = (
        "import os, select; d = os.open('/dev/fuse', os.O_RDWR); print('opened', flush=True)\n"
        "p = select.poll(); p.register(d, select.POLLIN)\n"
        "while not any(e & select.POLLIN for _, e in p.poll(10)): pass\n"
        "os.kill(os.getpid(), 9)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "opened\n"
        with pytest.raises(Unavailable, match="did not answer"):
            mounter.mount(process.pid, tmp_path, read_only=True)
    assert not mountpoint.is_mounted(tmp_path)
