"""The suite that every store must pass, shipped so that a store made elsewhere can run it too. Needs pytest.

    class TestMyStore(StoreSuite):
        @pytest.fixture
        def store(self, tmp_path: Path) -> Store:      # new and empty
            return MyStore(...)

What only one store promises, such as modes of files, is tested beside it.
"""

import hashlib
import random
import time
from collections.abc import Iterable, Iterator

import pytest

from catalog.pure.errors import Damaged
from catalog.store.model import Store, StoredObject

STUDY, OTHER = "2008-0003", "2010-A.7"
CONTENTS = [b"", b"a", b"image " * 100, random.Random(7).randbytes(3_000_001)]


def put(store: Store, contents: Iterable[bytes], study: str = STUDY, name: str = "1") -> list[StoredObject]:
    """Bring contents into a store as one import."""
    deposit = store.deposit(study, name)
    found = []
    for content in contents:
        file = deposit.new()
        file.write(content)
        found.append(deposit.add(file))
    deposit.settle()
    deposit.close()
    return found


def read(store: Store, stored: StoredObject, study: str = STUDY, *, fresh: bool = False) -> bytes:
    """Return an object's bytes."""
    reader = store.open(study, stored, fresh=fresh)
    try:
        return reader.read_at(0, stored.size)
    finally:
        reader.close()


def pages(store: Store, study: str, limit: int) -> Iterator[StoredObject]:
    """Yield all objects of a study, a page at a time."""
    after = b""
    while page := store.list(study, after, limit):
        assert len(page) <= limit
        yield from page
        after = page[-1].digest


def _object(content: bytes) -> StoredObject:
    return StoredObject(hashlib.sha256(content).digest(), len(content))


