"""FreeSurfer volumes (`.mgh`, `.mgz`), GIfTI, and meshes (`.stl`, `.obj`): numbers stay, what people and programs typed goes.

A FreeSurfer volume ends with lines of the commands that made it, with names of users and folders in them: they are cut.
https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat, https://www.nitrc.org/projects/gifti
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING

from deid.errors import Unreadable
from deid.formats import meta_xml
from deid.formats.base import Context, Work, mapped

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_GZIP = b"\x1f\x8b"
_MGH = struct.Struct(">7ih")
_USED, _HEADER, _FOOTER = 90, 284, 20  # bytes of the header that say something, all of it, and the scan's numbers at the end
_SIZES = {0: 1, 1: 4, 3: 4, 4: 2, 10: 2}
_LARGEST, _MOST = 1 << 32, 1 << 16
_STL_HEAD, _FACET = 84, 50
_OBJ_NUMBERS = re.compile(rb"(?:v|vn|vt|vp|f|l|p|s|curv|surf)\s[-+0-9.eE/ \t]*|(?:s\s+off)?", re.IGNORECASE)
_OBJ_NAMES = re.compile(rb"(o|g|usemtl)\s+(.*)")


class Mgh:
    """Cleans FreeSurfer volumes."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By version, sizes and type."""
        return _is_mgh(_begun(head))

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one volume, packed or not."""
        data, work = mapped(source), Work(context)
        packed = bytes(data[:2]) == _GZIP
        plain = memoryview(_unpacked(data)) if packed else data
        _, *sizes, kind, _, _ = _MGH.unpack_from(plain)
        size = _SIZES[kind] * sizes[0] * sizes[1] * sizes[2] * sizes[3]
        if len(plain) < _HEADER + size:
            raise Unreadable("a FreeSurfer volume cut short")
        head = bytes(plain[:_USED]).ljust(_HEADER, b"\0")
        foot = bytes(plain[_HEADER + size : _HEADER + size + _FOOTER])
        if len(plain) > _HEADER + size + _FOOTER:
            work.note("tail", "X", "commands that made the volume", plain[_HEADER + size + _FOOTER :])
        work.write("header", head)
        work.keep(plain[_HEADER : _HEADER + size])
        work.write("footer", foot)
        facts: dict[str, str | int | float] = {"FileType": "MGH"}
        if not packed:
            return work.finish(target, ".mgh", facts)
        work.check()
        again = Work(context)
        again.keep(memoryview(zlib.compress(b"".join(work.pieces()), 6, wbits=31)))
        again.finish(target, ".mgz", facts)
        return work.report(".mgz", facts)


def _begun(head: bytes) -> bytes:
    if head[:2] != _GZIP:
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEADER)
    except zlib.error:
        return b""


def _is_mgh(head: bytes) -> bool:
    if len(head) < _USED:
        return False
    version, *sizes, kind, _, good = _MGH.unpack_from(head)
    return version == 1 and kind in _SIZES and good in (0, 1) and all(0 < size < _MOST for size in sizes)


def _unpacked(data: memoryview) -> bytes:
    try:
        unpacker = zlib.decompressobj(wbits=31)
        plain = unpacker.decompress(data, _LARGEST)
    except zlib.error:
        raise Unreadable("a damaged gzip file") from None
    if not unpacker.eof:
        raise Unreadable("a gzip file cut short, or too large")
    return plain


class Gifti:
    """Cleans GIfTI files."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By the root element."""
        return b"<GIFTI" in head

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one file."""
        work = Work(context)
        text = bytes(mapped(source)).decode("utf-8", "replace")
        body = meta_xml.cleaned(text, work)
        work.write("document", b'<?xml version="1.0" encoding="UTF-8"?>\n' + body + b"\n")
        return work.finish(target, ".gii", {"FileType": "GIFTI"})


class Mesh:
    """Cleans STL and OBJ files."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """Binary STL by its size, which its number of facets gives; texts by their lines."""
        return _is_binary_stl(head, source.stat().st_size) or _is_text_stl(head) or _is_obj(head)

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one mesh."""
        data, work = mapped(source), Work(context)
        head = bytes(data[:4096])
        facts: dict[str, str | int | float] = {"FileType": "MESH"}
        if _is_binary_stl(head, len(data)):
            work.note("header", "X", "header text", data[:80])
            work.write("header", bytes(80))
            work.keep(data[80:])
            return work.finish(target, ".stl", facts)
        lines = bytes(data).splitlines()
        if _is_text_stl(head):
            work.write("mesh", b"".join(_stl_line(line) for line in lines))
            return work.finish(target, ".stl", facts)
        work.write("mesh", b"".join(_obj_line(line, work) for line in lines))
        return work.finish(target, ".obj", facts)


def _is_binary_stl(head: bytes, size: int) -> bool:
    return len(head) >= _STL_HEAD and size == _STL_HEAD + _FACET * int.from_bytes(head[80:84], "little") > _STL_HEAD


def _is_text_stl(head: bytes) -> bool:
    return head.lstrip().startswith(b"solid") and b"facet normal" in head


def _is_obj(head: bytes) -> bool:
    lines = [line.strip() for line in head.splitlines()[:-1]]
    kinds = {line.split()[0] for line in lines if line and not line.startswith(b"#")}
    return b"v" in kinds and kinds <= {b"v", b"vn", b"vt", b"f", b"g", b"o", b"s", b"mtllib", b"usemtl", b"l", b"p"}


def _stl_line(line: bytes) -> bytes:
    word = line.split()[:1]
    if word in ([b"solid"], [b"endsolid"]):
        return word[0] + b"\n"
    if not re.fullmatch(rb"\s*(?:facet normal|outer loop|vertex|endloop|endfacet|)[-+0-9.eE\s]*", line):
        raise Unreadable("an STL with a line that is none")
    return line + b"\n"


def _obj_line(line: bytes, work: Work) -> bytes:
    plain = line.strip()
    if _OBJ_NUMBERS.fullmatch(plain):
        return plain + b"\n"
    named = _OBJ_NAMES.fullmatch(plain)
    if named:
        return named[1] + b" " + (work.text("name", named[2]) or b"part") + b"\n"
    work.note("line", "X", "comment or name of a file", line)
    return b""
