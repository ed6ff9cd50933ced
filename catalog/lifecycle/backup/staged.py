"""Folders as they lie, in a backup: of the staging folder a mirror, so that what was erased at the gate does not live on.

Names, modes, times and hard links stay. Its keys and half-written files are left out. May live here: files as they lie. Not:
what they mean.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from catalog import durable

_FOLDERS = ("received", "batches", "drops", "partials", "orphans")


def mirror(source: Path, target: Path) -> int:
    """Make a folder like the staging folder; return how many files were copied.

    Args:
        source: the staging folder, or the mirror of one; its disk is mounted.
        target: what becomes like it; made, for its owner alone.

    Raises:
        OutOfSpace, Unavailable: a disk refused.
    """
    with durable.translated("the copy of the staging folder cannot be written"):
        durable.make_folder(target)
        target.chmod(0o700)
        copied = 0
        links: dict[tuple[int, int], Path] = {}
        for name in _FOLDERS:
            copied += _mirror(source / name, target / name, links)
        durable.sync_filesystem(target)
    return copied


def add_files(source: Path, target: Path) -> int:
    """Copy the files of a folder that another does not have, durably; return how many.

    Raises:
        OutOfSpace, Unavailable: a disk refused.
    """
    copied = 0
    if not source.is_dir():
        return copied
    with durable.translated("closed years of the audit cannot be copied"):
        durable.make_folder(target)
        for entry in _entries(source):
            if entry.is_file(follow_symlinks=False):
                copied += _copy(Path(entry.path), target / entry.name, {})
        durable.sync_filesystem(target)
    return copied


def _mirror(source: Path, target: Path, links: dict[tuple[int, int], Path]) -> int:
    copied = 0
    target.mkdir(mode=0o700, exist_ok=True)
    theirs = {entry.name: entry for entry in _entries(source)}
    for entry in _entries(target):
        if entry.name not in theirs or entry.is_dir(follow_symlinks=False) != theirs[entry.name].is_dir(follow_symlinks=False):
            _remove(Path(entry.path))
    for name, entry in theirs.items():
        if entry.is_dir(follow_symlinks=False):
            copied += _mirror(source / name, target / name, links)
        elif entry.is_file(follow_symlinks=False):
            with suppress(FileNotFoundError):  # erased meanwhile
                copied += _copy(source / name, target / name, links)
    return copied


def _copy(source: Path, target: Path, links: dict[tuple[int, int], Path]) -> bool:
    """Copy a file unless it is there; return whether it was."""
    found = source.lstat()
    first = links.setdefault((found.st_dev, found.st_ino), target) if found.st_nlink > 1 else target
    if first != target:
        if not (target.exists() and target.samefile(first)):
            target.unlink(missing_ok=True)
            target.hardlink_to(first)
        return False
    with suppress(FileNotFoundError):
        there = target.lstat()
        if (there.st_size, there.st_mtime_ns) == (found.st_size, found.st_mtime_ns):
            return False
    target.unlink(missing_ok=True)
    shutil.copyfile(source, target, follow_symlinks=False)
    target.chmod(stat.S_IMODE(found.st_mode))
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
    return True


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except FileNotFoundError:
        return
    yield from (entry for entry in found if not (entry.name.startswith(".") and entry.name.endswith(".tmp")))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
