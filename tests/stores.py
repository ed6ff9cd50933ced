"""Stores for tests that are none of the shipped ones."""

from pathlib import Path

from catalog.store import StoredObject
from catalog.store.local import LocalReader, LocalStore


class _Ranges:
    """A reader that hides its descriptor."""

    fd = None

    def __init__(self, reader: LocalReader) -> None:
        self.read_at = reader.read_at
        self.close = reader.close


class RangeStore:
    """A store as one across a network would be: objects are had by range alone, and no file of this machine holds them.

    The records and the rest are those of a local store.
    """

    def __init__(self, root: Path) -> None:
        self._local = LocalStore(root)
        self.prepare = self._local.prepare
        self.deposit = self._local.deposit
        self.stat = self._local.stat
        self.list = self._local.list
        self.delete = self._local.delete
        self.set_aside = self._local.set_aside
        self.capacity = self._local.capacity
        self.write_record = self._local.write_record
        self.read_record = self._local.read_record
        self.list_records = self._local.list_records
        self.delete_record = self._local.delete_record
        self.studies = self._local.studies

    def open(self, study: str, stored: StoredObject, *, fresh: bool = False) -> _Ranges:
        return _Ranges(self._local.open(study, stored, fresh=fresh))
