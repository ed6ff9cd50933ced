"""One dropped batch on disk: its tree, who writes to it, whether it is still open, and its stock once it is sealed.

    <staging>/drops/<key>/tree/...      the files under the names they were brought under
    <staging>/drops/<key>/open          there as long as files may be written. Whoever writes holds it locked (shared), whoever
                                        seals removes it under the exclusive lock; its time is that of the last change
    <staging>/drops/<key>/incoming/     uploads that are not whole yet; they count for nothing
    <staging>/drops/<key>/left-out.json what was not taken of a tree that a command brought: by its place, what it is
    <staging>/drops/<key>/files/<n>     a second name of ours for each file, and names.jsonl: which is which. Made when sealed

All processes agree through the file `open` alone: it is right whoever dies. Knows no catalogue.
"""

import fcntl
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from catalog import durable
from catalog.gate.staged.disk_tree import UNFINISHED, DiskTree, translated
from catalog.pure.errors import NotADirectory, NotFound, Refused, Sealed, Unavailable

_BUSY = "the staging folder cannot be used"
_POLL_SECONDS = 0.02
_SEALING_SECONDS = 5.0
_TOUCH_SECONDS = 1.0
_NAMES = "names.jsonl"
_LEFT_OUT = "left-out.json"
_OPEN = "open"


@dataclass(frozen=True, slots=True)
class StockedFile:
    """A file of a sealed batch: its number in the batch, the names that lead to it, its size, and whether it was closed."""

    number: int
    name: str
    size: int
    is_unfinished: bool


