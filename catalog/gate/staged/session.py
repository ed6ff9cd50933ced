"""Receiving into staging: where one process puts what it receives, and that its names are durable.

May live here: files of one session. Not: what they are, which batch they are for.
"""

import contextlib
import fcntl
import os
import threading
from pathlib import Path

from catalog import durable

LOCK = ".lock"


class Session:
    """Where one process puts what it receives; a lock on it shows others that the process lives. Safe between threads.

    Names are made durable by a thread of its own, many at a time, while the bytes of the files still come in.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.name = name
        self._lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._changed = threading.Condition()
        self._created = self._durable = 0
        self._failure: OSError | None = None  # why names up to `_failed` are not durable
        self._failed = 0
        self._closed = False
        self._syncer = threading.Thread(target=self._sync_names, name="staging-names", daemon=True)
        self._syncer.start()

    def create(self) -> tuple[str, int]:
        """Create a file; return its name for the catalogue and a descriptor to write to.

        Raises:
            OSError: the disk refused.
        """
        with self._changed:
            number = self._created + 1
            fd = os.open(str(number), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=self._directory)
            self._created = number
            self._changed.notify_all()
        return f"{self.name}/{number}", fd

    def wait_for_name(self, file: str) -> None:
        """Return when the name of a file made by `create` is durable; its bytes are its writer's to sync.

        Raises:
            OSError: the disk refused.
        """
        number = int(file.partition("/")[2])
        with self._changed:
            self._changed.wait_for(lambda: number <= max(self._durable, self._failed))
            if number > self._durable and self._failure is not None:
                raise self._failure

    def remove(self, file: str) -> None:
        """Remove a file made by `create`."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file.partition("/")[2], dir_fd=self._directory)

    def sync(self) -> None:
        """Make all files that were created durable, names and bytes.

        Raises:
            OSError: the disk refused.
        """
        durable.sync_filesystem(self._folder)

    def discard(self) -> None:
        """Remove all files that were created; for a session that only its caller knows of."""
        with self._changed:
            created = self._created
        for number in range(1, created + 1):
            self.remove(f"{self.name}/{number}")

    def close(self) -> None:
        """End the session; its files stay."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._syncer.join()
        os.close(self._directory)
        os.close(self._lock)

    def _sync_names(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._created > max(self._durable, self._failed))
                if self._closed:
                    return
                created = self._created
            try:
                os.fsync(self._directory)
            except OSError as error:
                with self._changed:
                    self._failure, self._failed = error, created
                    self._changed.notify_all()
            else:
                with self._changed:
                    self._durable = created
                    self._changed.notify_all()
