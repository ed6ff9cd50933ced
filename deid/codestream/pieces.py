"""What a walk over a codestream gives: the pieces that stay, and what was taken out. No format is known here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

Piece = bytes | memoryview
_TAIL = 4096
_TEXT = re.compile(rb"[A-Za-z0-9 ^.,:;/_\-=']{18,}")
_FEWEST_SIGNS = 8


class Malformed(Exception):
    """A stream that is not built as its format says, so that nobody can tell picture and text apart. Quotes nothing of it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Size(NamedTuple):
    """How large one frame is, for the formats whose streams do not say so themselves.

    `pixels` of a frame, `pixel_bytes` of one pixel over all its samples, `native` bytes of the frame uncompressed.
    """

    pixels: int
    pixel_bytes: int
    native: int


class Removed(NamedTuple):
    """Something that was no picture. `what`: its place in words of the format, such as ``COM``."""

    what: str
    data: bytes


class Stream:
    """A codestream being walked: what is kept is copied as whole spans, everything else is listed in `removed`."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.removed: list[Removed] = []
        self._searched: list[Piece] = []
        self._search: tuple[int, int] = (0, 0)
        self._pieces: list[Piece] = []
        self._open: tuple[int, int] | None = None
        self._rewritten = False

    @property
    def changed(self) -> bool:
        """Whether the result differs from the original."""
        return self._rewritten or bool(self.removed)

    @property
    def pieces(self) -> Sequence[Piece]:
        """The clean stream."""
        self._close()
        return self._pieces

    @property
    def searched(self) -> Sequence[Piece]:
        """What of the result has room for text: all but the samples, and of these what lies behind their last one."""
        self._end_search()
        return self._searched

    def clean(self) -> bytes:
        """The clean stream as one."""
        return b"".join(self.pieces)

    def keep(self, start: int, end: int, *, samples: bool = False) -> None:
        """Keep a span as it is. `samples`: a decoder reads it, and does not say where it has enough."""
        if start == end:
            return
        begin = max(start, end - _TAIL) if samples else start
        if self._search[1] == begin:
            self._search = (self._search[0], end)
        else:
            self._end_search()
            self._search = (begin, end)
        if self._open is not None and self._open[1] == start:
            self._open = (self._open[0], end)
        else:
            self._close()
            self._open = (start, end)

    def keep_coded(self, start: int, end: int) -> None:
        """Keep samples that are packed so well that no text comes out by chance: a text behind them was put there.

        Raises:
            Malformed: there is one. By chance it happens once in three million runs of samples.
        """
        for found in _TEXT.finditer(self.data, max(start, end - _TAIL), end):
            if len(set(found[0])) >= _FEWEST_SIGNS:  # even areas give the same few bytes again and again
                raise Malformed("something like a text lies behind the samples of a frame")
        self.keep(start, end, samples=True)

    def drop(self, what: str, start: int, end: int) -> None:
        """Leave a span out. Zeros say nothing: they go without a word, or stay if all else does."""
        old = bytes(self.data[start:end])
        if old.strip(b"\0"):
            self.removed.append(Removed(what, old))

    def write(self, what: str, start: int, end: int, new: bytes) -> None:
        """Put `new` in the place of a span."""
        if self.data[start:end] == new:
            self.keep(start, end)
            return
        self.replace(start, end, new)
        if bytes(self.data[start:end]).strip(b"\0"):
            self.note(what, start, end)

    def replace(self, start: int, end: int, new: bytes) -> None:
        """Put `new` in the place of a span whose removed parts are reported one by one, with `note`."""
        if self.data[start:end] == new:
            self.keep(start, end, samples=True)
            return
        self._close()
        self._pieces.append(new)
        self._searched.append(new[-_TAIL:])
        self._rewritten = True

    def take(self, inner: Stream) -> None:
        """Tell of what was found in a part of this stream that was walked on its own."""
        self.removed += inner.removed
        self._searched += inner.searched

    def note(self, what: str, start: int, end: int) -> None:
        """Tell of a removed part of a span that `replace` writes anew."""
        self.removed.append(Removed(what, bytes(self.data[start:end])))

    def end(self, at: int) -> None:
        """The picture ends here: what follows goes, but zeros, which are padding (PS3.5 A.4)."""
        self.drop("bytes behind the picture", at, len(self.data))
        self._close()

    def _end_search(self) -> None:
        start, end = self._search
        if start < end:
            self._searched.append(self.data[start:end])
        self._search = (end, end)

    def _close(self) -> None:
        if self._open is not None:
            self._pieces.append(self.data[self._open[0] : self._open[1]])
            self._open = None
