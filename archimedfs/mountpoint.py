"""Folders to mount on: whether one can be used, whether a mount is there, and what the kernel says of it. Mounts nothing."""

import contextlib
import errno
import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from catalog.pure.errors import Refused

FSTYPE = "fuse.archimed"

_DEVICE = Path("/dev/fuse")
_MOUNTS = Path("/proc/self/mountinfo")
# 128 KiB on a FUSE mount unless asked otherwise; 1 MiB is the most that one request carries.
_READ_AHEAD_KB = 1024
_ESCAPED = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of /proc/self/mountinfo. It is read without touching the mount, which may be dead or hung."""

    path: Path
    fstype: str
    device: str


def check(path: Path) -> None:
    """Check that the archive can be mounted on a folder.

    Raises:
        Refused: it cannot; the text says what to do.
    """
    found = _find(path)
    try:
        # Not is_dir(): it would hide a dead mount.
        is_folder = stat.S_ISDIR(path.stat().st_mode)
        is_empty = is_folder and next(path.iterdir(), None) is None
    except FileNotFoundError:
        raise Refused(f"{path} does not exist; make the folder first: mkdir {path}") from None
    except OSError as error:
        if error.errno == errno.ENOTCONN:
            raise Refused(
                f"{path} is a dead mount, left behind by a program that was killed; clear it with "
                f"`fusermount3 -u {path}` (or, as root, `umount -l {path}`) and mount again"
            ) from None
        raise Refused(f"{path} cannot be used: {os.strerror(error.errno or 0)}") from None
    if found is not None:
        raise Refused(f"the archive is already mounted on {path}; to mount it anew, first `fusermount3 -u {path}`")
    if not is_folder:
        raise Refused(f"{path} is not a folder; name an empty folder to mount on")
    if not is_empty:
        raise Refused(f"{path} is not empty, and a mount would hide what is in it; name an empty folder")
    _check_machine()


def is_mounted(path: Path) -> bool:
    """Whether an archive is mounted on this folder, be it alive or dead."""
    return _find(path) is not None


def device_of(path: Path) -> str | None:
    """Return the device number of the archive mounted on this folder as `major:minor`; None if there is none."""
    found = _find(path)
    return found.device if found else None


def _check_machine() -> None:
    if not _DEVICE.exists():
        raise Refused(
            "this machine offers no /dev/fuse, so nothing can be mounted; load it with `modprobe fuse` (in a container: pass "
            "the device in), or use the archive over WebDAV"
        )
    if shutil.which("fusermount3") is None:
        raise Refused("the program fusermount3 is missing; install the Debian package fuse3")


def _find(path: Path) -> Mount | None:
    # First without a look at the last part: if a mount is there, it may be dead, hung, or waiting for this very thread.
    found = _mount_at(Path(os.path.realpath(path.parent), path.name)) or _mount_at(Path(os.path.realpath(path)))
    return found if found and found.fstype == FSTYPE else None


def _mount_at(path: Path) -> Mount | None:
    # A later line lies on top of an earlier one.
    return next((mount for mount in reversed(_mounts()) if mount.path == path), None)


def _mounts() -> list[Mount]:
    mounts = []
    for line in _MOUNTS.read_bytes().splitlines():
        about, _, rest = line.partition(b" - ")
        fields = about.split(b" ")
        path = _ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), fields[4])
        mounts.append(Mount(Path(os.fsdecode(path)), os.fsdecode(rest.split(b" ")[0]), os.fsdecode(fields[2])))
    return mounts


def read_further_ahead(mountpoint: Path) -> None:
    """Raise it. To be called after the first request: the kernel sets its own value when that is answered."""
    device = device_of(mountpoint)
    if device is not None:
        with contextlib.suppress(OSError):
            Path(f"/sys/class/bdi/{device}/read_ahead_kb").write_text(str(_READ_AHEAD_KB), encoding="ascii")
