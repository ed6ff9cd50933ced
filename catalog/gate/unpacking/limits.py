"""How much may come out of an archive, and under which names. Every refusal says what to do instead."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from catalog.pure.errors import Unreadable

CHUNK = 1 << 20
_JUNK = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_JUNK_FOLDERS = frozenset({"__MACOSX"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one archive may hold. The ratio counts from `free_bytes` on: what is small harms nobody."""

    files: int = 50_000
    bytes: int = 256 << 30
    ratio: int = 200
    free_bytes: int = 1 << 30
    depth: int = 3
    index_bytes: int = 64 << 20


class Budget:
    """What may still come out of one archive of `packed` bytes."""

    def __init__(self, limits: Limits, packed: int) -> None:
        self._limits = limits
        self._most = min(limits.bytes, max(limits.free_bytes, packed * limits.ratio))
        self._files = 0
        self._bytes = 0

    def file(self) -> None:
        """Count a file.

        Raises:
            Unreadable: there are too many.
        """
        self._files += 1
        if self._files > self._limits.files:
            raise Unreadable(f"the archive holds more than {self._limits.files} files; bring them in several, or unpacked")

    def spend(self, count: int) -> None:
        """Count bytes that came out.

        Raises:
            Unreadable: there are too many.
        """
        self._bytes += count
        if self._bytes > self._most:
            raise Unreadable(
                f"the archive unpacks to more than {self._most >> 20} MiB, which is too much for its size; "
                "bring its files unpacked"
            )


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: its name in it, and its bytes, to be read before the next member is asked for."""

    name: str
    chunks: Iterator[bytes]


def member_name(raw: str) -> str | None:
    """Return a member's name with its folders; None for what operating systems leave behind.

    Raises:
        Unreadable: the name leads out of the archive, or is none.
    """
    parts = [part for part in raw.replace("\\", "/").split("/") if part not in {"", "."}]
    leads_out = raw.startswith(("/", "\\")) or ".." in parts or (parts and parts[0][1:2] == ":")
    if leads_out or not parts or "\0" in raw or any(len(part.encode("utf-8", "surrogateescape")) > 255 for part in parts):
        raise Unreadable(
            "the archive holds a name that leads out of it or cannot be a file's; pack it again, or bring its files"
        )
    if parts[-1] in _JUNK or not _JUNK_FOLDERS.isdisjoint(parts):
        return None
    return "/".join(parts)


def chunks(file: BinaryIO, budget: Budget) -> Iterator[bytes]:
    """Yield a member's bytes as they come out, each counted before it is handed on."""
    while chunk := file.read(CHUNK):
        budget.spend(len(chunk))
        yield chunk
