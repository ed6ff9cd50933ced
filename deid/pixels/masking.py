"""Blanking the frames of one file, one after the other: native ones as they stream by, compressed ones through `codec`.

Only pixels move here: which of them go is decided in `plan`. Compressed results wait in a spool until the whole file has been
through, because a frame that fails must leave nothing written.
"""

from __future__ import annotations

import io
import tempfile
from typing import TYPE_CHECKING

import numpy as np
from pydicom.encaps import generate_frames

from deid import codestream
from deid.codestream import Size
from deid.engine.nodes import UNDEFINED
from deid.pixels import geometry
from deid.pixels.codec import Codec
from deid.pixels.picture import Unfit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deid.pixels.geometry import Mask
    from deid.pixels.picture import Picture

_SPOOLED = 1 << 25
_COPIED = 1 << 20
_ITEM = b"\xfe\xff\x00\xe0"


class Native:
    """Native pixel data. Nothing is computed before it is asked for. `swapped`: bytes that lie in big-endian words."""

    def __init__(self, data: memoryview, picture: Picture, blank: Mask, *, swapped: bool = False) -> None:
        whole = picture.frames * picture.frame_bytes
        if len(data) < whole:
            raise Unfit("it holds fewer pixels than it says")
        data = data[: whole + whole % 2]  # behind them lies what is no picture
        self._data = memoryview(_swapped(data)) if swapped else data
        self._swap = swapped
        self._picture = picture
        self._blank = geometry.paired(blank) if picture.photometric == "YBR_FULL_422" else blank

    def chunks(self) -> Iterator[bytes]:
        """Frame by frame; what follows the last is no pixel and becomes zeros."""
        size, frames = self._picture.frame_bytes, self._picture.frames
        pieces = (self._frame(self._data[n * size : (n + 1) * size]) for n in range(frames))
        tail = bytes(len(self._data) - frames * size)
        if self._swap:
            yield _swapped(b"".join((*pieces, tail)))
        else:
            yield from pieces
            yield tail

    def _frame(self, data: memoryview) -> bytes:
        picture = self._picture
        pixels = np.frombuffer(data, picture.dtype).copy()
        rows, columns, black = picture.rows, picture.columns, picture.black
        if picture.photometric == "YBR_FULL_422":
            pixels.reshape(rows, columns // 2, 4)[self._blank[:, ::2]] = (black[0], *black)
        elif picture.samples == 1:
            pixels.reshape(rows, columns)[self._blank] = black[0]
        elif picture.planar:
            pixels.reshape(picture.samples, rows, columns)[:, self._blank] = np.array(black)[:, None]
        else:
            pixels.reshape(rows, columns, picture.samples)[self._blank] = black
        return pixels.tobytes()

    @property
    def length(self) -> int:
        """What the element says of its length: the bytes of all chunks."""
        return len(self._data)

    def close(self) -> None:
        """Nothing is held."""


def _swapped(data: memoryview | bytes) -> bytes:
    """Bytes that were written as 16-bit words of the other order."""
    return np.frombuffer(data, "u2").byteswap().tobytes()


class Encapsulated:
    """Compressed pixel data, masked when this is made. `syntax` and `photometric` are those of the result."""

    def __init__(self, data: memoryview, syntax: str, picture: Picture, blank: Mask) -> None:
        codec = Codec(syntax, picture)
        pixels, width = picture.rows * picture.columns, picture.samples * picture.allocated // 8
        size = Size(pixels, width, pixels * width)
        self._offsets: list[int] = []
        self._spool = tempfile.SpooledTemporaryFile(_SPOOLED)  # noqa: SIM115  closed by `close`
        try:
            for frame in _frames(data, picture.frames):
                masked = memoryview(codec.mask(frame, blank))
                packed = codestream.strip(codec.syntax, masked, size).clean()  # encoders sign what they make
                self._offsets.append(self._spool.tell())
                self._spool.write(_ITEM + (len(packed) + len(packed) % 2).to_bytes(4, "little"))
                self._spool.write(packed + b"\0" * (len(packed) % 2))
            if len(self._offsets) != picture.frames:
                raise Unfit("it holds more or fewer frames than it says")
        except BaseException:
            self.close()
            raise
        self.syntax = codec.syntax
        self.photometric = codec.photometric

    def chunks(self) -> Iterator[bytes]:
        """The offset table, then one fragment a frame (PS3.5 A.4)."""
        table = b"".join(offset.to_bytes(4, "little") for offset in self._offsets) if self._offsets[-1] < 1 << 32 else b""
        yield _ITEM + len(table).to_bytes(4, "little") + table
        self._spool.seek(0)
        while chunk := self._spool.read(_COPIED):
            yield chunk

    @property
    def length(self) -> int:
        """What the element says of its length: nothing (PS3.5 A.4)."""
        return UNDEFINED

    def close(self) -> None:
        """Drop the spool."""
        self._spool.close()


class _Reader(io.RawIOBase):
    """A memory view as a file, so that a large mapped file is not copied to be cut into frames."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # the base's type is wider than is ever given
        piece = self._data[self._at : self._at + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence])
        return self._at

    def tell(self) -> int:
        return self._at


def _frames(data: memoryview, count: int) -> Iterator[bytes]:
    """The compressed frames of encapsulated pixel data."""
    with io.BufferedReader(_Reader(data)) as stream:
        frames = generate_frames(stream, number_of_frames=count)
        while True:
            try:
                frame = next(frames, None)
            except Exception as error:  # noqa: BLE001  pydicom finds fault in many ways
                raise Unfit(f"its compressed frames cannot be told apart ({type(error).__name__})") from None
            if frame is None:
                return
            yield frame
