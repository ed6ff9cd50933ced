"""A tree of files and folders on disk that no name leads out of: every step goes down from an open folder, following no link.

May live here: system calls on one tree, and their errors as the archive's own. Not: whose tree it is, what may be changed.
"""

import ctypes
import errno
import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from catalog import durable
from catalog.pure.drops import Place, decoded, encoded
from catalog.pure.errors import (
    ArchimedError,
    Conflict,
    Invalid,
    IsADirectory,
    NotADirectory,
    NotEmpty,
    NotFound,
    OutOfSpace,
    TooLong,
)

# A file that is being written: set when it is made or changed, taken off when it is closed. It stays on what a process left
# that died, and on what a program left that was killed. A mode bit without meaning for files: it costs no more than the file.
UNFINISHED = stat.S_ISVTX
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: should somebody put a pipe there.
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_RENAME_NOREPLACE = 1
_ATTRIBUTE = "user.archimed"
_DIGESTS = "user.archimed.digests"
_NOTHING_KEPT = frozenset({errno.ENODATA, errno.ENOTSUP})
_LONGEST_ATTRIBUTE = 3_000  # what every file system takes that takes any

_libc = ctypes.CDLL(None, use_errno=True)

_ERRORS: dict[int, tuple[type[ArchimedError], str]] = {
    errno.ENOENT: (NotFound, "there is no such file or folder"),
    errno.ELOOP: (NotFound, "there is no such file or folder"),
    errno.ENXIO: (NotFound, "there is no such file or folder"),
    errno.EEXIST: (Conflict, "there is something of that name already"),
    errno.ENOTEMPTY: (NotEmpty, "the folder is not empty"),
    errno.ENOTDIR: (NotADirectory, "a file has nothing below it"),
    errno.EISDIR: (IsADirectory, "it is a folder"),
    errno.EINVAL: (Invalid, "that cannot be done with this file or folder"),
    errno.ENAMETOOLONG: (TooLong, "the name is too long; give a shorter one"),
}


@contextmanager
def translated() -> Iterator[None]:
    """Turn an OSError into the archive's own error; the text names no file."""
    try:
        yield
    except OSError as error:
        raise as_error(error) from None


def as_error(error: OSError) -> ArchimedError:
    """Return the archive's own error for an OSError."""
    kind, text = _ERRORS.get(error.errno or 0, (None, ""))
    return kind(text) if kind else durable.as_archimed_error(error, "the staging folder cannot be used")


