"""Files whose bytes the kernel may hold: all that were opened since it was told of them, until it forgets them.

Pages outlive the closing of a file. When a user loses something, they are dropped too (`archimedfs.invalidation`).
"""

import threading
from collections.abc import Iterable

from archimedfs import inodes


class Remembered:
    """The inode numbers of opened files, with their study. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._studies: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._studies)

    def add(self, inode: int, study: int) -> None:
        """Note that a file was opened."""
        with self._lock:
            self._studies[inode] = study

    def forget(self, numbers: Iterable[int]) -> None:
        """Note that the kernel has forgotten inodes."""
        with self._lock:
            for inode in numbers:
                self._studies.pop(inode, None)

    def of(self, slot: int, studies: Iterable[int]) -> list[int]:
        """Return the files of these studies in a slot."""
        wanted = set(studies)
        with self._lock:
            return [inode for inode, study in self._studies.items() if study in wanted and inodes.slot_of(inode) == slot]
