"""`archimed-fuse-mount`: mounts the FUSE device that a service has opened, as root, where all users see it.

    archimed-fuse-mount PID MOUNTPOINT [--read-only]

Run by the service's unit, in the machine's own mount namespace (systemd/archimed-archive.service says how). It runs with all
rights, so it is short, reads nothing that the service wrote, and decides the mount's options itself.
"""

import argparse
import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from archimedfs import mountpoint as mountpoints
from archimedfs.mountpoint import read_further_ahead
from catalog.pure.errors import ArchimedError, Refused, Unavailable

_FUSE = os.makedev(10, 229)
_PIDFD_GETFD = 438
_RDONLY, _NOSUID, _NODEV, _NOEXEC = 1, 2, 4, 8
_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Mount; return 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="archimed-fuse-mount", description="Mount the FUSE device that a service has opened.")
    parser.add_argument("pid", type=int, help="the service's main process")
    parser.add_argument("mountpoint", type=Path, help="an empty folder")
    parser.add_argument("--read-only", action="store_true", help="let nobody write")
    asked = parser.parse_args(arguments)
    try:
        mount(asked.pid, asked.mountpoint.absolute(), read_only=asked.read_only)
    except ArchimedError as error:
        print(f"archimed-fuse-mount: {error}", file=sys.stderr)
        return 1
    return 0


def mount(pid: int, mountpoint: Path, *, read_only: bool) -> None:
    """Mount the one FUSE device that a process has open, and return when the mount answers.

    Raises:
        Refused: the folder cannot be mounted on, or the process has not opened a device, or the system refused.
        Unavailable: the process ended meanwhile.
    """
    mountpoints.check(mountpoint)
    with _device_of(pid) as device:
        user, group = _owner(pid)
        data = f"fd={device},rootmode=40000,user_id={user},group_id={group},allow_other,default_permissions"
        flags = _NOSUID | _NODEV | _NOEXEC | (_RDONLY if read_only else 0)
        if _libc.mount(b"archimed", os.fsencode(mountpoint), mountpoints.FSTYPE.encode(), flags, data.encode()) != 0:
            raise Refused(f"the system refused to mount on {mountpoint}: {os.strerror(ctypes.get_errno())}")
    try:
        mountpoint.stat()  # answered by the service, so the kernel and it have agreed on how to talk
    except OSError:
        _libc.umount2(os.fsencode(mountpoint), _DETACH)
        raise Unavailable(f"the service did not answer on {mountpoint}; its log says why") from None
    read_further_ahead(mountpoint)


@contextmanager
def _device_of(pid: int) -> Iterator[int]:
    """Give a descriptor of the FUSE device that a process has open."""
    try:
        process = os.pidfd_open(pid)
    except OSError:
        raise Unavailable(f"the service's process {pid} is gone") from None
    device = -1
    try:
        number = _number_of_device(pid)
        device = _libc.syscall(_PIDFD_GETFD, process, number, 0)
        if device < 0:
            raise Refused(f"the device of process {pid} cannot be taken over: {os.strerror(ctypes.get_errno())}")
        # The number may have been given to something else since it was looked at.
        if os.fstat(device).st_rdev != _FUSE:
            raise Refused(f"process {pid} has closed its FUSE device")
        yield device
    finally:
        for descriptor in (process, device):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _number_of_device(pid: int) -> int:
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            if entry.stat().st_rdev == _FUSE:
                found.append(int(entry.name))
    if len(found) != 1:
        raise Refused(f"process {pid} has {len(found)} FUSE devices open, not one")
    return found[0]


def _owner(pid: int) -> tuple[int, int]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        raise Unavailable(f"the service's process {pid} is gone") from None
    numbers = {line.split()[0]: int(line.split()[1]) for line in lines if line.startswith(("Uid:", "Gid:"))}
    return numbers["Uid:"], numbers["Gid:"]
