"""Faces on another tree beside the studies: found, read, apart from the studies' own nodes, and gone with the grant."""

import os
from pathlib import Path

import pytest

from tests.archimedfs.mounts import needs_fuse, running_mount
from tests.behaviour.faces import Face, FolderFace
from tests.behaviour.suite import BIG, SERIES, SLICES, STUDY, eventually, fill
from tests.behaviour.test_webdav import WebDavFace
from tests.builders import BuiltArchive
from tests.gateway.http.serving import Serving

TREE = "_views/x"


@pytest.fixture
def filled(built: BuiltArchive) -> BuiltArchive:
    return fill(built)


def check(face: Face, built: BuiltArchive) -> None:
    assert sorted(face.names("")) == [STUDY, "2010-A.7", "_views"]
    assert face.names("_views") == ["x"]
    assert sorted(face.names(TREE)) == ["sub-01", "sub-02"]
    assert sorted(face.names(f"{TREE}/sub-01/anat")) == ["Big.dcm", "T1w.dcm"]
    assert face.names(f"{TREE}/sub-02") == [], "its file is of a study that anna was not granted"
    assert face.read(f"{TREE}/sub-01/anat/T1w.dcm") == face.read(f"{SERIES}/00007.dcm") == SLICES["00007.dcm"]
    assert face.read(f"{TREE}/sub-01/anat/Big.dcm", 1_000_000, 70_000) == BIG[1_000_000:1_070_000]
    assert face.stat(f"{TREE}/sub-01/anat/T1w.dcm") == face.stat(f"{SERIES}/00007.dcm")
    for path in ("_views/y", "_Views", f"{TREE}/sub-01/anat/t1w.dcm", f"{TREE}/sub-02/readme", f"{TREE}/{STUDY}"):
        assert not face.exists(path)
    built.revoke("anna", STUDY)
    assert eventually(lambda: not face.exists(f"{TREE}/sub-01/anat/T1w.dcm"))
    assert eventually(lambda: face.names(f"{TREE}/sub-01/anat") == [])
    with pytest.raises(FileNotFoundError):
        face.read(f"{TREE}/sub-01/anat/Big.dcm")
    assert sorted(face.names("")) == ["2010-A.7", "_views"]


@needs_fuse
def test_mount(filled: BuiltArchive, tmp_path: Path) -> None:
    with running_mount(filled, "anna", tmp_path / "mount", "--beside") as mount:
        numbers = [path.stat().st_ino for path in [mount.path, *mount.path.glob("_views/**/*"), mount.path / SERIES]]
        assert len(set(numbers)) == len(numbers)
        with (mount.path / TREE / "sub-01/anat/T1w.dcm").open("rb") as file:
            check(FolderFace(mount.path), filled)
            with pytest.raises(OSError, match=r"Permission denied|No such file"):
                os.pread(file.fileno(), 10, 0)
        assert mount.log == ""


def test_webdav(filled: BuiltArchive) -> None:
    with Serving(filled, store="beside") as serving:
        check(WebDavFace(serving), filled)
