"""The variables of a MAT-file of version 5 as a table: name, class, size. MathWorks, "MAT-File Format", 2018."""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from catalog.filetypes.model import Preview
from catalog.filetypes.plain_text import text_preview

_HEADER, _TEXT = 128, 116
_MATRIX, _COMPRESSED = 14, 15
_CHAR = 4
_CLASSES = {
    1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 6: "double", 7: "single", 8: "int8", 9: "uint8", 10: "int16",
    11: "uint16", 12: "int32", 13: "uint32", 14: "int64", 15: "uint64", 16: "function", 17: "opaque",
}  # fmt: skip
_UNPACKED, _MOST_VARIABLES, _LONGEST_NAME = 4096, 1000, 64
_ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}


def preview(file: BinaryIO) -> Preview:
    """Show the header's text, and a line for each variable."""
    head = file.read(_HEADER)
    order = "<" if head[126:128] == b"IM" else ">"
    lines = [head[:_TEXT].decode("latin-1").strip(" \0"), "", f"{'name':<32} {'class':<8} size"]
    return text_preview([*lines, *(_shown(body, order) for body in _variables(file, order))])


def _variables(file: BinaryIO, order: str) -> Iterator[bytes]:
    """Yield the beginning of each variable's matrix, without its tag."""
    for _ in range(_MOST_VARIABLES):
        tag = file.read(8)
        if len(tag) < 8:
            return
        kind, size = struct.unpack(order + "II", tag)
        at = file.tell()
        body = file.read(min(size, _UNPACKED))
        if kind == _COMPRESSED:
            try:
                yield zlib.decompressobj().decompress(body, _UNPACKED)[8:]
            except zlib.error:
                return
        elif kind == _MATRIX:
            yield body
            size += -size % 8
        file.seek(at + size)


def _shown(body: bytes, order: str) -> str:
    """Return the line of a variable: flags (16 bytes), dimensions, name, and of text its beginning."""
    try:
        flags = struct.unpack_from(order + "I", body, 8)[0]
        _, sizes, at = _element(body, 16, order)
        dimensions = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
        _, name, at = _element(body, at, order)
        kind = flags & 0xFF
        text = ""
        if kind == _CHAR:
            coding, value, _ = _element(body, at, order)
            wide = {"utf-16": "utf-16-le" if order == "<" else "utf-16-be"}.get(_ENCODINGS.get(coding, ""), "")
            text = " = " + value.decode(wide or _ENCODINGS.get(coding, "latin-1"), "replace")
    except (struct.error, IndexError):
        return "a variable that cannot be read"
    shown = name[:_LONGEST_NAME].decode("latin-1")
    return f"{shown:<32} {_CLASSES.get(kind, '?'):<8} {' x '.join(map(str, dimensions))}{text}"


def _element(body: bytes, at: int, order: str) -> tuple[int, bytes, int]:
    """Return type and bytes of a data element, of which small ones stand in the tag, and where the next begins."""
    kind, size = struct.unpack_from(order + "II", body, at)
    if kind >> 16:
        size, kind = kind >> 16, kind & 0xFFFF
        return kind, body[at + 4 : at + 4 + min(size, 4)], at + 8
    return kind, body[at + 8 : at + 8 + size], at + 8 + size + -size % 8
