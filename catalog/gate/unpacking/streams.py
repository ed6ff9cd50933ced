"""Compressed streams, read in steps and with bounded memory: gzip, bzip2, xz. What is in them is others' business."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol, cast

_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"
_LONGEST_MARK = len(_XZ)
_STEP = 1 << 16
_MOST_MEMORY = 128 << 20  # what `xz -9` needs to unpack is half of it; a header may ask for 4 GiB

BROKEN = (zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile, ValueError)
"""What reading raises at damage."""


class _Unpacks(Protocol):
    """A decompressor of the standard library."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def unpacked(file: BinaryIO) -> BinaryIO:
    """Return a file that is open at its beginning, or what it unpacks to if it is compressed.

    Closing what is returned closes the file. Reading raises one of `BROKEN` where it is damaged.
    """
    mark = file.read(_LONGEST_MARK)
    file.seek(0)
    if mark.startswith(_GZIP):
        return cast("BinaryIO", _Gzip(fileobj=file))
    if mark.startswith(_BZIP2):
        return cast("BinaryIO", _Stream(file, bz2.BZ2Decompressor))
    if mark == _XZ:
        return cast("BinaryIO", _Stream(file, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY)))
    return file


class _Gzip(gzip.GzipFile):
    """Gzip that closes the file it was given."""

    def __init__(self, fileobj: BinaryIO) -> None:
        super().__init__(fileobj=fileobj)
        self._given = fileobj

    def close(self) -> None:
        super().close()
        self._given.close()


class _Stream:
    """One compressed stream after the other; goes forward only."""

    def __init__(self, file: BinaryIO, begin: Callable[[], _Unpacks]) -> None:
        self._file = file
        self._begin = begin
        self._unpacks = begin()
        self._at = 0

    def read(self, count: int) -> bytes:
        found = io.BytesIO()
        while found.tell() < count and (some := self._step(count - found.tell())):
            found.write(some)
        self._at += found.tell()
        return found.getvalue()

    def _step(self, most: int) -> bytes:
        """Return some more bytes, none at the end."""
        while True:
            packed = b""
            if self._unpacks.eof:
                packed = self._unpacks.unused_data or self._file.read(_STEP)
                if not packed.strip(b"\0"):
                    return b""  # padding
                self._unpacks = self._begin()
            elif self._unpacks.needs_input and not (packed := self._file.read(_STEP)):
                raise EOFError
            try:
                if some := self._unpacks.decompress(packed, most):
                    return some
            except OSError:  # what bzip2 calls damage
                raise ValueError("the stream is damaged") from None

    def seek(self, offset: int) -> int:
        if offset != self._at:
            raise ValueError("a stream cannot go back")
        return offset

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        self._file.close()
