"""Every way of writing ends in "Read-only file system", for root as for others."""

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archimedfs.mounts import TIMEOUT, RunningMount, needs_fuse
from tests.behaviour.suite import SERIES, STUDY

pytestmark = needs_fuse

FILE = f"{SERIES}/00001.dcm"

CALLS: dict[str, Callable[[Path], object]] = {
    "open to write": lambda root: os.open(root / FILE, os.O_WRONLY),
    "open to read and write": lambda root: os.open(root / FILE, os.O_RDWR),
    "open to append": lambda root: os.open(root / FILE, os.O_WRONLY | os.O_APPEND),
    "open and empty": lambda root: os.open(root / FILE, os.O_RDONLY | os.O_TRUNC),
    "create": lambda root: os.open(root / SERIES / "new", os.O_WRONLY | os.O_CREAT),
    "create at the root": lambda root: os.open(root / "new", os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    "create unnamed": lambda root: os.open(root / SERIES, os.O_WRONLY | os.O_TMPFILE),
    "truncate": lambda root: os.truncate(root / FILE, 0),
    "mkdir": lambda root: (root / STUDY / "new").mkdir(),
    "rmdir": lambda root: (root / SERIES).rmdir(),
    "unlink": lambda root: (root / FILE).unlink(),
    "rename": lambda root: (root / FILE).rename(root / SERIES / "new"),
    "hard link": lambda root: (root / SERIES / "new").hardlink_to(root / FILE),
    "symbolic link": lambda root: (root / SERIES / "new").symlink_to("/etc/passwd"),
    "mknod": lambda root: os.mknod(root / SERIES / "new", 0o600),
    "mkfifo": lambda root: os.mkfifo(root / SERIES / "new"),
    "chmod": lambda root: (root / FILE).chmod(0o777),
    "chmod of a folder": lambda root: (root / STUDY).chmod(0o777),
    "chown": lambda root: os.chown(root / FILE, os.getuid(), os.getgid()),
    "utime": lambda root: os.utime(root / FILE),
    "utime of the root": lambda root: os.utime(root, (1, 1)),
    "setxattr": lambda root: os.setxattr(root / FILE, "user.x", b"x"),
    "setxattr that pyfuse3 listens to": lambda root: os.setxattr(root, "fuse_stacktrace", b"x"),
    "removexattr": lambda root: os.removexattr(root / FILE, "user.x"),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(mounted: RunningMount, name: str) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is what is tested
        CALLS[name](mounted.path)
    allowed = {errno.EROFS}
    if name == "setxattr that pyfuse3 listens to":
        allowed.add(errno.EOPNOTSUPP)  # a name without a namespace gets no further than the kernel
    assert caught.value.errno in allowed


@pytest.mark.parametrize(
    "command",
    [
        ["touch", FILE], ["touch", f"{SERIES}/new"], ["mkdir", "new"], ["rm", "-f", FILE], ["rm", "-rf", STUDY],
        ["mv", FILE, f"{SERIES}/new"], ["ln", FILE, f"{SERIES}/new"], ["ln", "-s", "x", f"{SERIES}/new"],
        ["cp", "/etc/hostname", SERIES], ["chmod", "-R", "a+w", STUDY], ["truncate", "-s", "0", FILE],
        ["dd", "if=/dev/zero", f"of={FILE}", "count=1"], ["setfattr", "-n", "user.x", "-v", "1", FILE],
    ],
)  # fmt: skip
def test_programs(mounted: RunningMount, command: list[str]) -> None:
    done = subprocess.run(
        command, cwd=mounted.path, capture_output=True, text=True, timeout=TIMEOUT, env=os.environ | {"LC_ALL": "C"}
    )
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr


def test_access_for_writing_is_denied_as_read_only(mounted: RunningMount) -> None:
    assert os.access(mounted.path / FILE, os.R_OK)
    assert not os.access(mounted.path / FILE, os.W_OK)
    assert not os.access(mounted.path / FILE, os.X_OK)


def test_nothing_changed(mounted: RunningMount) -> None:
    assert sorted(path.name for path in (mounted.path / SERIES).iterdir()) == [f"{n:05d}.dcm" for n in range(1, 21)]
    assert (mounted.path / FILE).read_bytes() == b"\x01" * 100
