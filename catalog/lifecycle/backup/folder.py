"""The folder of a backup.

    archimed-backup.json   whose it is, how old, and how far it has come; written last (`About`)
    catalog/<time>.db      snapshots of the catalogue, SQLite; `<time>.dump`: PostgreSQL, made by pg_dump
    store/<study>/...      objects and records, as in a store
    audit/...              closed years of the audit
    staging/...            what waited at the gate, only if it was asked for: it holds identities

May live here: names, and what the JSON holds. Not: what is copied into it.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from catalog import durable
from catalog.pure.errors import Conflict, Damaged, Refused
from catalog.pure.generation import Mark

_ABOUT = "archimed-backup.json"
_OWNER = ".archimed-backup"
_FORMAT = 1
_NO_WRITING = "the backup's folder cannot be written"
_NO_READING = "the backup's folder cannot be read"


@dataclass(frozen=True, slots=True)
class About:
    """What a complete backup says of itself.

    `began` and `ended` are seconds since 1970 UTC, `catalogue` the newest snapshot's name, `newest_file` the highest row of a
    file whose object was copied or is in `not_copied`: study, digest in hexadecimal digits, size.
    """

    mark: Mark
    began: int
    ended: int
    catalogue: str
    newest_file: int
    with_staging: bool
    not_copied: tuple[tuple[str, str, int], ...] = ()


class BackupFolder:
    """A backup's folder.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def catalogues(self) -> Path:
        """The folder of snapshots of the catalogue."""
        return self.path / "catalog"

    @property
    def audit(self) -> Path:
        """The folder of closed years of the audit."""
        return self.path / "audit"

    @property
    def staging(self) -> Path:
        """The folder of what waited at the gate."""
        return self.path / "staging"

    def is_marked(self) -> bool:
        """Whether a backup was ever begun here: else its disk may be away."""
        with durable.translated(_NO_READING):
            return self._owner() is not None

    def prepare(self, archive: str, inside: Sequence[Path]) -> None:
        """Make it ready for a backup of an archive, as `claim` does, with its own folders.

        Raises:
            Refused, OutOfSpace, Unavailable: as `claim`.
        """
        self.claim(archive, inside)
        with durable.translated(_NO_WRITING):
            durable.make_folder(self.catalogues)
            durable.make_folder(self.path / "store")

    def claim(self, archive: str, inside: Sequence[Path]) -> None:
        """Mark it as an archive's own for backups; harmless when it is.

        Args:
            archive: the archive's id.
            inside: the archive's own folders, which it must not lie in.

        Raises:
            Refused: it holds something else, or another archive's backup, or is part of the archive.
            OutOfSpace, Unavailable: the disk refused.
        """
        own = self.path.resolve()
        if any(own.is_relative_to(folder.resolve()) for folder in inside):
            raise Refused(f"{self.path} lies inside the archive's own folders; a backup belongs on another disk")
        with durable.translated(_NO_WRITING):
            if self.path.exists() and not self.path.is_dir():
                raise Refused(f"{self.path} is no folder")
            durable.make_folder(self.path)
            owner = self._owner()
            if owner is None:
                # `lost+found` is all that a new disk has.
                if {entry.name for entry in self.path.iterdir()} - {"lost+found"}:
                    raise Refused(f"{self.path} is not empty and no backup of an archive; name an empty folder")
                durable.write_file(self.path / _OWNER, [archive.encode(), b"\n"])
            elif owner != archive:
                raise Refused(f"{self.path} has the backup of another archive; name another folder")
            self.path.chmod(0o700)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep it for this process alone.

        Raises:
            Conflict: another has it.
        """
        with durable.translated(_NO_WRITING):
            fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(f"a backup into {self.path} runs, or is read, already; wait for it") from None
            yield
        finally:
            os.close(fd)

    def about(self) -> About | None:
        """Return what the newest complete backup in it was; None if there is none.

        Raises:
            Damaged: that cannot be read.
            Unavailable: the disk does not answer.
        """
        with durable.translated(_NO_READING):
            try:
                found = json.loads((self.path / _ABOUT).read_bytes())
                if found.pop("format") != _FORMAT:
                    raise Refused(f"{self.path} was made by a newer version of this program; install that one")
                not_copied = tuple((study, digest, size) for study, digest, size in found.pop("not_copied"))
                return About(Mark(**found.pop("mark")), not_copied=not_copied, **found)
            except FileNotFoundError:
                return None
            except (ValueError, TypeError, KeyError, AttributeError):
                raise Damaged(
                    f"{self.path / _ABOUT} is damaged; make a backup into another folder, this one can be read by hand"
                ) from None

    def require(self) -> About:
        """Return what the newest complete backup in it was.

        Raises:
            Refused: there is none.
            Damaged: that cannot be read.
        """
        about = self.about()
        if about is None:
            raise Refused(f"there is no complete backup in {self.path}")
        if not (self.catalogues / about.catalogue).is_file():
            raise Damaged(f"the catalogue {about.catalogue} is missing from the backup in {self.path}")
        return about

    def complete(self, about: About) -> None:
        """Say that a backup is complete.

        Raises:
            OutOfSpace, Unavailable: the disk refused.
        """
        with durable.translated(_NO_WRITING):
            text = json.dumps({"format": _FORMAT, **asdict(about)}, indent=1)
            durable.write_file(self.path / _ABOUT, [text.encode(), b"\n"], mode=0o600)

    def forget_catalogues(self, keep: int) -> None:
        """Remove snapshots of the catalogue, but for the newest, and what a backup that died left of one."""
        with durable.translated(_NO_WRITING):
            snapshots = sorted(path for path in self.catalogues.iterdir() if not path.name.startswith("."))
            for path in [*snapshots[:-keep], *self.catalogues.glob(".*")]:
                path.unlink(missing_ok=True)

    def _owner(self) -> str | None:
        with suppress(FileNotFoundError):
            return (self.path / _OWNER).read_text().strip()
        return None
