"""One archive and one mount for all tests of a module that change nothing."""

from collections.abc import Iterator

import pytest

from tests.archimedfs.mounts import RunningMount, running_mount
from tests.behaviour.suite import fill
from tests.builders import BuiltArchive, built_in


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltArchive]:
    """Give the suite's archive."""
    with built_in(tmp_path_factory.mktemp("archive")) as built:
        yield fill(built)


@pytest.fixture(scope="module")
def mounted(archive: BuiltArchive) -> Iterator[RunningMount]:
    """Give the suite's archive as anna's mount; nothing may have been logged in the end."""
    with running_mount(archive, "anna", archive.folder / "mount") as mount:
        yield mount
    assert mount.log == ""
    assert mount.process.returncode == 0
