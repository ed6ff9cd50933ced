"""The store in a local folder: objects named by their SHA-256 inside their own study's folder, records beside them.

    <root>/.archimed                               that this is the store, and not a folder to mount it on
    <root>/<study code>/objects/ab/abcdef...       one archived file; mode 0400, never changed
    <root>/<study code>/objects/ab/abcd...damaged  what was set aside, because its bytes are not those of its name
    <root>/<study code>/incoming/<import>/         objects of a running publish job, not yet in place
    <root>/<study code>/...                        records, under their names (`catalog.store.records`)

No catalogue is needed to read a study from its folder (docs/laws.md, law 5; docs/formats.md). May live here: bytes, names of
objects, durability. Not: who may read, what a file means.
"""

import contextlib
import errno
import hashlib
import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from io import BufferedRandom
from pathlib import Path

from catalog import durable, marks
from catalog.pure.capacity import Capacity, capacity
from catalog.pure.errors import Damaged
from catalog.pure.names import is_code
from catalog.store.model import PAGE, StoredObject

_NO_READING = "the store cannot be read"
_NO_WRITING = "the store cannot be written"
_DIGEST_BYTES = 32
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR}


class LocalStore:
    """The store in a local folder: a `catalog.store.Store`.

    Args:
        root: the folder; made with mode 0700 by `prepare`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def prepare(self) -> None:
        """Create the store's folder; harmless when it is there."""
        with durable.translated("the store's folder cannot be made"):
            durable.make_folder(self._root)
            self._root.chmod(0o700)
            marks.mark(self._root)

    def deposit(self, study: str, name: str) -> "LocalDeposit":
        """Begin, or begin again, to put the objects of one import in place; what an earlier attempt left half done goes."""
        folder = self._root / study / "incoming" / name
        with durable.translated(_NO_WRITING):
            shutil.rmtree(folder, ignore_errors=True)
            durable.make_folder(folder)
            durable.make_folder(self._root / study / "objects")
        return LocalDeposit(self._root / study, folder)

    def open(self, study: str, stored: StoredObject, *, fresh: bool = False) -> "LocalReader":
        """Open an object for reading; `fresh`: from the disk, not from the page cache.

        Raises:
            Damaged: the object is not there, or has another size.
            Unavailable: the disk does not answer.
        """
        path = object_path(self._root / study, stored.digest)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise Damaged(
                "the file's bytes are missing from the store; tell the administrator that the store is damaged"
            ) from None
        except OSError as error:
            raise durable.as_archimed_error(error, _NO_READING) from None
        if os.fstat(fd).st_size != stored.size:
            os.close(fd)
            raise Damaged("the file's bytes were cut or changed; tell the administrator that the store is damaged")
        return LocalReader(fd, fresh=fresh)

    def stat(self, study: str, digest: bytes) -> StoredObject | None:
        """Return an object with the size of its file, None if there is none.

        Raises:
            Unavailable: the disk does not answer.
        """
        with durable.translated(_NO_READING):
            size = _size(object_path(self._root / study, digest))
        return None if size is None else StoredObject(digest, size)

    def list(self, study: str, after: bytes = b"", limit: int = PAGE) -> Sequence[StoredObject]:
        """Return up to `limit` objects in the order of their digests, those behind `after`; other files do not count.

        Raises:
            Unavailable: the disk does not answer.
        """
        with durable.translated(_NO_READING):
            return list(itertools.islice(self._objects(study, after), limit))

    def _objects(self, study: str, after: bytes) -> Iterator[StoredObject]:
        folder = self._root / study / "objects"
        for fan in _names(folder):
            if fan < after[:1].hex():
                continue
            for name in _names(folder / fan):
                digest = _digest(name)
                if digest is None or digest <= after or not name.startswith(fan):
                    continue
                size = _size(folder / fan / name)
                if size is not None:  # removed meanwhile
                    yield StoredObject(digest, size)

    def delete(self, study: str, digest: bytes) -> None:
        """Remove an object, durably, and what was set aside of it; one that is not there is fine.

        Raises:
            Unavailable: the disk does not answer.
        """
        path = object_path(self._root / study, digest)
        _remove(path)
        _remove(path.with_name(f"{path.name}.damaged"))

    def set_aside(self, study: str, digest: bytes) -> None:
        """Rename an object whose bytes are not its own, durably: `<name>.damaged` is no object.

        Raises:
            Unavailable: the disk does not answer.
        """
        path = object_path(self._root / study, digest)
        with durable.translated(_NO_WRITING), contextlib.suppress(FileNotFoundError):
            path.replace(path.with_name(f"{path.name}.damaged"))
            durable.sync_folder(path.parent)

    def capacity(self) -> Capacity:
        """Return the size and free space of the filesystem the store lies on."""
        with durable.translated(_NO_READING):
            return capacity(os.statvfs(self._root))

    def write_record(self, study: str, name: str, chunks: Iterable[bytes]) -> None:
        """Write a record, durably, in place of what was there.

        Raises:
            OutOfSpace, Unavailable: the disk refused; what was there is there still.
        """
        path = self._root / study / name
        with durable.translated(_NO_WRITING):
            durable.make_folder(path.parent)
            durable.write_file(path, chunks)

    def read_record(self, study: str, name: str) -> Iterator[bytes]:
        """Yield a record's lines, as they are read.

        Raises:
            Damaged: it is not there.
            Unavailable: the disk does not answer.
        """
        try:
            with (self._root / study / name).open("rb") as file:
                yield from file
        except FileNotFoundError:
            raise Damaged("a record is missing from the store; tell the administrator that the store is damaged") from None
        except OSError as error:
            raise durable.as_archimed_error(error, _NO_READING) from None

    def list_records(self, study: str, folder: str, after: str = "", limit: int = PAGE, *, since: int = 0) -> Sequence[str]:
        """Return up to `limit` names of records behind `after`, in order; those whose file is not older than `since`.

        Raises:
            Unavailable: the disk does not answer.
        """
        with durable.translated(_NO_READING):
            path = self._root / study / folder
            behind = (name for name in _names(path) if f"{folder}/{name}" > after)
            wanted = (f"{folder}/{name}" for name in behind if not since or _is_younger(path / name, since))
            return list(itertools.islice(wanted, limit))

    def delete_record(self, study: str, name: str) -> None:
        """Remove a record, durably; one that is not there is fine.

        Raises:
            Unavailable: the disk does not answer.
        """
        _remove(self._root / study / name)

    def studies(self) -> Sequence[str]:
        """Return the codes of all studies that have a folder, in order.

        Raises:
            Unavailable: the disk does not answer.
        """
        with durable.translated(_NO_READING):
            # Not `lost+found`, nor what somebody left there.
            return [name for name in _names(self._root) if is_code(name) and (self._root / name).is_dir()]


