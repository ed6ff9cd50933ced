"""A gzip file of something that a handler knows: unpacked, cleaned, and packed anew without name, comment and time."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from deid.errors import Held, Unreadable
from deid.formats.base import Context, Work, mapped

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from deid.formats.base import Handler
    from deid.report import Report

_GZIP = b"\x1f\x8b"
_LARGEST = 1 << 30


class Gzip:
    """Cleans what is packed. Asked last: formats that are packed as a rule have handlers of their own.

    `handler_of` gives the handler of what was unpacked.
    """

    def __init__(self, handler_of: Callable[[Path], Handler | None]) -> None:
        self._handler_of = handler_of

    def recognise(self, head: bytes, source: Path) -> bool:
        """By the signature."""
        return head.startswith(_GZIP)

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one file. What it unpacks to is written to no disk."""
        with os.fdopen(os.memfd_create("packed"), "wb") as stream:
            _unpack(mapped(source), stream)
            inner = Path(f"/proc/self/fd/{stream.fileno()}")
            handler = self._handler_of(inner)
            if handler is None or isinstance(handler, Gzip):
                raise Unreadable("a packed file of an unknown type: unpack it")
            clean = io.BytesIO()
            report = handler.clean(inner, clean, context)
        work = Work(context)
        work.keep(memoryview(zlib.compress(clean.getvalue(), 6, wbits=31)))
        packed = work.finish(target, report.ending + ".gz", dict(report.headers))
        return type(report)(packed.headers, (*report.actions, *packed.actions), report.engine, packed.ending)


def _unpack(data: memoryview, stream: BinaryIO) -> None:
    at = total = 0
    try:
        while at < len(data):
            unpacker = zlib.decompressobj(wbits=31)
            plain = unpacker.decompress(data[at:], _LARGEST - total)
            stream.write(plain)
            total += len(plain)
            if not unpacker.eof:
                raise Held("a packed file that is cut short, or too large to look through: unpack it")
            at = len(data) - len(unpacker.unused_data)
            if unpacker.unused_data[:2] != _GZIP:
                break
    except zlib.error:
        raise Unreadable("a damaged gzip file") from None
    stream.flush()
