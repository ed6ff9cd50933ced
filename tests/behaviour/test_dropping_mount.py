"""The suite on a real staging mount."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archimedfs.mounts import needs_fuse, running_staging
from tests.behaviour.dropping import DropFace, DroppingSuite
from tests.builders import BuiltArchive


class FolderDropFace:
    """A folder of this machine: what a staging mount must look like."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, path: str) -> list[str]:
        return [entry.name for entry in (self._root / path).iterdir()]

    def read(self, path: str) -> bytes:
        return (self._root / path).read_bytes()

    def put(self, path: str, content: bytes) -> None:
        (self._root / path).write_bytes(content)

    def mkdir(self, path: str) -> None:
        (self._root / path).mkdir()

    def remove(self, path: str) -> None:
        (self._root / path).unlink()

    def rmdir(self, path: str) -> None:
        (self._root / path).rmdir()

    def rename(self, old: str, new: str) -> None:
        (self._root / old).rename(self._root / new)

    def is_folder(self, path: str) -> bool:
        return stat.S_ISDIR((self._root / path).stat().st_mode)


@needs_fuse
@pytest.mark.parametrize("face", ["inline", "in-thread"], indirect=True)
class TestMount(DroppingSuite):
    @pytest.fixture
    def face(self, request: pytest.FixtureRequest, filled: BuiltArchive, tmp_path: Path) -> Iterator[DropFace]:
        options = ["--in-thread"] if request.param == "in-thread" else []
        with running_staging(filled, "anna", tmp_path / "mount", *options) as mount:
            yield FolderDropFace(mount.path)
