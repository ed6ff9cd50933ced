"""The store in a local folder: names, modes, what a second attempt finds, what is said when something is missing."""

import contextlib
import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from catalog.pure.errors import Damaged, OutOfSpace, Unavailable
from catalog.store import Deposit, StoredObject, records
from catalog.store.local import LocalStore
from catalog.store.testing import put, read
from tests.catalog.disks import mounted_tmpfs
from tests.catalog.store.conftest import STUDY

IMPORT = "1"


def is_there(store: LocalStore, stored: StoredObject) -> bool:
    try:
        return len(read(store, stored)) == stored.size
    except Damaged:
        return False


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def everything(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))


def test_what_is_put_in_comes_out(store: LocalStore) -> None:
    contents = [b"", b"a", b"b" * 100_000]
    found = put(store, contents)
    assert found == [StoredObject(sha256(content), len(content)) for content in contents]
    assert [read(store, one) for one in found] == contents
    assert not is_there(store, StoredObject(bytes(32), 1))


def test_an_object_is_named_by_its_digest_in_its_studys_folder(store: LocalStore, root: Path) -> None:
    (one,) = put(store, [b"bytes"])
    name = hashlib.sha256(b"bytes").hexdigest()
    assert (root / STUDY / "objects" / name[:2] / name).read_bytes() == b"bytes"
    assert one.digest.hex() == name


def test_folders_are_0700_and_files_0400_whatever_the_umask(root: Path) -> None:
    before = os.umask(0)
    try:
        store = LocalStore(root)
        store.prepare()
        records.write_study(store, STUDY, {})
        put(store, [b"one", b"two"])
        records.write_manifest(store, STUDY, IMPORT, [{"name": "x"}])
        store.deposit(STUDY, "2")
    finally:
        os.umask(before)
    modes = {(path.is_dir(), mode(path)) for path in everything(root)}
    assert modes == {(True, 0o700), (False, 0o400)}
    assert mode(root) == 0o700


def test_a_store_that_others_could_read_is_closed_to_them(root: Path) -> None:
    root.mkdir(parents=True, mode=0o755)
    LocalStore(root).prepare()
    assert mode(root) == 0o700


def test_nothing_is_in_place_before_it_is_settled(store: LocalStore) -> None:
    deposit = store.deposit(STUDY, IMPORT)
    file = deposit.new()
    file.write(b"x")
    stored = deposit.add(file)
    assert not is_there(store, stored)
    deposit.settle()
    assert is_there(store, stored)
    deposit.settle()
    assert read(store, stored) == b"x"
    deposit.close()


def test_the_same_bytes_twice_are_one_object_that_stays_as_it_is(store: LocalStore, root: Path) -> None:
    (one,) = put(store, [b"same"])
    objects = [path for path in (root / STUDY / "objects").rglob("*") if path.is_file()]
    before = objects[0].stat()
    assert put(store, [b"same", b"same"], name="2") == [one, one]
    after = objects[0].stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [path for path in (root / STUDY / "objects").rglob("*") if path.is_file()] == objects
    assert list((root / STUDY / "incoming").iterdir()) == []


def test_an_object_that_lost_bytes_is_made_whole_when_it_comes_again(store: LocalStore, root: Path) -> None:
    (one,) = put(store, [b"whole"])
    (path,) = (path for path in (root / STUDY / "objects").rglob("*") if path.is_file())
    path.chmod(0o600)
    path.write_bytes(b"wh")
    put(store, [b"whole"], name="2")
    assert read(store, one) == b"whole"
    assert mode(path) == 0o400


