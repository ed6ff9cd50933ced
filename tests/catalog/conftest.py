"""Disks that fail, for whatever promises that something is durable."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.catalog.disks import FragileDisk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FragileDisk]:
    made = FragileDisk(tmp_path)
    try:
        yield made
    finally:
        made.unmount()