class StoreSuite:
    """The tests. A subclass gives the fixture `store`: new, empty, not prepared."""

    @pytest.fixture(autouse=True)
    def _prepared(self, store: Store) -> None:
        store.prepare()
        store.prepare()

    # Objects.

    def test_what_is_put_in_comes_out(self, store: Store) -> None:
        assert put(store, CONTENTS) == [_object(content) for content in CONTENTS]
        for fresh in (False, True):
            assert [read(store, _object(content), fresh=fresh) for content in CONTENTS] == CONTENTS

    @pytest.mark.parametrize("fresh", [False, True])
    def test_any_range_can_be_read(self, store: Store, *, fresh: bool) -> None:
        content = CONTENTS[-1]
        put(store, [content])
        reader = store.open(STUDY, _object(content), fresh=fresh)
        for offset, size in ((0, 1), (1, 131_072), (2_999_999, 10), (3_000_001, 10), (9_000_000, 1), (5, 0)):
            assert reader.read_at(offset, size) == content[offset : offset + size]
        reader.close()
        reader.close()

    def test_a_descriptor_gives_the_same_bytes(self, store: Store) -> None:
        content = CONTENTS[-1]
        put(store, [content])
        reader = store.open(STUDY, _object(content))
        if reader.fd is not None:
            with open(reader.fd, "rb", closefd=False) as file:
                assert file.read() == content
        reader.close()

    def test_nothing_is_there_before_it_is_settled(self, store: Store) -> None:
        deposit = store.deposit(STUDY, "1")
        file = deposit.new()
        file.write(b"x")
        stored = deposit.add(file)
        assert store.stat(STUDY, stored.digest) is None
        assert not store.list(STUDY)
        deposit.settle()
        assert store.stat(STUDY, stored.digest) == stored
        deposit.settle()
        deposit.close()
        assert read(store, stored) == b"x"

    def test_what_is_discarded_or_not_settled_is_not_there(self, store: Store) -> None:
        deposit = store.deposit(STUDY, "1")
        for content in (b"discarded", b"left"):
            file = deposit.new()
            file.write(content)
            if content == b"discarded":
                deposit.discard(file)
                assert file.closed
            else:
                deposit.add(file)
        deposit.close()
        assert not store.list(STUDY)

    def test_an_import_that_was_broken_off_is_begun_again(self, store: Store) -> None:
        broken_off = store.deposit(STUDY, "1").new()
        broken_off.write(b"half")
        assert put(store, [b"whole"]) == [_object(b"whole")]
        broken_off.close()
        assert list(pages(store, STUDY, 10)) == [_object(b"whole")]

    def test_the_same_bytes_again_are_the_same_object(self, store: Store) -> None:
        put(store, [b"same", b"same"])
        put(store, [b"same"], name="2")
        assert list(pages(store, STUDY, 10)) == [_object(b"same")]

    def test_each_study_has_its_own_objects(self, store: Store) -> None:
        (one,) = put(store, [b"bytes"], study=OTHER)
        assert store.stat(STUDY, one.digest) is None
        with pytest.raises(Damaged):
            store.open(STUDY, one)
        put(store, [b"bytes"])
        store.delete(STUDY, one.digest)
        assert read(store, one, OTHER) == b"bytes"

    def test_what_is_missing_is_damage(self, store: Store) -> None:
        put(store, [b"another"])
        with pytest.raises(Damaged, match="store is damaged"):
            store.open(STUDY, StoredObject(bytes(32), 1))
        assert store.stat(STUDY, bytes(32)) is None
        assert store.stat("nothing", bytes(32)) is None

    @pytest.mark.parametrize("limit", [1, 7, 300, 1000])
    def test_a_listing_gives_each_object_once_in_order(self, store: Store, limit: int) -> None:
        contents = [b"%d" % number for number in range(300)]
        put(store, contents)
        put(store, [b"elsewhere"], study=OTHER)
        found = list(pages(store, STUDY, limit))
        assert found == sorted((_object(content) for content in contents), key=lambda each: each.digest)
        assert not store.list("nothing")

    def test_a_listing_goes_on_where_something_was_removed(self, store: Store) -> None:
        put(store, [b"%d" % number for number in range(50)])
        everything = list(pages(store, STUDY, 50))
        store.delete(STUDY, everything[10].digest)
        assert list(store.list(STUDY, everything[10].digest)) == everything[11:]

    def test_removing_can_be_done_again(self, store: Store) -> None:
        one, other = put(store, [b"one", b"other"])
        for _ in range(2):
            store.delete(STUDY, one.digest)
            assert list(pages(store, STUDY, 10)) == [other]
        store.delete("nothing", one.digest)
        put(store, [b"one"], name="2")
        assert read(store, one) == b"one"

    def test_what_was_set_aside_is_not_there_until_it_is_put_in_again(self, store: Store) -> None:
        one, other = put(store, [b"one", b"other"])
        for _ in range(2):
            store.set_aside(STUDY, one.digest)
            assert list(pages(store, STUDY, 10)) == [other]
            assert store.stat(STUDY, one.digest) is None
            with pytest.raises(Damaged):
                store.open(STUDY, one)
        put(store, [b"one"], name="2")
        assert read(store, one) == b"one"

    def test_an_object_of_another_size_is_damage(self, store: Store) -> None:
        (one,) = put(store, [b"one"])
        with pytest.raises(Damaged, match="cut or changed"):
            store.open(STUDY, StoredObject(one.digest, 4))

    def test_capacity_is_returned(self, store: Store) -> None:
        found = store.capacity()
        assert found.block > 0
        assert 0 <= found.available <= found.free <= found.blocks

    # Records.

    def test_a_record_comes_back_line_by_line(self, store: Store) -> None:
        lines = [b'{"n": 1}\n', b"two \xe2\x80\xa8 \r\n", b"no end"]
        store.write_record(STUDY, "study.json", lines)
        store.write_record(STUDY, "manifests/1.jsonl", iter(lines))
        for name in ("study.json", "manifests/1.jsonl"):
            assert list(store.read_record(STUDY, name)) == lines

    def test_a_record_is_replaced_whole_or_not_at_all(self, store: Store) -> None:
        def failing() -> Iterator[bytes]:
            yield b"half\n"
            raise KeyError

        store.write_record(STUDY, "manifests/1.jsonl", [b"first\n", b"second\n"])
        with pytest.raises(KeyError):
            store.write_record(STUDY, "manifests/1.jsonl", failing())
        assert list(store.read_record(STUDY, "manifests/1.jsonl")) == [b"first\n", b"second\n"]
        assert store.list_records(STUDY, "manifests") == ["manifests/1.jsonl"]
        store.write_record(STUDY, "manifests/1.jsonl", [b"third\n"])
        assert list(store.read_record(STUDY, "manifests/1.jsonl")) == [b"third\n"]

    def test_records_are_listed_by_folder(self, store: Store) -> None:
        for name in ("manifests/2.jsonl", "manifests/1.jsonl", "corrections/1.jsonl", "study.json"):
            store.write_record(STUDY, name, [b"x\n"])
        store.write_record(OTHER, "manifests/3.jsonl", [b"x\n"])
        put(store, [b"an object is no record"])
        assert store.list_records(STUDY, "manifests") == ["manifests/1.jsonl", "manifests/2.jsonl"]
        assert store.list_records(STUDY, "corrections") == ["corrections/1.jsonl"]
        assert not store.list_records(STUDY, "removals")
        assert not store.list_records("nothing", "manifests")
        assert store.studies() == sorted([STUDY, OTHER])

    @pytest.mark.parametrize("limit", [1, 2, 5, 1000])
    def test_records_are_listed_page_by_page(self, store: Store, limit: int) -> None:
        written = [f"manifests/{name}.jsonl" for name in ("1", "10", "2", "A", "a")]
        for name in reversed(written):
            store.write_record(STUDY, name, [b"x\n"])
        found: list[str] = []
        after = ""
        while page := store.list_records(STUDY, "manifests", after, limit):
            assert len(page) <= limit
            found += page
            after = page[-1]
        assert found == written

    def test_a_page_begins_behind_a_record_that_is_gone(self, store: Store) -> None:
        for number in (1, 2, 3):
            store.write_record(STUDY, f"manifests/{number}.jsonl", [b"x\n"])
        store.delete_record(STUDY, "manifests/2.jsonl")
        assert store.list_records(STUDY, "manifests", "manifests/2.jsonl") == ["manifests/3.jsonl"]

    def test_records_are_listed_by_when_they_were_written(self, store: Store) -> None:
        store.write_record(STUDY, "manifests/1.jsonl", [b"x\n"])
        now = int(time.time())
        assert store.list_records(STUDY, "manifests", since=now - 60) == ["manifests/1.jsonl"]
        assert not store.list_records(STUDY, "manifests", since=now + 3600)

    def test_a_record_that_is_missing_is_damage(self, store: Store) -> None:
        with pytest.raises(Damaged):
            list(store.read_record(STUDY, "manifests/1.jsonl"))

    def test_removing_a_record_can_be_done_again(self, store: Store) -> None:
        store.write_record(STUDY, "manifests/1.jsonl", [b"x\n"])
        for _ in range(2):
            store.delete_record(STUDY, "manifests/1.jsonl")
            assert not store.list_records(STUDY, "manifests")
