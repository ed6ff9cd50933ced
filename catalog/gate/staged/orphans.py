"""What staging holds and the catalogue does not know: set aside with a reason, never erased at once (docs/laws.md, law 12).

    <staging>/orphans/<id>/about.json   why it was set aside, when, and where it was meant for
    <staging>/orphans/<id>/files/...    the files, under the names they had in staging

A file without a row may be one that was never acknowledged, or one whose row went with an older catalogue: nobody can tell, so
a person decides. May live here: bytes and their reasons. Not: which files are unknown; `catalog/gate/sweep.py` asks that.
"""

import json
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from catalog import clock, durable
from catalog.pure.errors import NotFound, Unavailable

_ABOUT = "about.json"
_FILES = "files"
_ID_BYTES = 4


class Kind(StrEnum):
    """What an orphan was before."""

    RECEIVED = "received"
    DROPPED = "dropped"
    UPLOAD = "upload"

    @property
    def reason(self) -> str:
        """Why such files are set aside, as a sentence for people."""
        return _REASONS[self]


_REASONS = {
    Kind.RECEIVED: "received, but no batch has it: the sender was never told that it arrived, or the catalogue is older",
    Kind.DROPPED: "put into a folder of staging that no batch has: its making was cut short, or the catalogue is older",
    Kind.UPLOAD: "an upload in pieces to which nothing was added for a week",
}


@dataclass(frozen=True, slots=True)
class Orphan:
    """Files that were set aside.

    `found` is in seconds since 1970 UTC; `study` and `exam` are the codes it was meant for, '' if not known; `bytes` is the
    size of its `files` files.
    """

    id: str
    kind: Kind
    found: int
    study: str
    exam: str
    files: int
    bytes: int


class Orphans:
    """The folder of what was set aside.

    Args:
        folder: `<staging>/orphans`; made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def set_aside(self, kind: Kind, moves: Sequence[tuple[Path, str]], study: str = "", exam: str = "") -> str:
        """Move files or folders out of the way, durably; return the new orphan's id.

        Killed in the middle, what was moved is one orphan and the rest is found again.

        Args:
            kind: what they were.
            moves: each file or folder, on the same filesystem, and its name among the orphan's files; one that is gone is
                passed over.
            study: code of the study they were meant for.
            exam: code of the exam.

        Raises:
            OutOfSpace, Unavailable: the disk refused.
        """
        name = secrets.token_hex(_ID_BYTES)
        folder = self._folder / name
        with durable.translated("staged files cannot be set aside"):
            durable.make_folder(folder / _FILES)
            about = {"kind": kind, "found": clock.now(), "study": study, "exam": exam}
            durable.write_file(folder / _ABOUT, [json.dumps(about).encode()], mode=0o600)
            sources = set()
            for path, inside in moves:
                with suppress(FileNotFoundError):
                    path.rename(folder / _FILES / inside)
                    sources.add(path.parent)
            durable.sync_folder(folder / _FILES)
            for source in sources:
                with suppress(FileNotFoundError):
                    durable.sync_folder(source)
        return name

    def all(self) -> list[Orphan]:
        """Return what is set aside, oldest first.

        Raises:
            Unavailable: the disk does not answer.
        """
        with durable.translated("the staging folder cannot be read"):
            names = [path.name for path in self._folder.iterdir()] if self._folder.is_dir() else []
        found = []
        for name in names:
            with suppress(NotFound):  # taken up or erased in this moment
                found.append(self.find(name))
        return sorted(found, key=lambda orphan: (orphan.found, orphan.id))

    def find(self, name: str) -> Orphan:
        """Return one.

        Raises:
            NotFound: there is none of that id.
            Unavailable: what is written of it cannot be read.
        """
        folder = self._at(name)
        try:
            about = json.loads((folder / _ABOUT).read_bytes())
            sizes = [path.lstat().st_size for path in _files_below(folder / _FILES)]
            return Orphan(
                name, Kind(about["kind"]), about["found"], about["study"], about["exam"], files=len(sizes), bytes=sum(sizes)
            )
        except FileNotFoundError:
            raise NotFound(f"nothing of the id {name} is set aside; see `archimed staging orphans`") from None
        except (ValueError, KeyError, OSError):
            raise Unavailable(f"what was set aside as {name} cannot be read; look at the disk") from None

    def files(self, name: str) -> Path:
        """Return the folder in which an orphan's files lie.

        Raises:
            NotFound: there is none of that id.
        """
        self.find(name)
        return self._at(name) / _FILES

    def erase(self, name: str) -> None:
        """Erase one for good, durably.

        Raises:
            NotFound: there is none of that id.
            Unavailable: the disk refused.
        """
        self.find(name)
        with durable.translated("staged files cannot be erased"):
            # What it says of itself goes last: killed in between, it is still there to be erased.
            shutil.rmtree(self._at(name) / _FILES, ignore_errors=True)
            shutil.rmtree(self._at(name))
            durable.sync_folder(self._folder)

    def erase_older(self, before: int) -> list[str]:
        """Erase for good what was set aside before a time in seconds since 1970 UTC; return the ids."""
        old = [orphan.id for orphan in self.all() if orphan.found < before]
        for name in old:
            self.erase(name)
        return old

    def _at(self, name: str) -> Path:
        if not name or len(name) != 2 * _ID_BYTES or set(name) - set("0123456789abcdef"):
            raise NotFound("nothing of that id is set aside; see `archimed staging orphans`")
        return self._folder / name


def record_of(orphan: Orphan) -> dict[str, object]:
    """Return what lists show of an orphan, as it stands in JSON."""
    return {**asdict(orphan), "kind": str(orphan.kind), "reason": orphan.kind.reason}


def _files_below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if not path.is_dir() or path.is_symlink():
            yield path
