"""multipart/related (RFC 2046, RFC 2387) as streams: memory stays at one piece, whatever comes or goes.

May live here: framing. Not: what the parts are.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from catalog.pure.errors import Invalid

MOST_PARTS = 20_000
_LONGEST_HEAD = 16 * 1024
_LONGEST_BOUNDARY = 70
_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Out:
    """A part that goes out: its media type, its size in bytes, and what yields them when its turn comes."""

    content_type: str
    size: int
    pieces: Callable[[], Iterable[bytes]]


class Written:
    """Parts that go out. Their size is known before the first byte, so that an answer that is cut short is noticed."""

    def __init__(self, kind: str, parts: Sequence[Out]) -> None:
        self._boundary = secrets.token_hex(16)
        self._parts = parts
        self._heads = [self._head(part) for part in parts]
        self._end = f"--{self._boundary}--\r\n".encode()
        self.content_type = f'multipart/related; type="{kind}"; boundary={self._boundary}'
        self.size = sum(len(head) + part.size + 2 for head, part in zip(self._heads, parts, strict=True)) + len(self._end)

    def _head(self, part: Out) -> bytes:
        return f"--{self._boundary}\r\nContent-Type: {part.content_type}\r\nContent-Length: {part.size}\r\n\r\n".encode()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body."""
        for head, part in zip(self._heads, self._parts, strict=True):
            yield head
            yield from part.pieces()
            yield b"\r\n"
        yield self._end


@dataclass(frozen=True, slots=True)
class In:
    """A part that comes in: its headers by their lower-case names, and its bytes, to be gone through before the next one."""

    headers: Mapping[str, str]
    pieces: Iterator[bytes]


class Reading:
    """A body that comes in, part by part.

    Args:
        read: returns up to so many bytes of the body, none at its end.
        boundary: as the Content-Type names it.

    Raises:
        Invalid: the boundary cannot be one.
    """

    def __init__(self, read: Callable[[int], bytes], boundary: str) -> None:
        if not 0 < len(boundary) <= _LONGEST_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
            raise Invalid("the body's Content-Type names no boundary")
        self._read = read
        self._mark = b"\r\n--" + boundary.encode()
        # So that the first boundary is found as all others.
        self._held = bytearray(b"\r\n")
        self._ended = False

    def parts(self) -> Iterator[In]:
        """Yield the parts.

        Raises:
            Invalid: the body is cut short, framed wrongly, or has too many parts.
        """
        for _ in self._until_mark():
            pass  # a preamble
        number = 0
        while self._goes_on():
            number += 1
            if number > MOST_PARTS:
                raise Invalid(f"the body has more than {MOST_PARTS} parts; send them in several requests")
            headers = self._headers()
            pieces = self._until_mark()
            yield In(headers, pieces)
            for _ in pieces:
                pass  # whoever did not want it all

    def _goes_on(self) -> bool:
        """Whether a part follows the boundary that was just passed."""
        self._need(2)
        if self._held[:2] == b"--":
            return False
        end = self._find(b"\r\n", 256)
        if self._held[:end].strip():
            raise Invalid("the body's parts are framed wrongly")
        # The line end stays: it may be that of the headers, too, where there are none.
        return True

    def _headers(self) -> Mapping[str, str]:
        end = self._find(b"\r\n\r\n", _LONGEST_HEAD)
        lines = bytes(self._held[:end]).decode("latin-1").split("\r\n")
        del self._held[: end + 4]
        pairs = (line.partition(":") for line in lines if line.strip())
        return {name.strip().lower(): value.strip() for name, _, value in pairs}

    def _until_mark(self) -> Iterator[bytes]:
        """Yield what stands before the next boundary, which is taken away with it."""
        while True:
            at = self._held.find(self._mark)
            if at >= 0:
                piece = bytes(self._held[:at])
                del self._held[: at + len(self._mark)]
                if piece:
                    yield piece
                return
            safe = len(self._held) - len(self._mark) + 1
            if safe > 0:
                piece = bytes(self._held[:safe])
                del self._held[:safe]
                yield piece
            self._more()

    def _find(self, what: bytes, within: int) -> int:
        while (at := self._held.find(what)) < 0 and len(self._held) <= within:
            self._more()
        if not 0 <= at <= within:
            raise Invalid("the head of a part does not end")
        return at

    def _need(self, count: int) -> None:
        while len(self._held) < count:
            self._more()

    def _more(self) -> None:
        piece = self._read(_PIECE)
        if not piece:
            raise Invalid("the body ends before its last boundary: it was cut short")
        self._held += piece
