"""Tar files, plain or compressed. What a header says of sizes is not believed beyond what is read in small steps."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, Self, cast

from catalog.gate.unpacking import streams
from catalog.gate.unpacking.limits import CHUNK, Budget, Member, member_name
from catalog.pure.errors import Unreadable

_MAGIC_AT, _MAGIC = 257, b"ustar"
_BLOCK = 512
_LARGEST_HEADER = 16 * CHUNK
_BROKEN = "the tar file is broken or cut off; bring it again, or its files unpacked"


def is_tar(path: Path) -> bool:
    """Whether a file begins like a tar file, or unpacks to what does.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = streams.unpacked(file).read(_BLOCK)
    except streams.BROKEN:
        return False
    return head[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC


def members(path: Path, budget: Budget) -> Iterator[Member]:
    """Yield the files of a tar file.

    Raises:
        Unreadable: it is broken, or holds what cannot be taken; the reason is for its owner.
    """
    try:
        with path.open("rb") as file, _Steps(streams.unpacked(file), budget) as steps, steps.opened() as archive:
            for info in archive:
                if info.isdir():
                    continue
                budget.file()
                if not info.isreg() or info.issparse():
                    raise Unreadable("the tar file holds a link, a device or a file with holes; bring the files themselves")
                name = member_name(info.name)
                content = archive.extractfile(info)
                if name is not None and content is not None:
                    yield Member(name, _whole(content, info.size))
    except (tarfile.TarError, *streams.BROKEN):
        raise Unreadable(_BROKEN) from None


def _whole(content: IO[bytes], size: int) -> Iterator[bytes]:
    try:
        while chunk := content.read(CHUNK):
            size -= len(chunk)
            yield chunk
    except (tarfile.TarError, *streams.BROKEN):
        raise Unreadable(_BROKEN) from None
    if size > 0:
        raise Unreadable(_BROKEN)


class _Steps:
    """A file that is read in small steps only: what `tarfile` asks for at once it keeps in memory.

    All that is read is counted, also what lies between files.
    """

    def __init__(self, file: BinaryIO, budget: Budget) -> None:
        self._file = file
        self._budget = budget

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def opened(self) -> tarfile.TarFile:
        return tarfile.open(fileobj=cast("BinaryIO", self), mode="r:")

    def read(self, count: int) -> bytes:
        if not 0 <= count <= _LARGEST_HEADER:
            raise Unreadable(_BROKEN)
        found = self._file.read(count)
        self._budget.spend(len(found))
        return found

    def seek(self, offset: int) -> int:
        ahead = offset - self._file.tell()
        while ahead > 0 and (skipped := len(self.read(min(ahead, CHUNK)))):
            ahead -= skipped
        return self._file.seek(offset) if ahead <= 0 else self._file.tell()

    def tell(self) -> int:
        return self._file.tell()
