"""The staging folder: the only place where identities may lie (DESIGN, law 6).

    <staging>/secret.key                     key of the digests by which the catalogue knows staged instances
    <staging>/received/<session>/<number>    one staged file; a session is one run of one receiving process
    <staging>/batches/<batch>.json           what the checks read of a batch, for its reviewers: patients, series

Files stay where they were written until they are erased. May live here: names, bytes and durability of staged files. Not: what
they mean, who may see them.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from catalog import durable
from catalog.pure.errors import Refused

DIGEST_BYTES = 16
_LOCK = ".lock"


class Staging:
    """The staging folder.

    Args:
        root: the folder; made with mode 0700 by `prepare`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._secret: bytes | None = None

    def prepare(self) -> None:
        """Create the folders and the secret; harmless when they are there."""
        with durable.translated("the staging folder cannot be made"):
            for name in ("received", "batches"):
                durable.make_folder(self._root / name)
            self._root.chmod(0o700)
            if not (self._root / "secret.key").exists():
                durable.write_file(self._root / "secret.key", [secrets.token_hex(32).encode()])

    def digest(self, value: str) -> bytes:
        """Return the keyed digest (16 bytes) under which the catalogue knows an original UID or ID."""
        if self._secret is None:
            try:
                self._secret = (self._root / "secret.key").read_bytes()
            except FileNotFoundError:
                raise Refused("the staging folder is not prepared; run `archimed init`") from None
        return hashlib.blake2b(value.encode("utf-8", "surrogateescape"), key=self._secret, digest_size=DIGEST_BYTES).digest()

    def session(self) -> "Session":
        """Begin to receive files in this process."""
        name = secrets.token_hex(6)
        folder = self._root / "received" / name
        with durable.translated("the staging folder cannot be written"):
            durable.make_folder(folder)
            return Session(folder, name)

    def path(self, file: str) -> Path:
        """Return where a staged file's bytes are, by its name in the catalogue."""
        return self._root / "received" / file

    def erase(self, files: list[str]) -> None:
        """Remove staged files, durably; one that is gone already is fine."""
        folders = set()
        with durable.translated("staged files cannot be erased"):
            for file in files:
                path = self.path(file)
                path.unlink(missing_ok=True)
                folders.add(path.parent)
            for folder in folders:
                if folder.is_dir():
                    durable.sync_folder(folder)

    def write_about(self, batch: int, about: Mapping[str, Any]) -> None:
        """Keep what the checks read of a batch, identities included."""
        with durable.translated("the staging folder cannot be written"):
            text = json.dumps(about, ensure_ascii=True, indent=1)
            durable.write_file(self._about(batch), [text.encode()], mode=0o600)

    def read_about(self, batch: int) -> dict[str, Any]:
        """Return what the checks read of a batch; empty before they have."""
        try:
            found: dict[str, Any] = json.loads(self._about(batch).read_bytes())
        except FileNotFoundError:
            return {}
        return found

    def copy_about(self, batch: int, other: int) -> None:
        """Let another batch, which takes over files of this one, know the same."""
        if about := self.read_about(batch):
            self.write_about(other, about)

    def erase_about(self, batch: int) -> None:
        """Forget what the checks read of a batch, durably."""
        with durable.translated("the staging folder cannot be written"):
            self._about(batch).unlink(missing_ok=True)
            durable.sync_folder(self._root / "batches")

    def ended_sessions(self) -> Iterator[tuple[Path, list[str]]]:
        """Yield the folder and the files (as the catalogue names them) of each session whose process is gone."""
        for folder in sorted((self._root / "received").iterdir()):
            with contextlib.ExitStack() as stack:
                try:
                    lock = os.open(folder / _LOCK, os.O_RDWR)
                except FileNotFoundError:
                    # Its process has just made the folder, or died doing so; then the next look finds it empty too.
                    with contextlib.suppress(OSError):
                        folder.rmdir()
                    continue
                stack.callback(os.close, lock)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield folder, [f"{folder.name}/{path.name}" for path in folder.iterdir() if path.name != _LOCK]

    def remove_session(self, folder: Path) -> None:
        """Remove the folder of an ended session that holds no files any more."""
        (folder / _LOCK).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()

    def _about(self, batch: int) -> Path:
        return self._root / "batches" / f"{batch}.json"


class Session:
    """Where one process puts what it receives; a lock on it tells others that the process lives. Safe between threads.

    Names are made durable by a thread of its own, many at a time, while the bytes of the files still come in.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
        return f"{self._name}/{number}", fd

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
