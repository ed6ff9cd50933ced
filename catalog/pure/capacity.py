"""Size and free space of a place, as statvfs(3) counts them: in blocks and in files."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Capacity:
    """Size and free space, in blocks of `block` bytes and in files."""

    block: int
    blocks: int
    free: int
    available: int
    files: int
    free_files: int


class Filesystem(Protocol):
    """What statvfs(3) says."""

    @property
    def f_frsize(self) -> int: ...  # noqa: D102 - as statvfs(3) has it
    @property
    def f_blocks(self) -> int: ...  # noqa: D102
    @property
    def f_bfree(self) -> int: ...  # noqa: D102
    @property
    def f_bavail(self) -> int: ...  # noqa: D102
    @property
    def f_files(self) -> int: ...  # noqa: D102
    @property
    def f_favail(self) -> int: ...  # noqa: D102


def capacity(disk: Filesystem, limit: int | None = None, left: int | None = None) -> Capacity:
    """Return size and free space of a disk, or of a quota that leaves less.

    Args:
        disk: the disk.
        limit: the most bytes that the user can have; None without a quota.
        left: how many of them are left; None without a quota.
    """
    block = disk.f_frsize
    blocks, free, available = disk.f_blocks, disk.f_bfree, disk.f_bavail
    if limit is not None and left is not None:
        available = min(available, left // block)
        free = min(free, available)
        blocks = min(blocks, limit // block)
    return Capacity(block, blocks, free, available, disk.f_files, disk.f_favail)
