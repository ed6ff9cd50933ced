"""A backup is made while everything runs, costs what is new, survives being killed, and proves itself."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from catalog.audit import Actor
from catalog.database import Database
from catalog.database.tables import bin_entries, bin_files, files
from catalog.lifecycle.backup import is_running, newest, snapshot
from catalog.lifecycle.backup.check import Checked, check
from catalog.lifecycle.backup.create import Created, create
from catalog.lifecycle.backup.folder import BackupFolder
from catalog.lifecycle.backup.listed import named
from catalog.lifecycle.backup.running import Running
from catalog.pure.errors import Conflict, Damaged, OutOfSpace, Refused
from catalog.pure.generation import Mark
from catalog.store import steps
from catalog.store.local import LocalStore
from tests.binning import Binning
from tests.builders import BuiltArchive, built_in
from tests.catalog.disks import FragileDisk

if TYPE_CHECKING:
    from catalog.store import StoredObject

ROOT = Actor("root")
MARK = Mark("ab" * 16, 3)


class Kept:
    """An archive and its backup."""

    def __init__(self, built: BuiltArchive) -> None:
        self.built, self.database, self.store = built, built.database, built.store
        for study in ("S", "T"):
            built.study(study)
            built.add_series(f"{study}/E/001_RAW", {"1.raw": b"one " + study.encode(), "2.raw": b"two " * 500_000})
        self.folder = BackupFolder(built.folder / "backup")
        self.copy = LocalStore(self.folder.path / "store")

    def create(self, **how: object) -> Created:
        self.folder.prepare(MARK.archive, [self.built.folder / "var/store"])
        self.copy.prepare()
        with self.folder.locked():
            return create(self.database, self.store, self.folder, self.copy, MARK, ROOT, **how)  # type: ignore[arg-type]

    def check(self, *, deep: bool = True) -> Checked:
        return check(self.folder, self.copy, self.database, deep=deep, bar=lambda _: lambda _: None)

    def object(self, content: bytes, study: str = "S", root: str = "var/store") -> Path:
        digest = hashlib.sha256(content).hexdigest()
        return self.built.folder / root / study / "objects" / digest[:2] / digest


@pytest.fixture
def kept(built_anywhere: BuiltArchive) -> Kept:
    return Kept(built_anywhere)


@pytest.fixture
def kept_on_sqlite(built: BuiltArchive) -> Kept:
    return Kept(built)


def rows(database: Database) -> list[tuple[object, ...]]:
    return [tuple(row) for row in database.rows(sa.select(files).order_by(files.c.id))]


def test_a_backup_has_the_catalogue_and_every_object_that_it_names(kept: Kept) -> None:
    made = kept.create()
    assert (made.copied.objects, made.copied.damaged) == (4, 0)
    found = kept.check()
    assert (found.studies, found.files, found.lacking) == (2, 4, [])
    with snapshot.opened(kept.folder.catalogues / made.about.catalogue, kept.database) as copy:
        assert rows(copy) == rows(kept.database)
    assert kept.copy.studies() == ["S", "T"]
    assert kept.folder.path.stat().st_mode & 0o777 == 0o700
    assert newest(kept.database) == made.about.began


def test_what_is_there_already_is_not_read_again(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.create()
    kept.built.add_series("S/E/002_RAW", {"3.raw": b"three"})
    opened: list[StoredObject] = []
    reading = kept.store.open
    monkeypatch.setattr(
        kept.store, "open", lambda study, stored, **how: (opened.append(stored), reading(study, stored, **how))[1]
    )
    asked: list[bytes] = []
    stat = kept.copy.stat
    monkeypatch.setattr(kept.copy, "stat", lambda study, digest: (asked.append(digest), stat(study, digest))[1])
    made = kept.create()
    assert (made.copied.objects, made.copied.bytes) == (1, 5)
    assert [stored.size for stored in opened] == [5]
    assert asked == [hashlib.sha256(b"three").digest()]
    assert kept.check().lacking == []


def test_one_that_was_broken_off_is_gone_on_with(kept_on_sqlite: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = kept_on_sqlite
    settled: list[str] = []
    deposit = kept.copy.deposit

    def full_behind_the_first(study: str, name: str) -> object:
        if settled:
            raise OutOfSpace("the disk is full")
        settled.append(study)
        return deposit(study, name)

    monkeypatch.setattr(kept.copy, "deposit", full_behind_the_first)
    with pytest.raises(OutOfSpace):
        kept.create()
    assert (kept.folder.about(), newest(kept.database), is_running(kept.database)) == (None, None, False)
    with pytest.raises(Refused, match="no complete backup"):
        kept.check()
    monkeypatch.undo()
    assert kept.create().copied.objects == 2
    assert kept.check().lacking == []


def test_what_is_damaged_is_named_and_comes_with_the_next_backup_once_it_is_good(kept: Kept) -> None:
    path = kept.object(b"one S")
    path.chmod(0o600)
    path.write_bytes(b"one X")
    kept.object(b"one T", "T").rename(kept.built.folder / "elsewhere")
    made = kept.create()
    assert (made.copied.objects, made.copied.damaged) == (2, 2)
    assert {(one.study, one.fault) for one in kept.check().lacking} == {("S", "missing"), ("T", "missing")}
    path.write_bytes(b"one S")
    made = kept.create()
    assert (made.copied.objects, made.copied.damaged) == (1, 1)
    assert [one.study for one in kept.check().lacking] == ["T"]


def test_the_drill_finds_what_the_backup_lost(kept: Kept) -> None:
    kept.create()
    path = kept.object(b"one S", root="backup/store")
    path.chmod(0o600)
    path.write_bytes(b"one X")
    assert kept.check(deep=False).lacking == []
    (lacking,) = kept.check().lacking
    assert (lacking.study, lacking.fault, lacking.digest) == ("S", "damaged", hashlib.sha256(b"one S").digest())
    path.unlink()
    (lacking,) = kept.check(deep=False).lacking
    assert lacking.fault == "missing"
    snapshot_file = next(kept.folder.catalogues.iterdir())
    snapshot_file.chmod(0o600)
    snapshot_file.write_bytes(snapshot_file.read_bytes()[:3000])
    with pytest.raises(Damaged):
        kept.check()


def test_files_in_the_bin_are_backed_up_too(kept: Kept) -> None:
    first = kept.database.row(sa.select(files).where(files.c.id == 1))
    assert first is not None
    entry = {
        "study_id": 1, "exam_id": 1, "exam": "E", "kind": "file", "target": 1, "path": "E", "state": "binned", "problem": "",
        "reason": "", "put_by": "ada", "put": 1, "expires": None, "files": 1, "bytes": 5, "oldest": 1, "asked_by": "ada",
        "asked": 1, "put_follows": 0, "follows": 0, "override_by": "", "ended": None,
    }  # fmt: skip
    columns = {name: value for name, value in first._mapping.items() if name != "id"}
    with kept.database.write() as connection:
        row = connection.execute(bin_entries.insert().values(entry).returning(bin_entries.c.id)).scalar_one()
        connection.execute(bin_files.insert().values(bin_id=row, row_id=first.id, **columns))
        connection.execute(files.delete().where(files.c.id == 1))
    assert kept.create().copied.objects == 4
    kept.object(b"one S", root="backup/store").unlink()
    assert [one.fault for one in kept.check().lacking] == ["missing"]


def test_records_that_were_replaced_are_copied_again(kept: Kept) -> None:
    kept.store.write_record("S", "manifests/1-1.jsonl", [b"{}\n"])
    kept.create()
    kept.store.write_record("S", "manifests/1-1.jsonl", [b'{"a": 1}\n'])
    kept.store.write_record("S", "study.json", [b"{}\n"])
    assert kept.create().records == 2
    assert list(kept.copy.read_record("S", "manifests/1-1.jsonl")) == [b'{"a": 1}\n']
    assert kept.create().records == 0


def test_what_waits_at_the_gate_is_mirrored_only_if_that_is_asked_for(kept_on_sqlite: Kept, tmp_path: Path) -> None:
    kept = kept_on_sqlite
    staging = tmp_path / "var/staging"
    (staging / "drops/k/files").mkdir(parents=True)
    (staging / "secret.key").write_text("a key")
    (staging / "drops/k/a").write_text("bytes")
    (staging / "drops/k/files/1").hardlink_to(staging / "drops/k/a")
    kept.create()
    assert not kept.folder.staging.exists()
    kept.create(staging=(staging, kept.folder.staging))
    copy = kept.folder.staging
    assert (copy / "drops/k/files/1").samefile(copy / "drops/k/a")
    assert (copy / "drops/k/a").read_text() == "bytes"
    assert not list(kept.folder.path.rglob("secret.key"))
    assert copy.stat().st_mode & 0o777 == 0o700
    (staging / "drops/k/a").unlink()
    (staging / "drops/k/files/1").unlink()
    kept.create(staging=(staging, kept.folder.staging))
    assert [path for path in copy.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda path: (path / "letter.txt").write_text("x"), "not empty"),
        (lambda path: BackupFolder(path).prepare("cd" * 16, []), "another archive"),
    ],
)
def test_a_folder_that_holds_something_else_is_refused(
    kept_on_sqlite: Kept, prepare: Callable[[Path], object], says: str
) -> None:
    kept_on_sqlite.folder.path.mkdir()
    prepare(kept_on_sqlite.folder.path)
    with pytest.raises(Refused, match=says):
        kept_on_sqlite.create()


def test_a_backup_lies_outside_the_archive(kept_on_sqlite: Kept) -> None:
    store = kept_on_sqlite.built.folder / "var/store"
    for inside in (store, store / "S", store / "new/folder"):
        with pytest.raises(Refused, match="inside the archive"):
            BackupFolder(inside).prepare(MARK.archive, [store])
    assert not (store / "new").exists()


def test_two_backups_do_not_use_one_folder_at_once(kept_on_sqlite: Kept) -> None:
    kept_on_sqlite.create()
    with kept_on_sqlite.folder.locked(), pytest.raises(Conflict, match="runs"):
        kept_on_sqlite.create()


def test_it_is_known_that_a_backup_runs_but_not_for_ever_if_it_was_killed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_running(database)
    running = Running(database)
    assert is_running(database)
    monkeypatch.setattr("catalog.clock.now", lambda: running.began + 601)
    assert not is_running(database)
    running.beat()
    assert is_running(database)
    monkeypatch.setattr("catalog.clock.now", lambda: running.began - 86400)  # a clock that jumped
    assert not is_running(database)
    monkeypatch.undo()
    running.break_off()
    assert not is_running(database)


def test_some_older_catalogues_are_kept(kept_on_sqlite: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    for second in range(4):
        monkeypatch.setattr("catalog.clock.now", lambda second=second: 1_700_000_000 + second)
        kept_on_sqlite.create(keep=2)
    names = sorted(path.name for path in kept_on_sqlite.folder.catalogues.iterdir())
    assert names == ["20231114T221322Z.db", "20231114T221323Z.db"]
    assert json.loads((kept_on_sqlite.folder.path / "archimed-backup.json").read_bytes())["catalogue"] == names[-1]


def test_a_page_of_files_never_ends_the_list(kept_on_sqlite: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.lifecycle.backup.listed._PAGE", 1)
    assert [one.row for one in named(kept_on_sqlite.database)] == [1, 2, 3, 4]
    assert [one.row for one in named(kept_on_sqlite.database, after=1, until=3)] == [2, 3]


def test_a_backup_that_is_said_to_be_complete_survives_a_power_cut(kept_on_sqlite: Kept, tmp_path: Path) -> None:
    kept = kept_on_sqlite
    disk = FragileDisk(tmp_path)
    try:
        kept.folder = BackupFolder(disk.folder / "backup")
        kept.copy = LocalStore(disk.folder / "backup/store")
        for again in range(2):
            kept.create()
            disk.cut()
            assert kept.check().lacking == []
            kept.built.add_series("S/E/002_RAW", {f"{again}.raw": b"three %d" % again})
    finally:
        disk.unmount()


def test_a_purge_survives_a_power_cut_and_says_no_more_than_it_did(tmp_path: Path) -> None:
    """What is purged is gone, or its entry is there to be purged again; the manifests say the same."""
    disk = FragileDisk(tmp_path)
    try:
        with built_in(disk.folder) as built:
            built.study("S")
            built.user("ada")
            built.grant("ada", "S")
            built.add_series("S/E/001_RAW", {"1.raw": b"one", "2.raw": b"two"})
            binning = Binning(built)
            entry = binning.put("S/E/001_RAW/1.raw")
            binning.purge(entry.id)
        disk.cut()
        database = Database(f"sqlite:///{disk.folder}/var/catalog.db")
        store = LocalStore(disk.folder / "var/store")
        row = database.row(sa.select(bin_entries.c.state))
        assert row is not None
        assert row.state == "purged"
        assert len(store.list("S")) == 1
        assert [told.is_end for told in steps.read_all(store, "S")] == [True]
        database.close()
    finally:
        disk.unmount()
