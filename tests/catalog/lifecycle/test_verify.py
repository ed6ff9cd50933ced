"""Bytes that changed, went or came from nowhere are found, cannot be read, and come back from a good copy."""

import hashlib
import shutil
from pathlib import Path

import pytest

from catalog.audit import Actor
from catalog.changes import ChangeKind, newest, since
from catalog.jobs import JobKind, enqueue
from catalog.lifecycle.repair import repair
from catalog.lifecycle.verify import Fault, Verifier, broken_off, count, findings, proofs, unproved
from catalog.pure.errors import Damaged, NotFound
from catalog.pure.nodes import Kind
from catalog.store.local import LocalStore
from tests.builders import BuiltArchive

ROOT = Actor("root")
FILES = {"00001.raw": b"one", "00002.raw": b"two " * 500_000, "00003.raw": b""}
ROUND = 1_700_000_000


class Kept:
    """An archive of two studies, and its objects on disk."""

    def __init__(self, built: BuiltArchive) -> None:
        self.built, self.database, self.store = built, built.database, built.store
        for study in ("S", "T"):
            self.row = built.study(study)
            built.add_series(f"{study}/E/001_RAW", FILES)
        built.user("ada")
        built.grant("ada", "S")

    def object(self, name: str, study: str = "S") -> Path:
        digest = hashlib.sha256(FILES[name]).hexdigest()
        return self.built.folder / "var/store" / study / "objects" / digest[:2] / digest

    def verify(self, study: str = "S", **how: bool) -> list[tuple[Fault, str]]:
        Verifier(self.database, self.store, round_began=ROUND).verify(study, lambda _: None, **how)
        return [(found.fault, found.path) for found in findings(self.database, study)]

    def read(self, name: str) -> bytes:
        view = self.built.view("ada")
        opened = view.open(view.resolve(f"S/E/001_RAW/{name}").id)
        try:
            return opened.read_at(0, 1 << 22)
        finally:
            opened.close()


@pytest.fixture
def kept(built_anywhere: BuiltArchive) -> Kept:
    return Kept(built_anywhere)


def rewrite(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(content)


def test_an_archive_in_order_has_no_findings_and_says_how_far_it_is_proved(kept: Kept) -> None:
    assert unproved(kept.database, ROUND) == ["S", "T"]
    assert kept.verify() == []
    (proof,) = proofs(kept.database)
    assert (proof.study, proof.objects, proof.bytes) == ("S", 3, sum(map(len, FILES.values())))
    assert proof.ended is not None
    assert unproved(kept.database, ROUND) == ["T"]
    assert broken_off(kept.database) is None
    with pytest.raises(NotFound):
        kept.verify("nothing")


def test_a_flipped_bit_is_found_set_aside_and_announced(kept: Kept) -> None:
    path = kept.object("00002.raw")
    rewrite(path, FILES["00002.raw"][:-1] + b"x")
    seen = newest(kept.database)
    assert kept.verify() == [(Fault.DAMAGED, "E/001_RAW/00002.raw")]
    with pytest.raises(Damaged):
        kept.read("00002.raw")
    assert kept.read("00001.raw") == b"one"
    assert path.with_name(f"{path.name}.damaged").exists(), "it is kept for who looks into it"
    (change,) = since(kept.database, seen)
    assert (change.kind, change.folder and change.folder.kind, change.name) == (ChangeKind.GONE, Kind.SERIES, "00002.raw")
    assert kept.verify() == [(Fault.DAMAGED, "E/001_RAW/00002.raw")], "once known, it stays known"
    assert kept.verify("T") == []


def test_a_cut_file_is_no_wrong_bytes_before_anybody_verified(kept: Kept) -> None:
    rewrite(kept.object("00002.raw"), b"two ")
    with pytest.raises(Damaged, match="cut or changed"):
        kept.read("00002.raw")
    assert kept.verify() == [(Fault.DAMAGED, "E/001_RAW/00002.raw")]


def test_missing_and_unknown_objects_are_found_and_forgotten_when_they_are_right(kept: Kept) -> None:
    path = kept.object("00001.raw")
    path.rename(kept.built.folder / "away")
    stray = path.parent / path.name
    rewrite_unknown(kept)
    assert {fault for fault, _ in kept.verify()} == {Fault.MISSING, Fault.UNKNOWN}
    assert count(kept.database) == 2
    (kept.built.folder / "away").rename(stray)
    assert [fault for fault, _ in kept.verify()] == [Fault.UNKNOWN]


def rewrite_unknown(kept: Kept, study: str = "S") -> None:
    deposit = kept.store.deposit(study, "stray")
    file = deposit.new()
    file.write(b"nobody's")
    deposit.add(file)
    deposit.settle()
    deposit.close()


def test_objects_of_a_running_import_are_not_unknown(kept: Kept) -> None:
    rewrite_unknown(kept, "T")
    with kept.database.write() as connection:
        enqueue(connection, JobKind.PUBLISH, study_id=kept.row)
    assert kept.verify("T") == []


def test_a_round_that_was_broken_off_goes_on_where_it_was(kept: Kept) -> None:
    class Enough(Exception):
        pass

    kept.built.add_series("S/F/001_RAW", {f"{number}.raw": b"%d" % number for number in range(600)})
    verifier = Verifier(kept.database, kept.store, round_began=ROUND)
    progress = [0]

    def stop_behind_the_first_page(size: int) -> None:
        progress[0] += 1
        if progress[0] > 550:
            raise Enough

    with pytest.raises(Enough):
        verifier.verify("S", stop_behind_the_first_page)
    assert broken_off(kept.database) == ROUND
    again = [0]

    def counted(_: int) -> None:
        again[0] += 1

    verifier.verify("S", counted, resume=True)
    assert again[0] < 150, "what was proved is not read again"
    (proof,) = proofs(kept.database)
    assert proof.objects == 603


def test_a_good_copy_comes_back_from_a_backup_and_a_bad_one_does_not(kept: Kept) -> None:
    shutil.copytree(kept.built.folder / "var/store", kept.built.folder / "good")
    shutil.copytree(kept.built.folder / "var/store", kept.built.folder / "bad")
    path = kept.object("00002.raw")
    bad = kept.built.folder / "bad" / path.relative_to(kept.built.folder / "var/store")
    for each in (path, bad):
        rewrite(each, FILES["00002.raw"][:-1] + b"x")
    kept.verify()
    copies = [LocalStore(kept.built.folder / "bad")]
    assert [one.is_good for one in repair(kept.database, kept.store, ROOT, copies)] == [False]
    copies.append(LocalStore(kept.built.folder / "good"))
    seen = newest(kept.database)
    assert [one.is_good for one in repair(kept.database, kept.store, ROOT, copies)] == [True]
    assert kept.read("00002.raw") == FILES["00002.raw"]
    assert path.stat().st_mode & 0o777 == 0o400
    assert [change.kind for change in since(kept.database, seen)] == [ChangeKind.PUBLISHED]
    assert kept.verify() == []
    assert list(repair(kept.database, kept.store, ROOT, copies)) == []
