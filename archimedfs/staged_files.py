"""Open files of the staging mount: read from the page cache at once, written and made durable in other threads."""

import os
from contextlib import suppress
from dataclasses import dataclass, field

import trio

from archimedfs.inode_table import Node
from archimedfs.user_roots import Lease
from catalog.gate.drops.handles import Reading, Writing

# So many may wait for the disk at once; the others wait for them.
_THREADS = 16
# Below this the way to another thread and back costs more than the copy into the page cache: an image comes in one request.
_WORTH_A_THREAD = 512 << 10

_FLAGS_FIELD = 6
_STAT_BYTES = 4096
_PF_EXITING, _PF_SIGNALED = 0x4, 0x400


@dataclass(slots=True, eq=False)
class OpenStaged:
    """A file that is open: which, by whom, and the leave to use it. The kernel's read() and write() name nothing but this."""

    node: Node
    study: int
    file: Reading | Writing
    lease: Lease
    opener: int
    is_killed: bool = field(default=False)


class Disk:
    """Does what may wait for the disk. Belongs to the thread of the event loop."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(_THREADS)

    async def read(self, file: OpenStaged, offset: int, size: int) -> bytes:
        """Return up to `size` bytes, fewer only at the end of the file."""
        fd = file.file.fd
        wanted = min(size, os.fstat(fd).st_size - offset)
        if wanted <= 0:
            return b""
        ready = bytearray(wanted)
        with suppress(OSError):  # it would block, or this filesystem cannot say (tmpfs)
            if os.preadv(fd, [ready], offset, os.RWF_NOWAIT) == wanted:
                return bytes(ready)
        return await trio.to_thread.run_sync(os.pread, fd, wanted, offset, limiter=self._limiter)

    async def write(self, file: Writing, data: bytes, offset: int) -> int:
        """Write all bytes."""
        if len(data) < _WORTH_A_THREAD:
            return file.write(data, offset)
        return await trio.to_thread.run_sync(file.write, data, offset, limiter=self._limiter)

    async def truncate(self, file: Writing, size: int) -> None:
        """Cut the file off, or let it grow by a hole."""
        await trio.to_thread.run_sync(file.truncate, size, limiter=self._limiter)

    async def finish(self, file: OpenStaged) -> None:
        """Return when what was written is durable; a program was closing the file, or was killed having it open."""
        if isinstance(file.file, Writing) and not file.file.is_durable:
            file.is_killed = _is_killed(file.opener)
            done = file.file.sync if file.is_killed else file.file.finish
            await trio.to_thread.run_sync(done, limiter=self._limiter)

    async def sync(self, file: OpenStaged) -> None:
        """Return when what was written is durable."""
        if isinstance(file.file, Writing):
            await trio.to_thread.run_sync(file.file.sync, limiter=self._limiter)

    async def close(self, file: OpenStaged) -> None:
        """Close the file; nobody uses it any more."""
        if isinstance(file.file, Reading) or file.file.is_durable:
            file.file.close()
        else:
            closing = file.file
            await trio.to_thread.run_sync(lambda: closing.close(is_whole=not file.is_killed), limiter=self._limiter)


def _is_killed(pid: int) -> bool:
    """Whether a program is just being ended by a signal: then the kernel closes its files, and not the program."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)  # for each file: a file object would cost thrice as much
    except OSError:
        return False  # of another PID namespace, or long gone: nobody can tell
    try:
        fields = os.read(fd, _STAT_BYTES).rpartition(b")")[2].split()
    except OSError:
        return False
    finally:
        os.close(fd)
    flags = int(fields[_FLAGS_FIELD])
    return bool(flags & _PF_EXITING and flags & _PF_SIGNALED)
