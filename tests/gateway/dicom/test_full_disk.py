"""A real filesystem that is full: each file is refused with a status, and the service lives on."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.gateway.dicom.conftest import Door
from tests.gateway.dicom.peer import Peer

OUT_OF_RESOURCES = 0xA700


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a filesystem of 4 MB and 100 names of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=100", "none", folder]).returncode:
        pytest.skip("needs the right to mount a small filesystem")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_staging_disk(open_door: Callable[..., Door], small_disk: Path) -> None:
    door = open_door(staging=small_disk / "staging")
    filler = small_disk / "filler"
    filler.write_bytes(bytes(3_000_000))
    big = bytes(1_500_000)
    with door.peer().associate() as peer:
        assert peer.store(b"1.2.1", b"small") == 0
        assert [peer.store(b"1.2.2", big) for _ in range(5)] == [OUT_OF_RESOURCES] * 5
        assert len(door.on_disk()) == 1
        assert peer.store(b"1.2.3", b"small too") == 0
        filler.unlink()
        assert peer.store(b"1.2.2", big) == 0
        peer.release()
    assert door.data_sets() == [b"small", b"small too", big]


def test_no_room_for_another_file_at_all(open_door: Callable[..., Door], small_disk: Path) -> None:
    door = open_door(staging=small_disk / "staging")
    files = fill_with_names(small_disk)
    with door.peer().associate() as peer:
        assert store(peer, b"1.2.1") == OUT_OF_RESOURCES
        for file in files[:5]:
            file.unlink()
        assert store(peer, b"1.2.1") == 0
        peer.release()
    assert len(door.staged()) == len(door.on_disk()) == 1


def fill_with_names(folder: Path) -> list[Path]:
    """Make empty files until there is no room for another."""
    files = [folder / str(number) for number in range(200)]
    with contextlib.suppress(OSError):
        for file in files:
            file.touch()
    return [file for file in files if file.exists()]


def store(peer: Peer, uid: bytes) -> int:
    return peer.store(uid, b"x" * 1000)
