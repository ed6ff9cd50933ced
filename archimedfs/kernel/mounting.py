"""A FUSE device mounted by fusermount3, without root, and unmounted again. Where a helper mounts: `archimedfs.handover`."""

import array
import contextlib
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from catalog.pure.errors import Refused

_FUSERMOUNT = "fusermount3"
_SECONDS = 30
# Whom the kernel lets in is said by modes and owners (`default_permissions`).
_OPTIONS = ("ro", "nosuid", "nodev", "noexec", "default_permissions", "fsname=archimed", "subtype=archimed")


def mount(mountpoint: Path, *, allow_other: bool) -> int:
    """Mount, and return the device.

    Raises:
        Refused: the system refused; fusermount3 has said why on stderr.
    """
    options = [*_OPTIONS, "allow_other"] if allow_other else _OPTIONS
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        _run(["-o", ",".join(options), "--", str(mountpoint)], mountpoint, theirs)
        theirs.close()
        return _received(ours, mountpoint)


def _run(arguments: Sequence[str], mountpoint: Path, theirs: socket.socket) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - a program of the system, and a folder behind `--`
            [_FUSERMOUNT, *arguments],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise Refused("the program fusermount3 is missing; install the Debian package fuse3") from None
    except subprocess.TimeoutExpired:
        raise Refused(f"fusermount3 did not mount on {mountpoint} in {_SECONDS} s") from None
    if done.returncode:
        raise Refused(
            f"the system refused to mount on {mountpoint}; fusermount3 says why above. To let other users in, "
            "`user_allow_other` must stand in /etc/fuse.conf"
        )


def _received(ours: socket.socket, mountpoint: Path) -> int:
    size = array.array("i").itemsize
    _, control, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(size), socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            return array.array("i", data[:size])[0]
    raise Refused(f"fusermount3 mounted on {mountpoint}, but handed over no device")


def unmount(mountpoint: Path) -> None:
    """Unmount, however many still use it; harmless when somebody else was faster."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(  # noqa: S603 - as above
            [_FUSERMOUNT, "-u", "-q", "-z", "--", str(mountpoint)],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=_SECONDS, check=False,
        )  # fmt: skip
