"""The suite that every store must pass, on the local store and on one that has no descriptors."""

import os
from pathlib import Path

import pytest

from catalog.store import Store
from catalog.store.local import LocalStore
from catalog.store.testing import CONTENTS, StoreSuite, put
from tests.stores import RangeStore


class TestLocalStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return LocalStore(tmp_path / "store")

    def test_an_object_is_read_through_its_descriptor(self, store: Store) -> None:
        (one,) = put(store, CONTENTS[-1:])
        reader = store.open("2008-0003", one)
        assert reader.fd is not None
        assert os.pread(reader.fd, 10, 5) == CONTENTS[-1][5:15]
        reader.close()

    def test_what_is_no_object_is_not_listed(self, store: Store, tmp_path: Path) -> None:
        (one,) = put(store, [b"x"])
        objects = tmp_path / "store/2008-0003/objects"
        (objects / "lost+found").mkdir()
        for name in ("notes.txt", "a" * 64, one.digest.hex().upper(), f".{one.digest.hex()}.tmp"):
            (objects / one.digest.hex()[:2] / name).write_bytes(b"x")
        assert list(store.list("2008-0003")) == [one]


class TestRangeStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return RangeStore(tmp_path / "store")
