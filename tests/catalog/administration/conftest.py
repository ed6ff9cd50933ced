"""An empty archive and who works on it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from catalog import changes
from catalog.administration import Actor
from catalog.audit import entries
from catalog.database import Database
from catalog.store.local import LocalStore

ROOT = Actor("root")


@dataclass
class Office:
    """The catalogue and the store that administration works on."""

    database: Database
    store: LocalStore
    folder: Path

    def audited(self) -> list[tuple[str, str, str]]:
        """Return action, study and subject of all entries."""
        return [(entry.action, entry.study, entry.subject) for entry in entries(self.database)]

    def announced(self) -> list[str]:
        """Return the kinds of all announcements."""
        return [change.kind.value for change in changes.since(self.database, 0)]


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Office:
    """Give an empty archive; the test runs once on each database."""
    store = LocalStore(tmp_path / "store")
    store.prepare()
    return Office(database, store, tmp_path / "store")