class DropFolder:
    """The folder of one dropped batch. Safe to share between threads.

    Args:
        path: `<staging>/drops/<key>`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = DiskTree(path / "tree")
        self._mutex = threading.Lock()
        self._lock = -1
        self._writers = 0
        self._touched = 0.0

    def __del__(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)

    @classmethod
    def make(cls, drops: Path) -> "DropFolder":
        """Make the folder of a new batch, durably, and return it."""
        with durable.translated(_BUSY):
            path = drops / secrets.token_hex(8)
            durable.make_folder(path)
            for name in ("tree", "incoming", "files"):
                (path / name).mkdir(mode=0o700)
            durable.write_file(path / _OPEN, [], mode=0o600)
        return cls(path)

    @property
    def is_open(self) -> bool:
        """Whether files may still be written."""
        return (self.path / _OPEN).exists()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep the batch from being sealed.

        Raises:
            Sealed: it is sealed already, or gone.
        """
        self.begin_writing()
        try:
            yield
        finally:
            self.end_writing()

    def begin_writing(self) -> None:
        """Keep the batch from being sealed until `end_writing`.

        Raises:
            Sealed: it is sealed already, or gone.
        """
        with self._mutex:
            if self._writers == 0:
                self._lock_shared()
            self._writers += 1
            self._touch()

    def end_writing(self) -> None:
        """Let the batch be sealed again, if nobody else writes."""
        with self._mutex:
            self._writers -= 1
            self._touch()
            if self._writers == 0:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    def touch(self) -> None:
        """Say that somebody writes, so that the batch does not count as quiet."""
        if time.monotonic() - self._touched >= _TOUCH_SECONDS:
            with self._mutex:
                self._touch()

    def last_change(self) -> float:
        """Return the time of the last change; 0 if the batch is sealed."""
        try:
            return (self.path / _OPEN).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def set_changed_now(self) -> None:
        """Take this moment for the time of the last change."""
        with suppress(FileNotFoundError):
            os.utime(self.path / _OPEN)

    def seal(self, wait_seconds: float = 0.0, *, if_empty: bool = False) -> None:
        """Let nothing be written any more, durably; harmless when that is so.

        Args:
            wait_seconds: how long files that are still open are waited for.
            if_empty: only if there is neither file nor folder in it.

        Raises:
            Refused: files are still open for writing; or it is not empty.
        """
        with durable.translated(_BUSY):
            try:
                lock = os.open(self.path / _OPEN, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return
            try:
                if not _locked(lock, fcntl.LOCK_EX, wait_seconds):
                    raise Refused("files are still open for writing; close the programs that write to it and try again")
                if if_empty and self.tree.scan(()):
                    raise Refused("the folder is not empty")
                (self.path / _OPEN).unlink(missing_ok=True)
                durable.sync_folder(self.path)
            finally:
                os.close(lock)

    def reopen(self) -> None:
        """Let files be written again, durably."""
        with durable.translated(_BUSY):
            durable.write_file(self.path / _OPEN, [], mode=0o600)

    def forget_stock(self) -> None:
        """Take away all second names: what is taken stock of next is numbered anew."""
        with durable.translated(_BUSY):
            for entry in list((self.path / "files").iterdir()):
                entry.unlink()

    def count(self) -> tuple[int, int]:
        """Return how many files there are and how many bytes they have."""
        sizes = [found.st_size for _, found in self.tree.walk()]
        return len(sizes), sum(sizes)

    def has_files(self) -> bool:
        """Whether there is any file."""
        return next(self.tree.walk(), None) is not None

    def take_stock(self) -> list[StockedFile]:
        """Give each file of the sealed tree a number and a second name by which its bytes are found; the same each time."""
        stock = []
        with translated():
            folder = os.open(self.path / "files", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                for number, (names, found) in enumerate(self.tree.walk(), 1):
                    self.tree.link(names, folder, b"%d" % number)
                    stock.append(StockedFile(number, "/".join(names), found.st_size, bool(found.st_mode & UNFINISHED)))
                lines = (json.dumps([file.name, file.is_unfinished]).encode() + b"\n" for file in stock)
                durable.write_file(self.path / "files" / _NAMES, lines, mode=0o600)
            finally:
                os.close(folder)
        return stock

    def stocked(self, number: int) -> Path:
        """Return where the bytes of a stocked file are."""
        return self.path / "files" / str(number)

    def names(self) -> list[tuple[str, bool]]:
        """Return name and whether it is unfinished of each stocked file, in the order of their numbers, from 1."""
        try:
            lines = (self.path / "files" / _NAMES).read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [(name, is_unfinished) for name, is_unfinished in map(json.loads, lines)]

    def note_left_out(self, places: Mapping[str, str]) -> None:
        """Keep what is not in the tree although it was brought, durably: by its place, what it is."""
        with self._mutex, durable.translated(_BUSY):
            content = json.dumps({**self._noted(), **places}).encode()
            durable.write_file(self.path / _LEFT_OUT, [content], mode=0o600)

    def left_out(self) -> dict[str, str]:
        """Return what was noted and did not come since: by its place, what it is."""
        return {place: kind for place, kind in self._noted().items() if not self._has(place)}

    def _noted(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads((self.path / _LEFT_OUT).read_bytes())
        except FileNotFoundError:
            return {}
        return found

    def _has(self, place: str) -> bool:
        with suppress(NotFound, NotADirectory):
            self.tree.stat(tuple(place.split("/")))
            return True
        return False

    def erase(self, files: list[tuple[int, str]]) -> None:
        """Remove stocked files, by number and name, durably."""
        for number, name in files:
            with suppress(NotFound, NotADirectory):
                self.tree.remove(tuple(name.split("/")))
            self.stocked(number).unlink(missing_ok=True)
        if self.path.is_dir():
            durable.sync_filesystem(self.path)

    def has_stock(self) -> bool:
        """Whether a stocked file is left."""
        files = self.path / "files"
        return files.is_dir() and any(entry.name != _NAMES for entry in files.iterdir())

    def left_files(self) -> list[tuple[Path, str]]:
        """Return all that lies in the tree, with its name there, and the stocked files that the tree has lost."""
        tree = [(path, path.name) for path in (self.path / "tree").iterdir()] if (self.path / "tree").is_dir() else []
        files = (self.path / "files").iterdir() if (self.path / "files").is_dir() else ()
        return tree + [(path, path.name) for path in files if path.name.isdigit() and path.stat().st_nlink == 1]

    def erase_all(self) -> None:
        """Remove the whole folder, durably."""
        if self.path.is_dir():
            shutil.rmtree(self.path)
            durable.sync_folder(self.path.parent)

    def _lock_shared(self) -> None:
        with durable.translated(_BUSY):
            while True:
                if self._lock < 0:
                    try:
                        self._lock = os.open(self.path / _OPEN, os.O_RDWR | os.O_CLOEXEC)
                    except FileNotFoundError:
                        raise _sealed() from None
                # Who seals holds it for a moment.
                if not _locked(self._lock, fcntl.LOCK_SH, _SEALING_SECONDS):
                    raise Unavailable("the batch is being sealed; try again")
                if os.fstat(self._lock).st_nlink > 0:
                    return
                # It was sealed since; should it have been opened again, there is another file.
                os.close(self._lock)
                self._lock = -1

    def _touch(self) -> None:
        now = time.monotonic()
        if now - self._touched >= _TOUCH_SECONDS:
            self._touched = now
            with suppress(OSError):
                os.utime(self._lock)


def _sealed() -> Sealed:
    return Sealed("the batch is sealed: its files can be read and not be changed")


def _locked(fd: int, kind: int, wait_seconds: float) -> bool:
    until = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True
