"""An open file: its bytes from the page cache, at once. What is not there comes from `OpenFile.read_at`, which may wait."""

import errno
import os
from collections.abc import Callable
from typing import TypeAlias

from archimedfs.held import Held

_FIRST_BUFFER = 1 << 20
# What is fetched from the disk as soon as a file is opened, while the kernel still prepares its first read: most archived
# files are smaller. Without it, reading 5,000 files of 200 kB from a cold disk took a quarter longer.
_FETCHED_AT_ONCE = 1 << 20
# Not in the page cache; or a filesystem (overlay, NFS, FUSE) that cannot say whether it is.
_ASK_AGAIN = {errno.EAGAIN, errno.EOPNOTSUPP}

Buffer: TypeAlias = bytes | bytearray | memoryview


class Handle:
    """A file that one program has open: the descriptor, shared with others, and what counts its bytes for the audit.

    The kernel's read() names nothing but this.
    """

    __slots__ = ("count", "fd", "file", "held", "lease", "node", "slot")

    def __init__(self, held: Held, count: Callable[[int], None]) -> None:
        self.held = held
        self.slot = held.slot
        self.file = held.file
        self.node = held.node
        self.fd = held.fd
        self.lease = held.lease
        self.count = count


class Reader:
    """Reads for all open files of a mount. Belongs to the thread that takes requests."""

    def __init__(self) -> None:
        self._buffer = bytearray(_FIRST_BUFFER)

    def begin(self, held: Held) -> None:
        """Let the disk start on a file that was just opened; waits for nothing."""
        if held.fd is not None:
            os.posix_fadvise(held.fd, 0, _FETCHED_AT_ONCE, os.POSIX_FADV_WILLNEED)

    def cached(self, handle: Handle, offset: int, size: int) -> Buffer | None:
        """Return up to `size` bytes, fewer only at the end of the file; None if that would have to wait.

        What is returned is overwritten by the next call.

        Raises:
            OSError: the disk failed.
        """
        wanted = min(size, handle.node.size - offset)
        if wanted <= 0:
            return b""
        if handle.fd is None:
            return None
        if wanted > len(self._buffer):
            self._buffer = bytearray(wanted)
        ready = memoryview(self._buffer)[:wanted]
        try:
            count = os.preadv(handle.fd, [ready], offset, os.RWF_NOWAIT)
        except OSError as error:
            if error.errno not in _ASK_AGAIN:
                raise
            return None
        return ready if count == wanted else None