class DiskTree:
    """The tree below one folder. Raises the archive's errors, never OSError."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def stat(self, names: Place) -> os.stat_result:
        """Return what is known of a file or folder; whatever else may stand there is not there."""
        with translated():
            if not names:
                return self._root.lstat()
            with self._parent(names) as (folder, name):
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise NotFound("there is no such file or folder")
        return found

    def scan(self, names: Place) -> list[tuple[str, os.stat_result]]:
        """Return the files and folders in a folder, in no order."""
        result = []
        with translated(), self._opened(names) as folder, os.scandir(folder) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
                    # Of an open folder, names come as the interpreter decodes them, which depends on the locale.
                    result.append((decoded(os.fsencode(entry.name)), found))
        return result

    def walk(self, names: Place = ()) -> Iterator[tuple[Place, os.stat_result]]:
        """Yield all files below a folder, each folder in the order of its names: the same order each time."""
        for name, found in sorted(self.scan(names), key=lambda item: encoded(item[0])):
            below = (*names, name)
            if stat.S_ISDIR(found.st_mode):
                yield from self.walk(below)
            else:
                yield below, found

    def height(self, names: Place) -> int:
        """Return how many names lead at most from a folder to what lies below it; 0 for a file."""
        if not stat.S_ISDIR(self.stat(names).st_mode):
            return 0
        highest, folders = 0, [names]
        while folders:
            folder = folders.pop()
            for name, found in self.scan(folder):
                highest = max(highest, len(folder) + 1 - len(names))
                if stat.S_ISDIR(found.st_mode):
                    folders.append((*folder, name))
        return highest

    def open(self, names: Place, flags: int) -> int:
        """Open a file that is there; return a descriptor that is the caller's to close."""
        with translated(), self._parent(names) as (folder, name):
            fd = os.open(name, flags | _FILE, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise IsADirectory("a folder has no bytes; open one of its files")
        return fd

    def create(self, names: Place, flags: int) -> tuple[int, int]:
        """Make a file that was not there, unfinished; return its descriptor and that of its folder, to sync the name with."""
        with translated(), self._parent(names) as (folder, name):
            kept = os.dup(folder)
            try:
                made = flags | _FILE | os.O_CREAT | os.O_EXCL
                return os.open(name, made, _FILE_MODE | UNFINISHED, dir_fd=folder), kept
            except BaseException:
                os.close(kept)
                raise

    def make_folder(self, names: Place) -> None:
        """Make a folder, durably."""
        with translated(), self._parent(names) as (folder, name):
            os.mkdir(name, _FOLDER_MODE, dir_fd=folder)
            os.fsync(folder)

    def make_folders(self, names: Place) -> None:
        """Make a folder and those above it that are missing, durably."""
        for depth in range(1, len(names) + 1):
            try:
                self.make_folder(names[:depth])
            except Conflict:
                continue

    def remove(self, names: Place) -> None:
        """Remove a file."""
        with translated(), self._parent(names) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def remove_folder(self, names: Place) -> None:
        """Remove an empty folder."""
        with translated(), self._parent(names) as (folder, name):
            os.rmdir(name, dir_fd=folder)

    def rename(self, old: Place, new: Place, *, may_replace: bool) -> None:
        """Give a file or folder another name, durably: programs write under a name of their own and then rename."""
        with translated(), self._parent(old) as (old_folder, old_name), self._parent(new) as (new_folder, new_name):
            _rename(old_folder, old_name, new_folder, new_name, 0 if may_replace else _RENAME_NOREPLACE)
            os.fsync(new_folder)
            if old[:-1] != new[:-1]:
                os.fsync(old_folder)

    def put(self, folder: int, name: bytes, new: Place, *, may_replace: bool) -> None:
        """Move a file from a folder outside of the tree into it, durably."""
        with translated(), self._parent(new) as (new_folder, new_name):
            _rename(folder, name, new_folder, new_name, 0 if may_replace else _RENAME_NOREPLACE)
            os.fsync(new_folder)

    def link(self, names: Place, folder: int, name: bytes) -> None:
        """Give a file a second name in a folder outside of the tree; harmless when it has it."""
        with translated(), self._parent(names) as (old_folder, old_name):
            try:
                os.link(old_name, name, src_dir_fd=old_folder, dst_dir_fd=folder, follow_symlinks=False)
            except FileExistsError:
                return

    def set_times(self, names: Place, atime_ns: int, mtime_ns: int) -> None:
        """Set a file's or folder's times."""
        with translated(), self._parent(names) as (folder, name):
            os.utime(name, ns=(atime_ns, mtime_ns), dir_fd=folder, follow_symlinks=False)

    def attribute(self, names: Place) -> bytes:
        """Return what is kept beside a file or folder; empty if nothing, or if the file system keeps nothing."""
        with self._any(names) as fd:
            return _kept(fd, _ATTRIBUTE)

    def digests(self, names: Place) -> str:
        """Return the digests that a file was uploaded with, as `SHA1:<hex> MD5:<hex>`; empty if none, or if changed since."""
        with self._any(names) as fd:
            return _kept(fd, _DIGESTS).decode("ascii", "replace")

    def set_attribute(self, names: Place, value: bytes) -> None:
        """Keep something beside a file or folder, durably; it goes where the file goes.

        Raises:
            OutOfSpace: it is too much.
            Unavailable: the file system keeps nothing beside files.
        """
        if len(value) > _LONGEST_ATTRIBUTE:
            raise OutOfSpace(f"no more than {_LONGEST_ATTRIBUTE} bytes of properties can be kept beside a file")
        with self._any(names) as fd:
            os.setxattr(fd, _ATTRIBUTE, value)
            os.fsync(fd)

    @contextmanager
    def _any(self, names: Place) -> Iterator[int]:
        with translated(), self._parent(names) as (folder, name):
            fd = os.open(name, os.O_RDONLY | _FILE, dir_fd=folder)
            try:
                yield fd
            finally:
                os.close(fd)

    def sync_names(self, names: Place) -> None:
        """Make the names in a folder durable."""
        with translated(), self._opened(names) as folder:
            os.fsync(folder)

    @contextmanager
    def _parent(self, names: Place) -> Iterator[tuple[int, bytes]]:
        """Give an open descriptor of the folder that holds the last name, and that name."""
        with self._opened(names[:-1]) as folder:
            yield folder, _as_there(folder, names[-1])

    @contextmanager
    def _opened(self, names: Place) -> Iterator[int]:
        folder = os.open(self._root, _FOLDER)
        try:
            for name in names:
                inner = os.open(_as_there(folder, name), _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)


def _as_there(folder: int, name: str) -> bytes:
    """Return a name as a folder has it: macOS sends characters decomposed that others send composed. Exact names come first.

    What has no such name in any form is returned as it is.
    """
    if name.isascii():
        return encoded(name)
    for form in dict.fromkeys((name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))):
        with suppress(OSError, TooLong):  # decomposed, a name may be too long to be there
            os.stat(encoded(form), dir_fd=folder, follow_symlinks=False)
            return encoded(form)
    return encoded(name)


def keep_digests(fd: int, digests: str) -> None:
    """Keep the digests of an open file's bytes beside it, if the file system keeps anything."""
    try:
        os.setxattr(fd, _DIGESTS, digests.encode())
    except OSError as error:
        if error.errno not in _NOTHING_KEPT:
            raise


def drop_digests(fd: int) -> None:
    """Forget the digests of an open file whose bytes are about to change."""
    try:
        os.removexattr(fd, _DIGESTS)
    except OSError as error:
        if error.errno not in _NOTHING_KEPT:
            raise


def _kept(fd: int, name: str) -> bytes:
    try:
        return os.getxattr(fd, name)
    except OSError as error:
        if error.errno in _NOTHING_KEPT:
            return b""
        raise


def _rename(old_folder: int, old_name: bytes, new_folder: int, new_name: bytes, flags: int) -> None:
    if not flags:
        os.rename(old_name, new_name, src_dir_fd=old_folder, dst_dir_fd=new_folder)
    elif _libc.renameat2(old_folder, old_name, new_folder, new_name, flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
