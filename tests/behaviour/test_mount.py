"""The suite on a real mount: answered on the mount's own thread, as with SQLite, and in other threads, as with PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archimedfs.mounts import needs_fuse, running_mount
from tests.behaviour.faces import Face, FolderFace
from tests.behaviour.suite import ReadingSuite
from tests.builders import BuiltArchive


@needs_fuse
@pytest.mark.parametrize("face", ["inline", "in-thread"], indirect=True)
class TestMount(ReadingSuite):
    @pytest.fixture
    def face(self, request: pytest.FixtureRequest, filled: BuiltArchive, tmp_path: Path) -> Iterator[Face]:
        options = ["--in-thread"] if request.param == "in-thread" else []
        with running_mount(filled, "anna", tmp_path / "mount", *options) as mount:
            yield FolderFace(mount.path)
