"""Zip files. What the index says of sizes is not believed: bytes are counted as they come out."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from catalog.gate.unpacking.limits import Budget, Limits, Member, chunks, member_name
from catalog.pure.errors import Unreadable

SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_END, _END_64, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_BYTES, _LOCATOR_BYTES, _END_64_BYTES = 22, 20, 56
_LONGEST_END = _END_BYTES + 0xFFFF
_UNKNOWN = 0xFFFFFFFF
_ENCRYPTED = 0x1
_LINK_TYPE = 0o120000
_REGULAR_TYPE = 0o100000
_KNOWN_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_BROKEN = "the zip file is broken or cut off; bring it again, or its files unpacked"


def is_zip(head: bytes) -> bool:
    """Whether a file begins like a zip file."""
    return head.startswith(SIGNATURES)


def is_document(path: Path, limits: Limits) -> bool:
    """Whether a zip file is one thing that programs open as a whole: an office document, an array file."""
    try:
        with _opened(path, limits) as archive:
            names = archive.namelist()
    except Unreadable:
        return False
    arrays = bool(names) and all(name.endswith(".npy") for name in names)
    return arrays or "[Content_Types].xml" in names or names[:1] == ["mimetype"]


def members(path: Path, limits: Limits, budget: Budget) -> Iterator[Member]:
    """Yield the files of a zip file.

    Raises:
        Unreadable: it is broken, encrypted, or holds what cannot be taken; the reason is for its owner.
    """
    with _opened(path, limits) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            budget.file()
            _check(info)
            name = member_name(info.filename)
            if name is None:
                continue
            try:
                with archive.open(info) as file:
                    yield Member(name, _whole(chunks(cast("BinaryIO", file), budget), info.file_size))
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError):
                raise Unreadable(_BROKEN) from None


def _check(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise Unreadable("the zip file is encrypted; bring its files unpacked")
    if info.compress_type not in _KNOWN_METHODS:
        raise Unreadable("the zip file is packed in an unusual way; pack it again with deflate, or bring its files unpacked")
    kind = info.external_attr >> 16 & 0o170000
    if kind not in {0, _REGULAR_TYPE}:
        raise Unreadable("the zip file holds a link or a device; bring the files themselves")


def _whole(some: Iterator[bytes], size: int) -> Iterator[bytes]:
    try:
        for chunk in some:
            size -= len(chunk)
            yield chunk
    except (zipfile.BadZipFile, zlib.error, EOFError):
        raise Unreadable(_BROKEN) from None
    if size:
        raise Unreadable(_BROKEN)


def _opened(path: Path, limits: Limits) -> zipfile.ZipFile:
    if _index_bytes(path) > limits.index_bytes:
        raise Unreadable(f"the archive holds more than {limits.files} files; bring them in several, or unpacked")
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, EOFError):
        raise Unreadable(_BROKEN) from None


def _index_bytes(path: Path) -> int:
    """Return how large the index is that would be read into memory at once (APPNOTE 4.3.14 and 4.3.16)."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = max(0, size - _LONGEST_END - _LOCATOR_BYTES)
        file.seek(start)
        tail = file.read()
        at = tail.rfind(_END)
        if at < 0 or len(tail) - at < _END_BYTES:
            raise Unreadable(_BROKEN)
        found = int(struct.unpack_from("<L", tail, at + 12)[0])
        locator = tail[max(0, at - _LOCATOR_BYTES) : at]
        if not locator.startswith(_LOCATOR_64):
            return found
        file.seek(min(size, int(struct.unpack_from("<Q", locator, 8)[0])))
        end = file.read(_END_64_BYTES)
        if len(end) < _END_64_BYTES or not end.startswith(_END_64):
            return found if found != _UNKNOWN else size
        return max(found if found != _UNKNOWN else 0, int(struct.unpack_from("<Q", end, 40)[0]))
