"""Writing so that it survives a power cut: the only place that calls fsync and its kin (docs/laws.md, law 4)."""

import ctypes
import errno
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path

from catalog.pure.errors import ArchimedError, OutOfSpace, Unavailable

_libc = ctypes.CDLL(None, use_errno=True)
_YOUNG_SECONDS = 60
_OLD_SECONDS = 3600
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: what was created, renamed or removed in it."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_filesystem(folder: Path) -> None:
    """Make all that was written to the folder's filesystem durable, data and names: syncfs(2).

    One call for many files costs one journal commit. Since Linux 5.8 it reports write-back errors as fsync does.

    Raises:
        OSError: the filesystem could not write something.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _libc.syncfs(fd) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Create a folder of mode 0700 and those above it that are missing, durably."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(mode=0o700, exist_ok=True)
        sync_folder(new.parent)


def create_file(path: Path) -> BufferedRandom:
    """Create a file that was not there, for its owner alone, open for reading and writing."""
    file = path.open("xb+")
    os.fchmod(file.fileno(), 0o600)
    return file


def write_file(path: Path, chunks: Iterable[bytes], mode: int = 0o400) -> None:
    """Put a whole file in place, durably: temporary file, fsync, rename over, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        with create_file(temporary) as file:
            file.writelines(chunks)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def is_left_behind(temporary: Path) -> bool:
    """Whether a temporary file of `write_file` belongs to nobody any more: its process is gone, or it is older than minutes."""
    try:
        age = time.time() - temporary.stat().st_mtime
    except FileNotFoundError:
        return False
    pid = temporary.name.split(".")[-2]
    # A process of another container or user may be hidden from us, so a young file is left alone.
    is_gone = not (pid.isdigit() and Path(f"/proc/{pid}").exists())
    return age > (_YOUNG_SECONDS if is_gone else _OLD_SECONDS)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn an OSError into the archive's own error; the text names no path and no file.

    Args:
        what: what could not be done, e.g. "the store cannot be written".

    Raises:
        OutOfSpace: the disk or quota is full.
        Unavailable: anything else.
    """
    try:
        yield
    except OSError as error:
        raise as_archimed_error(error, what) from None


def as_archimed_error(error: OSError, what: str) -> ArchimedError:
    """Return the archive's own error for an OSError."""
    if error.errno in _FULL:
        return OutOfSpace(f"{what}: the disk is full; free some space and try again")
    return Unavailable(f"{what}: {os.strerror(error.errno) if error.errno else 'unknown error'}")
