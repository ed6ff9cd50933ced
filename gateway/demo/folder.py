"""The demo's folder: made, recognised by a marker, emptied for the next run. Only what the demo made itself is ever removed."""

import fcntl
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from archimedfs.mountpoint import is_mounted
from catalog import durable
from catalog.pure.errors import Refused, Unavailable

_MARKER = ".archimed-demo"
_HTTP_PORT = 8080
_DICOM_PORT = 11112
_QUIET_SECONDS = 3600  # the demo seals what it sends; nothing it has begun is sealed in between


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """The paths of a demo. `lock` is held as long as it runs."""

    path: Path
    lock: IO[str]

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.path / "archimed.toml"

    @property
    def mountpoint(self) -> Path:
        """Where the archive is mounted."""
        return self.path / "archive"

    @property
    def sent(self) -> Path:
        """What the scanner has made itself."""
        return self.path / "scanner"

    @property
    def logs(self) -> Path:
        """The log files."""
        return self.path / "log"


def prepare(path: Path) -> DemoFolder:
    """Make the folder, or empty it if an earlier demo made it, and write the configuration.

    Raises:
        Refused: something else is in it, or a demo runs in it.
        Unavailable, OutOfSpace: it cannot be written.
    """
    path = path.absolute()
    with durable.translated(f"the folder {path} cannot be used"):
        if path.exists() and not path.is_dir():
            raise Refused(f"{path} is not a folder; name another with --dir")
        if path.exists() and not (path / _MARKER).is_file() and any(path.iterdir()):
            raise Refused(f"{path} holds files that no demo made; name another folder with --dir")
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (path / _MARKER).open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise Refused(f"a demo is running in {path}; stop it, or name another folder with --dir") from None
        folder = DemoFolder(path, lock)
        _empty(folder)
        for below in (folder.mountpoint, folder.sent, folder.logs):
            below.mkdir()
        folder.config.write_text(_configuration())
    return folder


def unmount_left_over(mountpoint: Path) -> None:
    """Take away a mount whose program was killed.

    Raises:
        Unavailable: it cannot be taken away.
    """
    if not is_mounted(mountpoint):
        return
    command = ["fusermount3", "-u", "-z", str(mountpoint)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own path, no shell
    if is_mounted(mountpoint):
        raise Unavailable(f"{mountpoint} is still mounted and cannot be unmounted: {answer.stderr.strip()}")


def _empty(folder: DemoFolder) -> None:
    unmount_left_over(folder.mountpoint)
    for entry in folder.path.iterdir():
        if entry.name == _MARKER:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _configuration() -> str:
    return (
        "# Written by `archimed demo`; everything it names lies in this folder.\n"
        '[catalog]\nurl = "sqlite:///var/catalog.db"\n'
        '[store]\npath = "var/store"\n'
        f'[staging]\npath = "var/staging"\nquiet_seconds = {_QUIET_SECONDS}\n'
        f"[http]\nport = {_free(_HTTP_PORT)}\n"
        f"[dicom]\nport = {_free(_DICOM_PORT)}\n"
        '[deid]\nkey_file = "var/secrets/deid.key"\n'
    )


def _free(port: int) -> int:
    """Return the port if it is free, else one that is."""
    for candidate in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Unavailable("no port of 127.0.0.1 can be used")
