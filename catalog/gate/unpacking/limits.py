"""How much may come out of an archive, and under which names. Every refusal says what to do instead."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from catalog.pure.errors import Unreadable

CHUNK = 1 << 20
_JUNK = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_JUNK_FOLDERS = frozenset({"__MACOSX"})
_DEEPEST = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """What one archive may hold, with all archives in it. The ratio counts from `free_bytes` on: what is small harms nobody."""

    files: int = 50_000
    bytes: int = 256 << 30
    ratio: int = 200
    free_bytes: int = 1 << 30
    depth: int = 3
    index_bytes: int = 64 << 20


@dataclass(slots=True)
class Spent:
    """What came out of an archive, and of all archives in it, until now."""

    files: int = 0
    bytes: int = 0


class Quota(Protocol):
    """How much may wait at the gate (`catalog.gate.drops.quota`)."""

    def left(self, user: int | None) -> int | None:
        """Return how many more bytes a user may bring, a scanner if `user` is None; None for any number."""
        ...

    def forget(self, batch: int) -> None:
        """Take note that a batch has more bytes by now."""
        ...


def _no_quota() -> int | None:
    return None


@dataclass(slots=True)
class Budget:
    """What may still come out of one archive.

    Args:
        limits: what it may hold.
        packed: the bytes of the outermost archive that it lies in, or its own.
        before: what came out of that one already; counted on in `now`.
        left: called before bytes are written; returns how many more the quota of who brought them takes, None for any number.
    """

    limits: Limits
    packed: int
    before: Spent = field(default_factory=Spent)
    left: Callable[[], int | None] = _no_quota
    now: Spent = field(default_factory=Spent)

    def file(self) -> None:
        """Count a file.

        Raises:
            Unreadable: there are too many.
        """
        self.now.files += 1
        if self.before.files + self.now.files > self.limits.files:
            raise Unreadable(f"the archive holds more than {self.limits.files} files; bring them in several, or unpacked")

    def spend(self, count: int) -> None:
        """Count bytes that came out.

        Raises:
            Unreadable: there are too many.
        """
        self.now.bytes += count
        most = min(self.limits.bytes, max(self.limits.free_bytes, self.packed * self.limits.ratio))
        if self.before.bytes + self.now.bytes > most:
            raise Unreadable(
                f"the archive unpacks to more than {most >> 20} MiB, which is too much for its size; bring its files unpacked"
            )
        left = self.left()
        if left is not None and self.now.bytes > left:
            raise Unreadable(
                "the archive unpacks to more than the quota of the staging folder leaves; remove files, or wait until batches "
                "are decided, and check the batch again"
            )


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: its name in it, and its bytes, to be read before the next member is asked for."""

    name: str
    chunks: Iterator[bytes]


def member_name(raw: str) -> str | None:
    """Return a member's name with its folders; None for what operating systems leave behind.

    Raises:
        Unreadable: the name leads out of the archive, or is none, or lies in too many folders.
    """
    parts = [part for part in raw.replace("\\", "/").split("/") if part not in {"", "."}]
    leads_out = raw.startswith(("/", "\\")) or ".." in parts or (parts and parts[0][1:2] == ":")
    if leads_out or not parts or "\0" in raw or any(len(part.encode("utf-8", "surrogateescape")) > 255 for part in parts):
        raise Unreadable(
            "the archive holds a name that leads out of it or cannot be a file's; pack it again, or bring its files"
        )
    if len(parts) > _DEEPEST:
        raise Unreadable(f"the archive holds folders that are nested more than {_DEEPEST} deep; bring its files unpacked")
    if parts[-1] in _JUNK or not _JUNK_FOLDERS.isdisjoint(parts):
        return None
    return "/".join(parts)


def chunks(file: BinaryIO, budget: Budget) -> Iterator[bytes]:
    """Yield a member's bytes as they come out, each counted before it is handed on."""
    while chunk := file.read(CHUNK):
        budget.spend(len(chunk))
        yield chunk
