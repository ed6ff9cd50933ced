"""A disk that is soon full."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.catalog.disks import mounted_tmpfs


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a filesystem of 2 MB."""
    with mounted_tmpfs(tmp_path / "disk", "size=2m") as folder:
        yield folder
