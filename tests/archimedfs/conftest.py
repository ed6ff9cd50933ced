"""One archive and one mount for all tests of a module that change nothing."""

from collections.abc import Iterator

import pytest

from catalog.database import Database, migrate
from tests.archimedfs.mounts import RunningMount, running_mount
from tests.behaviour.suite import fill
from tests.builders import BuiltArchive


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltArchive]:
    """Give the suite's archive."""
    folder = tmp_path_factory.mktemp("archive")
    database = Database(f"sqlite:///{folder}/var/catalog.db")
    migrate.upgrade(database)
    yield fill(BuiltArchive(database, folder))
    database.close()


@pytest.fixture(scope="module")
def mounted(archive: BuiltArchive) -> Iterator[RunningMount]:
    """Give the suite's archive as anna's mount; nothing may have been logged in the end."""
    with running_mount(archive, "anna", archive.folder / "mount") as mount:
        yield mount
    assert mount.log == ""
    assert mount.process.returncode == 0