def test_settling_that_was_interrupted_can_be_done_again(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deposit = store.deposit(STUDY, IMPORT)
    stored = []
    for number in range(5):
        file = deposit.new()
        file.write(b"%d" % number)
        stored.append(deposit.add(file))
    replace, count = Path.replace, []

    def failing(self: Path, target: Path) -> Path:
        count.append(self)
        if len(count) == 3:
            raise OSError(5, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(Unavailable, match="the store cannot be written: Input/output error"):
        deposit.settle()
    deposit.settle()
    assert all(is_there(store, one) for one in stored)
    deposit.close()
    assert list((root / STUDY / "incoming").iterdir()) == []


def test_a_second_attempt_clears_what_the_first_left(store: LocalStore, root: Path) -> None:
    first = store.deposit(STUDY, IMPORT)
    first.new().close()
    file = first.new()
    file.write(b"half")
    first.add(file)
    other = store.deposit(STUDY, "2")
    other.new().close()
    # The first process is gone here; nobody closed its deposit.
    second = store.deposit(STUDY, IMPORT)
    assert list((root / STUDY / "incoming" / IMPORT).iterdir()) == []
    assert len(list((root / STUDY / "incoming" / "2").iterdir())) == 1, "another import is not touched"
    file = second.new()
    file.write(b"whole")
    stored = second.add(file)
    second.settle()
    assert read(store, stored) == b"whole"


def test_what_is_discarded_is_gone(store: LocalStore, root: Path) -> None:
    deposit = store.deposit(STUDY, IMPORT)
    file = deposit.new()
    file.write(b"no")
    deposit.discard(file)
    assert file.closed
    assert list((root / STUDY / "incoming" / IMPORT).iterdir()) == []
    deposit.settle()
    deposit.close()
    assert not (root / STUDY / "incoming" / IMPORT).exists()


def test_an_object_that_is_missing_is_damage(store: LocalStore, root: Path) -> None:
    with pytest.raises(Damaged, match="store is damaged") as caught:
        store.open(STUDY, StoredObject(bytes(32), 1))
    assert str(root) not in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_object_of_another_study_is_not_there(store: LocalStore) -> None:
    records.write_study(store, "other", {})
    (one,) = put(store, [b"bytes"], study="other")
    assert read(store, one, "other") == b"bytes"
    with pytest.raises(Damaged):
        store.open(STUDY, one)


def test_a_link_in_place_of_an_object_is_not_followed(store: LocalStore, root: Path, tmp_path: Path) -> None:
    (one,) = put(store, [b"bytes"])
    (path,) = (path for path in (root / STUDY / "objects").rglob("*") if path.is_file())
    (tmp_path / "elsewhere").write_bytes(b"not yours")
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unavailable):
        store.open(STUDY, one)


PLACE = {
    "exam": "E001", "series": "001_DCM_MR", "name": "00001.dcm", "series_identity": "0" * 32, "identity": "1" * 32,
    "sha256": "2" * 64,
}  # fmt: skip
ENTRIES = [
    PLACE | {"name": "00001.dcm", "headers": {"SeriesDescription": "käse \u2028 日本 \x85 \r\n", "n": 1.5}},
    PLACE | {"name": "00002.dcm", "headers": {"odd": "\ud800 half a character"}},
]


def test_a_manifest_comes_back_as_it_was_written(store: LocalStore) -> None:
    records.write_manifest(store, STUDY, "0000000001-00000001", ENTRIES)
    assert list(records.manifests(store, STUDY)) == ENTRIES


def test_a_manifest_is_one_line_an_entry_for_every_reader(store: LocalStore, root: Path) -> None:
    records.write_manifest(store, STUDY, IMPORT, ENTRIES)
    text = (root / STUDY / "manifests" / f"{IMPORT}.jsonl").read_bytes().decode()
    assert len(text.splitlines()) == 2
    assert [json.loads(line) for line in text.splitlines()] == ENTRIES


def test_manifests_come_in_the_order_of_import_and_a_second_attempt_replaces(store: LocalStore) -> None:
    for number in (2, 10, 1):
        records.write_manifest(store, STUDY, f"{number:010d}-{number:08d}", [PLACE | {"n": number}])
    records.write_manifest(store, STUDY, f"{2:010d}-{2:08d}", [PLACE | {"n": 22}])
    assert [entry["n"] for entry in records.manifests(store, STUDY)] == [1, 22, 10]


def test_a_manifest_that_was_cut_off_is_not_read(store: LocalStore, root: Path) -> None:
    """What a process that died while writing left has a name of its own."""
    records.write_manifest(store, STUDY, IMPORT, [PLACE | {"n": 1}])
    (root / STUDY / "manifests" / f".{IMPORT}.jsonl.1.tmp").write_bytes(b'{"n": ')
    assert [entry["n"] for entry in records.manifests(store, STUDY)] == [1]


def test_a_study_says_what_it_is(store: LocalStore, root: Path) -> None:
    about = json.loads((root / STUDY / "study.json").read_bytes())
    assert about == {"format": 1, "study": STUDY, "description": "a protocol"}
    put(store, [b"x"])
    records.write_study(store, STUDY, {"description": "new words"})
    assert json.loads((root / STUDY / "study.json").read_bytes())["description"] == "new words"
    assert len([path for path in (root / STUDY / "objects").rglob("*") if path.is_file()]) == 1


def test_a_full_disk_is_told_and_hurts_nothing(tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path / "disk", "size=2m") as disk:
        store = LocalStore(disk / "store")
        store.prepare()
        records.write_study(store, STUDY, {})
        (kept,) = put(store, [b"kept" * 1000])
        records.write_manifest(store, STUDY, IMPORT, [PLACE])
        _take_all_space(disk / "ballast")
        deposit = store.deposit(STUDY, "2")
        with pytest.raises(OutOfSpace, match="the disk is full; free some space and try again"):
            _add(deposit, b"x" * 1000)  # smaller than the buffer: the disk is asked when it is added
        file = deposit.new()
        with pytest.raises(OSError, match="No space left"):
            file.write(bytes(1 << 20))
        deposit.discard(file)
        assert list((disk / "store" / STUDY / "incoming" / "2").iterdir()) == []
        deposit.close()
        with pytest.raises(OutOfSpace):
            records.write_manifest(store, STUDY, f"{2:010d}-{2:08d}", [{"name": "x" * 5000}])
        assert list(records.manifests(store, STUDY)) == [PLACE]
        assert read(store, kept) == b"kept" * 1000
        (disk / "ballast").unlink()
        assert put(store, [b"more" * 1000], name="3")


def test_no_name_left_on_the_disk_is_told(tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path / "disk", "nr_inodes=12") as disk:
        store = LocalStore(disk / "store")
        store.prepare()
        records.write_study(store, STUDY, {})
        deposit = store.deposit(STUDY, "2")
        with pytest.raises(OutOfSpace):
            [_add(deposit, b"x") for _ in range(12)]
        deposit.close()
        assert put(store, [b"x"], name="3")


def _add(deposit: Deposit, content: bytes) -> StoredObject:
    file = deposit.new()
    file.write(content)
    return deposit.add(file)


def _take_all_space(ballast: Path) -> None:
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
