"""Open files of a dropped batch: one that is read, one that is written, one that comes in whole or not at all.

As long as a file is open for writing its batch cannot be sealed. `sync` and `close` return when bytes and name would survive a
power cut (docs/laws.md, law 4). Each is used by any thread; `close` once, by the last.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from catalog.gate.staged.disk_tree import UNFINISHED, drop_digests, keep_digests, translated
from catalog.gate.staged.drop_folder import DropFolder
from catalog.pure.drops import Place
from catalog.pure.errors import NotFound

Buffer: TypeAlias = bytes | bytearray | memoryview
Growth: TypeAlias = Callable[[int, int], None]
"""Called with the bytes and files by which the batch is about to grow; raises OutOfSpace if it may not."""


class Reading:
    """A file that is open for reading: `fd` may be read until `close`."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        """Close it."""
        os.close(self.fd)


class Writing:
    """A file that is open for reading and writing. Made by `Inbox.write`.

    Args:
        drop: its batch's folder, in which the caller has begun to write; `close` ends that.
        fd: the file.
        folder: its folder's descriptor if the file was just made, so that its name must be made durable; else -1.
        grow: asked before the file grows.
    """

    def __init__(self, drop: DropFolder, fd: int, folder: int, grow: Growth) -> None:
        self._drop = drop
        self.fd = fd
        self._folder = folder
        self._grow = grow
        self._is_synced = folder < 0

    @property
    def is_durable(self) -> bool:
        """Whether all that was written, the name, and that it is whole would survive a power cut."""
        return self._is_synced

    def write(self, data: Buffer, offset: int) -> int:
        """Write all bytes at an offset and return how many they are.

        Raises:
            OutOfSpace: the disk or a quota is full; what was there before is as it was.
        """
        with translated():
            found = self._begin_change()
            growth = offset + len(data) - found.st_size
            if growth > 0:
                self._grow(growth, 0)
            written = os.pwrite(self.fd, data, offset)
            while written < len(data):
                written += os.pwrite(self.fd, memoryview(data)[written:], offset + written)
        self._drop.touch()
        return written

    def truncate(self, size: int) -> None:
        """Cut the file off, or let it grow by a hole.

        Raises:
            OutOfSpace: a quota is full.
        """
        with translated():
            found = self._begin_change()
            if size > found.st_size:
                self._grow(size - found.st_size, 0)
            os.ftruncate(self.fd, size)
        if size < found.st_size:
            self._grow(size - found.st_size, 0)
        self._drop.touch()

    def sync(self) -> None:
        """Return when all that was written, and the name, would survive a power cut.

        Raises:
            OutOfSpace, Unavailable: the disk refused.
        """
        with translated():
            os.fsync(self.fd)
            self._sync_name()

    def finish(self) -> None:
        """Say that a program has closed the file: it is whole, unless somebody writes again; durable as by `sync`.

        Raises:
            OutOfSpace, Unavailable: the disk refused.
        """
        if self._is_synced:
            return
        with translated():
            os.fchmod(self.fd, os.fstat(self.fd).st_mode & 0o777)
            self._is_synced = True
            try:
                os.fsync(self.fd)
                self._sync_name()
            except BaseException:
                self._is_synced = False
                os.fchmod(self.fd, os.fstat(self.fd).st_mode & 0o777 | UNFINISHED)
                raise

    def close(self, *, is_whole: bool = True) -> None:
        """Close it. `is_whole`: as `finish`; else it stays marked as unfinished, as after the death of its program.

        Raises:
            OutOfSpace, Unavailable: the disk refused; it is closed all the same.
        """
        try:
            if is_whole:
                self.finish()
        finally:
            os.close(self.fd)
            if self._folder >= 0:
                os.close(self._folder)
            self._drop.end_writing()

    def _begin_change(self) -> os.stat_result:
        self._is_synced = False
        found = os.fstat(self.fd)
        # Looked at each time: another may have closed the file meanwhile, and so called it whole.
        if not found.st_mode & UNFINISHED:
            os.fchmod(self.fd, found.st_mode & 0o777 | UNFINISHED)
            drop_digests(self.fd)
        return found

    def _sync_name(self) -> None:
        if self._folder >= 0:
            os.fsync(self._folder)
            os.close(self._folder)
            self._folder = -1


class Upload:
    """A file that comes in whole or not at all: it has no name until `commit`. Made by `Inbox.upload`.

    Args:
        drop: its batch's folder, in which the caller has begun to write; `commit` and `discard` end that.
        names: where it goes.
        grow: asked before the file grows.
    """

    def __init__(self, drop: DropFolder, names: Place, grow: Growth) -> None:
        self._drop = drop
        self._names = names
        self._grow = grow
        self._name = secrets.token_hex(8).encode()
        with translated():
            self._folder = os.open(drop.path / "incoming", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                made = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self.fd = os.open(self._name, made, 0o600, dir_fd=self._folder)
            except BaseException:
                os.close(self._folder)
                raise
        self._size = 0

    def write(self, data: Buffer) -> None:
        """Add bytes at the end.

        Raises:
            OutOfSpace: the disk or a quota is full.
        """
        self._grow(len(data), 0)
        self._size += len(data)
        rest = memoryview(data)
        with translated():
            while rest:
                rest = rest[os.write(self.fd, rest) :]
        self._drop.touch()

    def adopt(self, path: Path) -> None:
        """Take a file on the same disk as it is, instead of what was written; it stays where it is, too.

        Raises:
            OutOfSpace: a quota is full.
        """
        with translated():
            size = path.stat().st_size
            self._grow(size - self._size, 0)
            self._size = size
            os.unlink(self._name, dir_fd=self._folder)
            os.link(path, self._name, dst_dir_fd=self._folder)
            os.close(self.fd)
            self.fd = os.open(self._name, os.O_RDWR | os.O_CLOEXEC, dir_fd=self._folder)

    def keep_digests(self, digests: str) -> None:
        """Keep what the bytes were found to have, `SHA1:<hex> MD5:<hex>`, until they change."""
        with translated():
            keep_digests(self.fd, digests)

    def commit(self, *, may_replace: bool = True) -> None:
        """Give the file its name: when this returns, it would survive a power cut. What had that name is replaced.

        Raises:
            Conflict: something has that name and may not be replaced; discard it or commit otherwise.
            OutOfSpace, Unavailable: the disk refused; discard it.
        """
        try:
            replaced = (-self._drop.tree.stat(self._names).st_size, 0)
        except NotFound:
            replaced = (0, 1)
        with translated():
            os.fsync(self.fd)
            self._drop.tree.put(self._folder, self._name, self._names, may_replace=may_replace)
        self._grow(*replaced)
        self._end()

    def discard(self) -> None:
        """Leave nothing behind."""
        with translated():
            os.unlink(self._name, dir_fd=self._folder)
        self._end()
        self._grow(-self._size, 0)

    def _end(self) -> None:
        os.close(self.fd)
        os.close(self._folder)
        self._drop.end_writing()
