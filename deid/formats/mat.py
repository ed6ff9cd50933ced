"""MAT-files of MATLAB, version 5 (up to 7.2; 7.3 is `hdf5`): the header's text is made anew; a file with text in it is held.

Numbers say nothing of a person; strings, tables, objects and function handles may. So those need the profile's word, as
do names of variables and fields that are not plain terms. All else is passed byte for byte.
"""

from __future__ import annotations

import re
import struct
import zlib
from itertools import islice
from typing import TYPE_CHECKING

from deid.errors import Held, Unreadable
from deid.formats.base import Context, Work, mapped
from deid.rules.table import data_text
from deid.rules.vocabulary import allowed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_MAGIC = b"MATLAB 5.0 MAT-file"
_HEADER, _TEXT = 128, 116
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE, _LAST_NUMBERS = 1, 2, 3, 4, 5, 15
_LARGEST, _DEEPEST, _MOST_MEMBERS = 1 << 28, 32, 1 << 20
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_LONGEST_NUMBER = 4


def names() -> frozenset[str]:
    """Words that variables may be called by: data/variables.txt."""
    return frozenset(word for line in data_text("variables.txt").splitlines() if line[:1] != "#" for word in line.split())


class Mat:
    """Cleans MAT-files of version 5."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By the text every such file begins with, and the byte order mark."""
        return head.startswith(_MAGIC) and head[126:128] in (b"IM", b"MI")

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one file."""
        data, work = mapped(source), Work(context)
        order = "<" if bytes(data[126:128]) == b"IM" else ">"
        old = bytes(data[:_TEXT])
        work.note("header", "C", "header text", old)
        work.write("header", _MAGIC.ljust(_TEXT) + bytes(8) + bytes(data[124:128]))
        end = _HEADER
        vouched = context.attests("MAT")
        subsystem = bytes(data[_TEXT:124])
        if subsystem.strip(b" \0") and not vouched:
            raise Held("a MAT-file with objects: the profile must attest MAT for it", "subsystem")
        for kind, start, stop in _elements(data, _HEADER, order):
            if not vouched:
                _look(kind, data[start:stop], order)
            end = min(len(data), stop if kind == _COMPRESSED else stop + -(stop - start) % 8)
        work.keep(data[_HEADER:end])
        return work.finish(target, ".mat", {"FileType": "MAT"})


def _elements(data: memoryview, at: int, order: str) -> Iterator[tuple[int, int, int]]:
    """(type, start, end) of the data elements that follow each other."""
    while at < len(data):
        if at + 8 > len(data):
            raise Unreadable("a MAT-file cut short")
        kind, size = struct.unpack_from(order + "II", data, at)
        if kind >> 16:  # small element: its size is in the upper half
            yield kind & 0xFFFF, at + 4, at + 4 + min(kind >> 16, 4)
            at += 8
            continue
        start = at + 8
        if start + size > len(data):
            raise Unreadable("a MAT-file cut short within a variable")
        yield kind, start, start + size
        at = start + size + (0 if kind == _COMPRESSED else -size % 8)


def _look(kind: int, body: memoryview, order: str) -> None:
    """Hold what is no plain numbers."""
    if kind == _COMPRESSED:
        unpacker = zlib.decompressobj()
        try:
            inner = unpacker.decompress(body, _LARGEST)
        except zlib.error:
            raise Unreadable("a MAT-file with a damaged variable") from None
        if not unpacker.eof or unpacker.unused_data:
            raise Held("a MAT-file with a variable too large to look through: the profile must attest MAT for it")
        for inside, start, stop in _elements(memoryview(inner), 0, order):
            _look(inside, memoryview(inner)[start:stop], order)
    elif kind == _MATRIX:
        _matrix(body, order, 0)
    else:
        raise Held("a MAT-file with something that is no variable: the profile must attest MAT for it")


def _matrix(body: memoryview, order: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise Unreadable("a MAT-file nested too deep")
    if not body:
        return
    parts = list(islice(_elements(body, 0, order), _MOST_MEMBERS + 1))
    if len(parts) < 3 or parts[0][0] != _UINT32 or len(parts) > _MOST_MEMBERS:
        raise Unreadable("a MAT-file with a variable that cannot be")
    (flags,) = struct.unpack_from(order + "I", body, parts[0][1])
    kind = flags & 0xFF
    if kind in (_OBJECT, _CHAR) or not _CELL <= kind <= _LAST_NUMBERS:
        if kind == _CHAR and all(start == stop for _, start, stop in parts[3:]):
            return
        raise Held("a MAT-file with text or objects: the profile must attest MAT for it", "variable")
    _called(bytes(body[parts[2][1] : parts[2][2]]))
    members = parts[3:]
    if kind == _STRUCT:
        if len(parts) < 5 or parts[3][0] != _INT32 or parts[4][0] != _INT8:
            raise Unreadable("a MAT-file with a structure that cannot be")
        (width,) = struct.unpack_from(order + "i", body, parts[3][1])
        listed = bytes(body[parts[4][1] : parts[4][2]])
        for at in range(0, len(listed), max(width, 1)):
            _called(listed[at : at + max(width, 1)])
        members = parts[5:]
    for inside, start, stop in members:
        if inside == _MATRIX:
            _matrix(body[start:stop], order, depth + 1)
        elif kind in (_CELL, _STRUCT):
            raise Unreadable("a MAT-file with a member that is no variable")


def _called(name: bytes) -> None:
    """Hold a name that is not made of plain terms: people call variables after patients."""
    text, padding = name.partition(b"\0")[::2]
    if padding.strip(b"\0"):
        raise Held("a MAT-file with bytes behind a name: the profile must attest MAT for it", "variable")
    if not is_plain(text.decode("latin-1")):
        raise Held("a MAT-file with a variable called by no plain term: the profile must attest MAT for it", "variable")


def is_plain(name: str, extra: frozenset[str] = frozenset()) -> bool:
    """Whether a name is made of terms that are known, numbers that are short, and single letters."""
    return name.isascii() and all(_is_plain_word(part.lower(), extra) for part in _PARTS.findall(name))


def _is_plain_word(word: str, extra: frozenset[str]) -> bool:
    if word.isdigit():
        return len(word) <= _LONGEST_NUMBER
    return len(word) == 1 or word in names() or word in extra or allowed(word)
