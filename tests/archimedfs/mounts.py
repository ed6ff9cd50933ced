"""Real mounts for tests: started in a process of their own, ended and unmounted whatever the test did."""

import selectors
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from archimedfs import mountpoint
from tests.builders import BuiltArchive
from tests.forked import Program

ROOT = Path(__file__).parents[2]
TIMEOUT = 30

needs_fuse = pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="this machine offers no /dev/fuse")


class RunningMount:
    """An archive mounted for one user: `path` is the tree, `log` what the process wrote to its standard error."""

    def __init__(self, built: BuiltArchive, login: str, path: Path, *options: str) -> None:
        self.path = path
        self._log = path.with_name(f"{path.name}.log")
        url = built.database.url.render_as_string(hide_password=False)
        self._log.touch()
        arguments = (url, built.folder / "var" / "store", login, path, *options)
        self.process = Program("tests.archimedfs.mount_runner", arguments, self._log)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait_until_ready(self) -> None:
        """Wait until the mount answers; fail with its words if it ends instead."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(TIMEOUT), "the mount is not ready in time"
        assert self.process.stdout.readline() == b"ready\n", self.log

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT)

    def clean_up(self) -> None:
        """Leave neither process nor mount behind."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        if mountpoint.is_mounted(self.path):
            subprocess.run(["fusermount3", "-u", "-z", self.path], check=True, timeout=TIMEOUT)


@contextmanager
def running_mount(built: BuiltArchive, login: str, path: Path, *options: str) -> Iterator[RunningMount]:
    """Mount on a new folder, give it once it answers, and leave nothing behind."""
    path.mkdir(exist_ok=True)
    mount = RunningMount(built, login, path, *options)
    try:
        mount.wait_until_ready()
        yield mount
    finally:
        mount.clean_up()


@contextmanager
def running_staging(built: BuiltArchive, login: str, path: Path, *options: str) -> Iterator[RunningMount]:
    """Mount the staging tree on a new folder, give it once it answers, and leave nothing behind."""
    staging = built.folder / "var" / "staging"
    with running_mount(built, login, path, "--staging", str(staging), *options) as mount:
        yield mount
