"""The staging folder: the only place where identities may lie (docs/laws.md, law 6).

    <staging>/secret.key                     key of the digests by which the catalogue knows staged instances
    <staging>/received/<session>/<number>    one staged file; a session is one run of one receiving process, or one archive that
                                             was unpacked: then `.names.json` has the names its files had in it
    <staging>/drops/<key>/                   what a user dropped for an exam (`catalog.gate.staged.drop_folder`)
    <staging>/partials/<user>/<id>/          a large file that comes in pieces (`catalog.gate.drops.partials`)
    <staging>/orphans/<id>/                  what no batch has, set aside (`catalog.gate.staged.orphans`)
    <staging>/commitments/<name>.json        what a source asks whether it is stored (`catalog.gate.receive.commitments`)
    <staging>/batches/<batch>.*              what the checks read and say of a batch (`catalog.gate.staged.notes`)

Files stay where they were written until they are erased. May live here: names, bytes and durability of staged files. Not: what
they mean, who may see them.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BufferedRandom
from pathlib import Path
from typing import Any

from catalog import durable, marks
from catalog.gate.staged.drop_folder import DropFolder
from catalog.gate.staged.notes import BatchNotes
from catalog.gate.staged.orphans import Orphans
from catalog.gate.staged.session import LOCK, Session
from catalog.pure.errors import NotFound, Refused

DIGEST_BYTES = 16
_DROPS = "drops"
_MEMBERS = ".names.json"
_UNPACKED = ".unpacked"
_DROPS_HELD = 256
_NAMES_HELD = 4
_REQUESTS = "commitments"
_OLD_SECONDS = 3600


class Staging:
    """The staging folder.

    Args:
        root: the folder; made with mode 0700 by `prepare`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._secret: bytes | None = None
        self._drops: OrderedDict[str, DropFolder] = OrderedDict()
        self._names: OrderedDict[str, list[tuple[str, bool]]] = OrderedDict()
        self._turn = threading.Lock()

    def prepare(self) -> None:
        """Create the folders and the secret; harmless when they are there."""
        with durable.translated("the staging folder cannot be made"):
            for name in ("received", "batches", "drops", "partials", _REQUESTS):
                durable.make_folder(self._root / name)
            self._root.chmod(0o700)
            marks.mark(self._root)
            if not (self._root / "secret.key").exists():
                durable.write_file(self._root / "secret.key", [secrets.token_hex(32).encode()])

    @property
    def notes(self) -> BatchNotes:
        """What the checks read and say of each batch."""
        return BatchNotes(self._root / "batches")

    @property
    def orphans(self) -> Orphans:
        """What no batch has, set aside."""
        return Orphans(self._root / "orphans")

    def remove_temporary_files(self) -> None:
        """Remove what processes that died left half written; it was put in place by nobody, and some of it holds identities.

        Raises:
            Unavailable: the disk refused.
        """
        with durable.translated("the staging folder cannot be written"):
            for pattern in (
                "",
                "batches/",
                f"{_REQUESTS}/",
                "received/*/",
                "partials/*/*/",
                "drops/*/",
                "drops/*/files/",
                "orphans/*/",
            ):
                for path in self._root.glob(f"{pattern}.*.tmp"):
                    if durable.is_left_behind(path):
                        path.unlink(missing_ok=True)

    @property
    def partials(self) -> Path:
        """The folder of files that come in pieces."""
        return self._root / "partials"

    def digest(self, value: str) -> bytes:
        """Return the keyed digest (16 bytes) under which the catalogue knows an original UID or ID."""
        if self._secret is None:
            try:
                self._secret = (self._root / "secret.key").read_bytes()
            except FileNotFoundError:
                raise Refused("the staging folder is not prepared; run `archimed init`") from None
        return hashlib.blake2b(value.encode("utf-8", "surrogateescape"), key=self._secret, digest_size=DIGEST_BYTES).digest()

    def session(self, *, is_unpacked: bool = False) -> Session:
        """Begin to receive files in this process.

        Args:
            is_unpacked: they come out of an archive that is staged: should this process die, they are no loss.
        """
        name = secrets.token_hex(6)
        folder = self._root / "received" / name
        with durable.translated("the staging folder cannot be written"):
            durable.make_folder(folder)
            if is_unpacked:
                durable.write_file(folder / _UNPACKED, [])
            return Session(folder, name)

    def make_drop(self) -> DropFolder:
        """Make the folder of a new dropped batch."""
        drop = DropFolder.make(self._root / "drops")
        with self._turn:
            self._drops[drop.path.name] = drop
        return drop

    def drop(self, key: str) -> DropFolder:
        """Return the folder of a dropped batch, by its key in the catalogue: the same for all threads."""
        with self._turn:
            found = self._drops.pop(key, None) or DropFolder(self._root / "drops" / key)
            self._drops[key] = found
            # What is in use is held by its users, too.
            while len(self._drops) > _DROPS_HELD:
                self._drops.popitem(last=False)
        return found

    def all_drops(self) -> list[str]:
        """Return the keys of all folders of dropped batches."""
        return [path.name for path in (self._root / "drops").iterdir()]

    def path(self, file: str) -> Path:
        """Return where a staged file's bytes are, by its name in the catalogue."""
        kind, _, rest = file.partition("/")
        if kind != _DROPS:
            return self._root / "received" / file
        key, _, number = rest.partition("/")
        return self.drop(key).stocked(int(number))

    def name_of(self, file: str) -> str:
        """Return the name, with folders, under which a staged file was brought; '' if it came without one."""
        return self._entry_of(file)[0]

    def write_names(self, session: str, names: Sequence[str], folder: str, origin: "Origin") -> None:
        """Keep the names of an unpacked archive's files, in the order in which they were created.

        Args:
            folder: where the archive lay; its files count as lying there, too.
            origin: which archives they lay in.
        """
        with durable.translated("the staging folder cannot be written"):
            text = json.dumps({"folder": folder, "names": names, **asdict(origin)})
            durable.write_file(self._root / "received" / session / _MEMBERS, [text.encode()], mode=0o600)

    def origin_of(self, file: str) -> "Origin | None":
        """Return which archives a staged file lay in, None if it was brought as it is."""
        found = self._members(file.partition("/")[0])
        return Origin(found["depth"], found.get("root", 0), found.get("packed", 0)) if "depth" in found else None

    def is_unfinished(self, file: str) -> bool:
        """Whether the program that wrote a dropped file died before it closed it."""
        return self._entry_of(file)[1]

    def erase(self, files: list[str]) -> None:
        """Remove staged files, durably; one that is gone already is fine."""
        folders = set()
        dropped: dict[str, list[tuple[int, str]]] = {}
        with durable.translated("staged files cannot be erased"):
            for file in files:
                if file.startswith(f"{_DROPS}/"):
                    _, key, number = file.split("/")
                    dropped.setdefault(key, []).append((int(number), self.name_of(file)))
                    continue
                path = self.path(file)
                path.unlink(missing_ok=True)
                folders.add(path.parent)
            for folder in folders:
                if folder.is_dir():
                    durable.sync_folder(folder)
            for key, numbered in dropped.items():
                self.drop(key).erase(numbered)

    def forget_names(self, key: str) -> None:
        """Read the names of a dropped batch's files anew when they are asked for next."""
        with self._turn:
            self._names.pop(key, None)

    def erase_drop(self, key: str) -> None:
        """Remove the folder of a dropped batch with all that is left in it, durably."""
        with durable.translated("staged files cannot be erased"):
            self.drop(key).erase_all()
        with self._turn:
            self._drops.pop(key, None)
            self._names.pop(key, None)

    def size_of(self, file: str) -> int | None:
        """Return how many bytes a staged file has, None if it is not there.

        Raises:
            Unavailable: the disk does not answer.
        """
        with durable.translated("the staging folder does not answer"):
            try:
                return self.path(file).stat().st_size
            except FileNotFoundError:
                return None

    def write_request(self, name: str, content: bytes) -> None:
        """Keep what a source asks for, durably.

        Raises:
            OutOfSpace, Unavailable: the disk refused.
        """
        with durable.translated("the staging folder cannot be written"):
            durable.make_folder(self._root / _REQUESTS)
            durable.write_file(self._root / _REQUESTS / f"{name}.json", [content], mode=0o600)

    def read_request(self, name: str) -> bytes:
        """Return what a source asked for.

        Raises:
            NotFound: it is not there.
        """
        with durable.translated("the staging folder does not answer"):
            try:
                return (self._root / _REQUESTS / f"{name}.json").read_bytes()
            except FileNotFoundError:
                raise NotFound("the request is not in the staging folder any more") from None

    def erase_request(self, name: str) -> None:
        """Remove what a source asked for; harmless when it is gone."""
        with durable.translated("the staging folder cannot be written"):
            (self._root / _REQUESTS / f"{name}.json").unlink(missing_ok=True)

    def old_requests(self) -> list[str]:
        """Return the names of requests that were kept more than an hour ago."""
        before = time.time() - _OLD_SECONDS
        return [path.stem for path in (self._root / _REQUESTS).glob("*.json") if path.stat().st_mtime < before]

    def capacity(self) -> os.statvfs_result:
        """Return the size and free space of the staging folder's filesystem."""
        with durable.translated("the staging folder does not answer"):
            return os.statvfs(self._root)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[BufferedRandom]:
        """Give a file without a name, which is gone when it is closed."""
        with durable.translated("the staging folder cannot be written"), tempfile.TemporaryFile(dir=self._root) as file:
            yield file

    def ended_sessions(self) -> Iterator["EndedSession"]:
        """Yield each session whose process is gone."""
        for folder in sorted((self._root / "received").iterdir()):
            with contextlib.ExitStack() as stack:
                try:
                    lock = os.open(folder / LOCK, os.O_RDWR)
                except FileNotFoundError:
                    # Its process has just made the folder, or died doing so; then the next look finds it empty too. One that
                    # holds files has lost its lock, say in a copy that left out hidden files.
                    with contextlib.suppress(OSError):
                        folder.rmdir()
                        continue
                else:
                    stack.callback(os.close, lock)
                    try:
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        continue
                files = [f"{folder.name}/{path.name}" for path in folder.iterdir() if path.name.isdigit()]
                is_unpacked = (folder / _UNPACKED).exists() or (folder / _MEMBERS).exists()
                yield EndedSession(folder, files, is_unpacked)

    def remove_session(self, folder: Path) -> None:
        """Remove the folder of an ended session that holds no files any more."""
        for name in (_MEMBERS, _UNPACKED, LOCK):
            (folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()

    def _entry_of(self, file: str) -> tuple[str, bool]:
        key, number = file.removeprefix(f"{_DROPS}/").split("/")
        with self._turn:
            names = self._names.get(key)
        if names is None:
            names = self.drop(key).names() if file.startswith(f"{_DROPS}/") else self._names_of_members(key)
            with self._turn:
                self._names[key] = names
                while len(self._names) > _NAMES_HELD:
                    self._names.popitem(last=False)
        return names[int(number) - 1] if int(number) <= len(names) else ("", False)

    def _names_of_members(self, session: str) -> list[tuple[str, bool]]:
        about = self._members(session)
        folder = f"{about['folder']}/" if about.get("folder") else ""
        return [(f"{folder}{name}", False) for name in about.get("names", ())]

    def _members(self, session: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self._root / "received" / session / _MEMBERS).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return found


@dataclass(frozen=True, slots=True)
class Origin:
    """In which archives a file lay: `depth` of them, the outermost is the staged file `root` of `packed` bytes."""

    depth: int
    root: int
    packed: int


@dataclass(frozen=True, slots=True)
class EndedSession:
    """Where a process that is gone put what it received: `files` as the catalogue names them."""

    folder: Path
    files: list[str]
    is_unpacked: bool
