"""Bytes of open files: from the page cache, from the disk, and when the disk holds too few."""

import errno
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from archimedfs.held import Held
from archimedfs.reading import Handle, Reader
from archimedfs.user_roots import Lease
from catalog.pure.errors import Damaged
from catalog.store.local import LocalReader
from catalog.view import OpenFile
from tests.builders import BuiltArchive

CONTENT = random.Random(3).randbytes(3_000_001)


def handle_of(opened: OpenFile) -> Handle:
    return Handle(Held(0, 2, opened, Lease(), 0), opened.count)


@pytest.fixture
def handle(built: BuiltArchive) -> Iterator[Handle]:
    built.user("anna")
    built.study("S1")
    built.grant("anna", "S1")
    built.add_series("S1/E1/001_DCM_MR_x", {"00001.dcm": CONTENT})
    view = built.view("anna")
    opened = view.open(view.resolve("S1/E1/001_DCM_MR_x/00001.dcm").id)
    yield handle_of(opened)
    opened.close()


def read(handle: Handle, offset: int, size: int) -> bytes:
    """Read as the mount does: at once, or as a worker."""
    found = Reader().cached(handle, offset, size)
    return handle.file.read_at(offset, size) if found is None else bytes(found)


@pytest.mark.parametrize("is_cold", [False, True])
@pytest.mark.parametrize(
    ("offset", "size"),
    [(0, 1), (0, 131_072), (1, 1_048_576), (0, 4_000_000), (2_999_999, 10), (3_000_001, 10), (9_000_000, 1)],
)
def test_any_part(handle: Handle, offset: int, size: int, *, is_cold: bool) -> None:
    if is_cold:
        os.fsync(handle.fd)
        os.posix_fadvise(handle.fd, 0, 0, os.POSIX_FADV_DONTNEED)
    assert read(handle, offset, size) == CONTENT[offset : offset + size]


def test_only_a_part_in_the_page_cache(handle: Handle) -> None:
    os.fsync(handle.fd)
    os.posix_fadvise(handle.fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.posix_fadvise(handle.fd, 0, 0, os.POSIX_FADV_RANDOM)
    os.pread(handle.fd, 4096, 65_536)
    assert read(handle, 65_536, 500_000) == CONTENT[65_536:565_536]


def test_what_is_in_the_page_cache_is_had_at_once(handle: Handle, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = os.preadv
    # In memory (tmpfs) nothing says so, and all is there.
    monkeypatch.setattr(os, "preadv", lambda fd, buffers, offset, _flags: plain(fd, buffers, offset))
    found = Reader().cached(handle, 4096, 1_048_576)
    assert found is not None
    assert bytes(found) == CONTENT[4096 : 4096 + 1_048_576]


def test_what_is_not_there_at_once_is_not_made_up(handle: Handle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "preadv", lambda *_: 100)  # a part of it
    assert Reader().cached(handle, 4096, 1_048_576) is None


def test_a_stored_file_that_is_too_short_is_damaged_not_ended(handle: Handle, tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(CONTENT[:100_000])
    stored = LocalReader(os.open(tmp_path / "short", os.O_RDONLY), fresh=False)
    short = replace(handle.file, node=replace(handle.node, size=len(CONTENT)), fd=stored.fd, _bytes=stored)
    try:
        assert read(handle_of(short), 0, 100_000) == CONTENT[:100_000]
        with pytest.raises(Damaged):
            read(handle_of(short), 0, 100_001)
        with pytest.raises(Damaged):
            read(handle_of(short), 200_000, 10)
    finally:
        stored.close()


def test_a_filesystem_that_cannot_say_what_is_cached_is_read_all_the_same(
    handle: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.preadv

    def without_nowait(fd: int, buffers: list[memoryview], offset: int, flags: int = 0) -> int:
        if flags & os.RWF_NOWAIT:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return plain(fd, buffers, offset, flags)

    monkeypatch.setattr(os, "preadv", without_nowait)
    assert read(handle, 1, 131_072) == CONTENT[1:131_073]
