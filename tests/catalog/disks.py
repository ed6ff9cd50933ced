"""Disks that fail: a small one that is soon full, and one whose power can be cut. Root only; tests skip where it cannot be."""

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_EXT4_IOC_SHUTDOWN = 0x8004587D
_NO_FLUSH = 2


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.skip(f"{command[0]} is not possible here: {done.stderr.strip()}")


def _require_root() -> None:
    if os.geteuid():
        pytest.skip("only root may mount")


@contextmanager
def mounted_tmpfs(folder: Path, options: str) -> Iterator[Path]:
    """Give a tmpfs, mounted at the folder while the block lasts."""
    _require_root()
    folder.mkdir()
    _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


class FragileDisk:
    """An ext4 in a file; `cut` is a power cut: what was not made durable is gone."""

    def __init__(self, folder: Path) -> None:
        _require_root()
        self._image = folder / "disk.img"
        self.folder = folder / "disk"
        self.folder.mkdir()
        with self._image.open("wb") as file:
            file.truncate(64 << 20)
        _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", self._image)
        self._mount()

    def cut(self) -> None:
        """Cut the power, and put it back."""
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, _EXT4_IOC_SHUTDOWN, struct.pack("I", _NO_FLUSH))
        except OSError as error:
            pytest.skip(f"the disk cannot be cut off: {error.strerror}")
        finally:
            os.close(fd)
        self.unmount()
        # A copy: should another process's mount namespace still hold the old one, this is not the disk that is cut off.
        after = self._image.with_suffix(".after")
        _run("cp", "--sparse=always", self._image, after)
        after.replace(self._image)
        self._mount()

    def unmount(self) -> None:
        """Take it out of the tree."""
        subprocess.run(["umount", str(self.folder)], check=True, timeout=60)

    def _mount(self) -> None:
        # commit=600: nothing but what is asked for reaches the disk while a test runs.
        _run("mount", "-o", "loop,commit=600", self._image, self.folder)
