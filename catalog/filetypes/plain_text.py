"""Looks into files that are no picture: as text. What can be read of a header, a tree of names, or of bytes as they are."""

import re
from collections.abc import Iterable
from typing import BinaryIO

from catalog.filetypes.model import Preview

MOST_CHARACTERS = 64_000
_STRING = re.compile(rb"[\x20-\x7e]{6,}")
_MOST_STRINGS = 400
_READ = 1 << 20
_DUMPED, _ROW = 512, 16


def text_preview(lines: Iterable[str]) -> Preview:
    """Return lines as a look into a file, cut off where they are too many."""
    shown: list[str] = []
    left = MOST_CHARACTERS
    for line in lines:
        plain = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line)
        if len(plain) > left:
            shown.append("… and more")
            break
        left -= len(plain) + 1
        shown.append(plain)
    return Preview("text/plain; charset=utf-8", "\n".join(shown).encode())


def head_preview(file: BinaryIO) -> Preview | None:
    """Return the text that a file begins with, up to its first byte that is none; None if it does not begin with text."""
    head = file.read(MOST_CHARACTERS)
    end = re.search(rb"[^\x09\x0a\x0c\x0d\x20-\xff]", head)
    text = head[: end.start()] if end else head
    if len(text) < _ROW:
        return None
    return text_preview(text.decode("utf-8", "replace").splitlines())


def bytes_preview(file: BinaryIO, what: str) -> Preview:
    """Return what a person can read in any file at all: its size, its first bytes, and the strings in its first MiB.

    Args:
        file: open at its beginning.
        what: what the file is, for the first line.
    """
    data = file.read(_READ)
    size = file.seek(0, 2)
    return text_preview([f"{what}: {size:,} bytes", "", "First bytes", *_dump(data), "", "Text in it", *_strings(data)])


def _dump(data: bytes) -> Iterable[str]:
    for at in range(0, min(len(data), _DUMPED), _ROW):
        row = data[at : at + _ROW]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{at:06x}  {row.hex(' '):<{3 * _ROW}} {shown}"


def _strings(data: bytes) -> Iterable[str]:
    found = [match[0].decode("ascii") for match, _ in zip(_STRING.finditer(data), range(_MOST_STRINGS), strict=False)]
    return found or ["none"]
