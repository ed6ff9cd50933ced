"""A store with one study."""

from pathlib import Path

import pytest

from catalog.store import records
from catalog.store.local import LocalStore

STUDY = "2008-0003"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "var" / "store"


@pytest.fixture
def store(root: Path) -> LocalStore:
    made = LocalStore(root)
    made.prepare()
    records.write_study(made, STUDY, {"description": "a protocol"})
    return made