class LocalReader:
    """A stored file that is open; `fresh`: its pages are taken from the page cache before it is read, and after."""

    def __init__(self, fd: int, *, fresh: bool) -> None:
        self._fd = fd
        self._fresh = fresh
        self._drop_pages()

    @property
    def fd(self) -> int:
        """The file's descriptor."""
        return self._fd

    def read_at(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset`, fewer only where the file ends.

        Raises:
            Unavailable: the disk does not answer.
        """
        with durable.translated(_NO_READING):
            got = os.pread(self._fd, size, offset)
            while len(got) < size and (more := os.pread(self._fd, size - len(got), offset + len(got))):
                got += more
            return got

    def close(self) -> None:
        """Close the file; harmless when it is closed."""
        if self._fd >= 0:
            self._drop_pages()
            os.close(self._fd)
            self._fd = -1

    def _drop_pages(self) -> None:
        # Else a proof reads what memory holds, and pushes out of it what people read.
        if self._fresh:
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)


class LocalDeposit:
    """Objects of one import on their way into the store; one thread at a time.

    Files made by `new` are private until `settle`, which puts many in place with one sync.
    """

    def __init__(self, study_folder: Path, folder: Path) -> None:
        self._study = study_folder
        self._folder = folder
        self._count = 0
        self._waiting: list[tuple[Path, StoredObject]] = []

    def new(self) -> BufferedRandom:
        """Return a new private file, open for reading and writing; hand it to `add` or `discard`.

        Raises:
            OutOfSpace, Unavailable: the disk refused.
        """
        self._count += 1
        with durable.translated(_NO_WRITING):
            return durable.create_file(self._folder / str(self._count))

    def add(self, file: BufferedRandom) -> StoredObject:
        """Close a file made by `new`, take its digest, and let it wait for `settle`.

        Raises:
            OutOfSpace, Unavailable: the disk refused; the file is discarded.
        """
        with durable.translated(_NO_WRITING):
            try:
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").digest()
                size = os.fstat(file.fileno()).st_size
                os.fchmod(file.fileno(), 0o400)
            except BaseException:
                self.discard(file)
                raise
        file.close()
        stored = StoredObject(digest, size)
        self._waiting.append((Path(file.name), stored))
        return stored

    def discard(self, file: BufferedRandom) -> None:
        """Close and remove a file made by `new`."""
        Path(file.name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # what is still buffered may not fit on the disk, and need not
            file.close()

    def settle(self) -> None:
        """Put all that was added in place, durably: data first, then names.

        An object that is there already, with its bytes, stays as it is; one whose bytes differ is set aside.

        Raises:
            OutOfSpace, Unavailable: the disk refused; nothing was acknowledged, and it can be called again or the same import
                be begun again.
        """
        if not self._waiting:
            return
        with durable.translated(_NO_WRITING):
            durable.sync_filesystem(self._folder)
            for temporary, stored in self._waiting:
                target = object_path(self._study, stored.digest)
                if _size(target) is not None:
                    if _has_digest(target, stored.digest):
                        temporary.unlink(missing_ok=True)
                        continue
                    target.replace(target.with_name(f"{target.name}.damaged"))
                if not target.parent.is_dir():
                    target.parent.mkdir(mode=0o700, exist_ok=True)
                temporary.replace(target)
            durable.sync_filesystem(self._folder)
        self._waiting.clear()

    def close(self) -> None:
        """Remove what was not settled."""
        shutil.rmtree(self._folder, ignore_errors=True)


def object_path(study_folder: Path, digest: bytes) -> Path:
    """Return where an object lies: two hexadecimal digits of fan-out keep a folder of a large study at some hundred names."""
    name = digest.hex()
    return study_folder / "objects" / name[:2] / name


def _names(folder: Path) -> list[str]:
    """Return the names in a folder in order, without those of a file that is just being written; none if it is not there."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208 - names alone are wanted
    except OSError as error:
        if error.errno in _NOT_THERE:
            return []
        raise


def _digest(name: str) -> bytes | None:
    try:
        digest = bytes.fromhex(name)
    except ValueError:
        return None
    return digest if len(digest) == _DIGEST_BYTES and digest.hex() == name else None


def _size(path: Path) -> int | None:
    try:
        return path.lstat().st_size
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise


def _is_younger(path: Path, since: int) -> bool:
    try:
        return path.lstat().st_mtime >= since
    except FileNotFoundError:
        return False  # removed meanwhile


def _has_digest(path: Path, digest: bytes) -> bool:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest() == digest


def _remove(path: Path) -> None:
    with durable.translated(_NO_WRITING):
        try:
            path.unlink()
        except OSError as error:
            if error.errno in _NOT_THERE:
                return
            raise
        durable.sync_folder(path.parent)
