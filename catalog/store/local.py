"""Objects in local folders, named by their SHA-256 inside their own study's folder.

    <root>/.archimed                               that this is the store, and not a folder to mount it on
    <root>/<study code>/study.json                 what the study is
    <root>/<study code>/objects/ab/abcdef...       one archived file; mode 0400, never changed
    <root>/<study code>/manifests/<import>.jsonl   one line a file of that import: tree path, digest, size, headers
    <root>/<study code>/corrections/<n>.jsonl      one line a series that stands elsewhere since that correction
    <root>/<study code>/incoming/<import>/         objects of a running publish job, not yet in place

No catalogue is needed to read a study from its folder (DESIGN, law 5; docs/formats.md). May live here: bytes, names of
objects, durability. Not: who may read, what a file means.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import Any

from catalog import durable, marks
from catalog.pure.corrections import Moved, Place, place_now
from catalog.pure.errors import Damaged, Unavailable

FORMAT = 1


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Bytes in the store: `digest` is their SHA-256 (32 bytes), `size` their number."""

    digest: bytes
    size: int


class LocalStore:
    """The store in a local folder.

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

    def create_study(self, study: str, about: Mapping[str, Any]) -> None:
        """Create a study's folders, or bring its `study.json` up to date."""
        folder = self._root / study
        with durable.translated("the study's folder cannot be made"):
            for name in ("objects", "manifests", "incoming"):
                durable.make_folder(folder / name)
            text = json.dumps({"format": FORMAT, "study": study, **about}, indent=1)
            durable.write_file(folder / "study.json", [text.encode(), b"\n"])

    def open(self, study: str, digest: bytes) -> int:
        """Open an object for reading and return its file descriptor, which the caller closes.

        Raises:
            Damaged: the object is not there.
            Unavailable: the disk does not answer.
        """
        try:
            return os.open(self._object(study, digest), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise Damaged(
                "the file's bytes are missing from the store; tell the administrator that the store is damaged"
            ) from None
        except OSError as error:
            raise durable.as_archimed_error(error, "the store cannot be read") from None

    def deposit(self, study: str, name: str) -> "Deposit":
        """Begin, or begin again, to put the objects of one import in place; what an earlier attempt left half done goes."""
        folder = self._root / study / "incoming" / name
        with durable.translated("the store cannot be written"):
            shutil.rmtree(folder, ignore_errors=True)
            durable.make_folder(folder)
        return Deposit(self._root / study, folder)

    def write_manifest(self, study: str, name: str, entries: Iterable[Mapping[str, Any]]) -> None:
        """Write the manifest of one import, replacing what an earlier attempt wrote."""
        # ASCII: one line stays one line for every reader, and a header may hold what UTF-8 cannot.
        lines = (json.dumps(entry, separators=(",", ":")).encode() + b"\n" for entry in entries)
        with durable.translated("the store cannot be written"):
            durable.write_file(self._root / study / "manifests" / f"{name}.jsonl", lines)

    def remove_manifest(self, study: str, name: str) -> None:
        """Remove the manifest of an import that was given up; one that was never written is fine."""
        path = self._root / study / "manifests" / f"{name}.jsonl"
        with durable.translated("the store cannot be written"):
            if path.exists():
                path.unlink()
                durable.sync_folder(path.parent)

    def write_correction(self, study: str, name: str, moved: Iterable[Moved]) -> None:
        """Write where series stand since a correction, replacing what an earlier attempt wrote."""
        lines = [{"batches": one.batches, "was": one.was._asdict(), "now": one.now._asdict()} for one in moved]
        with durable.translated("the store cannot be written"):
            durable.make_folder(self._root / study / "corrections")
            text = (json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
            durable.write_file(self._correction(study, name), text)

    def remove_correction(self, study: str, name: str) -> None:
        """Remove a correction that was given up; one that was never written is fine."""
        path = self._correction(study, name)
        with durable.translated("the store cannot be written"):
            if path.exists():
                path.unlink()
                durable.sync_folder(path.parent)

    def manifests(self, study: str) -> Iterator[dict[str, Any]]:
        """Yield every entry of every import of the study, in the order of import, where it stands after all corrections."""
        folder = self._root / study / "manifests"
        moved = self._corrections(study)
        for path in sorted(folder.glob("*.jsonl"), key=lambda path: (len(path.name), path.name)):
            batch = int(path.stem.rpartition("-")[2])
            with path.open(encoding="utf-8") as lines:
                for line in lines:
                    entry = json.loads(line)
                    place = place_now(batch, Place(entry["exam"], entry["series"]), moved)
                    yield entry | place._asdict()

    def _corrections(self, study: str) -> list[Moved]:
        """Return all corrections in the order in which they were made."""
        found = []
        for path in sorted((self._root / study / "corrections").glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                one = json.loads(line)
                found.append(Moved(tuple(one["batches"]), Place(**one["was"]), Place(**one["now"])))
        return found

    def _correction(self, study: str, name: str) -> Path:
        return self._root / study / "corrections" / f"{name}.jsonl"

    def capacity(self) -> os.statvfs_result:
        """Return the size and free space of the filesystem the store lies on."""
        try:
            return os.statvfs(self._root)
        except OSError as error:
            raise Unavailable(f"the store cannot be read: {os.strerror(error.errno or 0)}") from None

    def _object(self, study: str, digest: bytes) -> Path:
        return object_path(self._root / study, digest)


def object_path(study_folder: Path, digest: bytes) -> Path:
    """Return where an object lies: two hexadecimal digits of fan-out keep a folder of a large study at some hundred names."""
    name = digest.hex()
    return study_folder / "objects" / name[:2] / name


def _is_there(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


class Deposit:
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
        with durable.translated("the store cannot be written"):
            return durable.create_file(self._folder / str(self._count))

    def add(self, file: BufferedRandom) -> StoredObject:
        """Close a file made by `new`, take its digest, and let it wait for `settle`.

        Raises:
            OutOfSpace, Unavailable: the disk refused; the file is discarded.
        """
        with durable.translated("the store cannot be written"):
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

        An object that is there already, with its size, stays as it is.

        Raises:
            OutOfSpace, Unavailable: the disk refused; nothing was acknowledged, and it can be called again or the same import
                be begun again.
        """
        if not self._waiting:
            return
        with durable.translated("the store cannot be written"):
            durable.sync_filesystem(self._folder)
            for temporary, stored in self._waiting:
                target = object_path(self._study, stored.digest)
                if _is_there(target, stored.size):
                    temporary.unlink(missing_ok=True)
                    continue
                if not target.parent.is_dir():
                    target.parent.mkdir(mode=0o700, exist_ok=True)
                temporary.replace(target)
            durable.sync_filesystem(self._folder)
        self._waiting.clear()

    def close(self) -> None:
        """Remove what was not settled."""
        shutil.rmtree(self._folder, ignore_errors=True)
