"""Faces on a store that has no descriptors, as one across a network is: the same bytes, from any offset."""

from pathlib import Path

import pytest

from catalog.administration import principal
from catalog.view import Archive
from tests.archimedfs.mounts import needs_fuse, running_mount
from tests.behaviour.faces import CoreFace, Face, FolderFace
from tests.behaviour.suite import BIG, ODD, SERIES, SLICES, fill
from tests.behaviour.test_webdav import WebDavFace
from tests.builders import BuiltArchive
from tests.gateway.http.serving import Serving
from tests.stores import RangeStore


@pytest.fixture
def filled(built: BuiltArchive) -> BuiltArchive:
    return fill(built)


def check(face: Face) -> None:
    for name, content in SLICES.items():
        assert face.read(f"{SERIES}/{name}") == content
    assert face.read(f"{ODD}/leer.bin") == b""
    assert face.read(f"{ODD}/00001.dcm") == BIG
    for offset, length in ((0, 1), (131_071, 2), (1_048_575, 1_048_578), (3_000_000, 1), (len(BIG) - 10, 100)):
        assert face.read(f"{ODD}/00001.dcm", offset, length) == BIG[offset : offset + length]


def test_core(filled: BuiltArchive) -> None:
    store = RangeStore(filled.folder / "var/store")
    check(CoreFace(Archive(filled.database, store).view(principal(filled.database, "anna"))))


@needs_fuse
def test_mount(filled: BuiltArchive, tmp_path: Path) -> None:
    with running_mount(filled, "anna", tmp_path / "mount", "--ranges") as mount:
        check(FolderFace(mount.path))


def test_webdav(filled: BuiltArchive) -> None:
    with Serving(filled, store="ranges") as serving:
        check(WebDavFace(serving))
