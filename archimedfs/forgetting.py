"""Makes the kernel forget: names, attributes and cached pages of a study that a user lost. Decides nothing.

The kernel holds locks of a folder while a look-up in it waits for an answer, and of a page while a read does. Forgetting waits
for these locks: done on the thread that answers, it would wait for itself. So it is done in other threads, names and inodes
apart, and those who wait delay neither answers nor each other.
"""

import errno
from collections.abc import Iterable

import pyfuse3
import trio

_THREADS = 8


class Kernel:
    """The kernel's caches of this process's mount."""

    def __init__(self) -> None:
        self._names = trio.CapacityLimiter(_THREADS)
        self._inodes = trio.CapacityLimiter(_THREADS)

    async def forget_names(self, folder: int, names: Iterable[str]) -> None:
        """Drop names from a folder, and all that was cached below them."""
        # Abandoned when the mount ends: it may wait for an answer that will not come, until the connection is gone.
        await trio.to_thread.run_sync(_forget_names, folder, list(names), limiter=self._names, abandon_on_cancel=True)

    async def forget_inodes(self, inodes: Iterable[int]) -> None:
        """Drop attributes and pages: what is read through an open file or a mapping is asked for again."""
        await trio.to_thread.run_sync(_forget_inodes, list(inodes), limiter=self._inodes, abandon_on_cancel=True)


def _forget_names(folder: int, names: list[str]) -> None:
    for name in names:
        try:
            pyfuse3.invalidate_entry(folder, name.encode())
        except OSError as error:
            _pass_over(error)


def _forget_inodes(inodes: list[int]) -> None:
    for inode in inodes:
        try:
            pyfuse3.invalidate_inode(inode)
        except OSError as error:
            _pass_over(error)


def _pass_over(error: OSError) -> None:
    # The kernel does not hold it, or is just unmounting.
    if error.errno not in {errno.ENOENT, errno.ENOTCONN, errno.ENODEV, errno.EBADF, errno.ECONNABORTED}:
        raise error
