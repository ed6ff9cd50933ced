"""When a dropped batch is sealed, and what that keeps away; how stock is taken of it; how it ends."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from catalog.database.tables import batches, staged_files
from catalog.gate.drops import sealing
from catalog.gate.drops.inbox import Inbox, Inboxes
from catalog.gate.sweep import Sweeper
from catalog.pure.batches import State
from catalog.pure.errors import NotFound, Refused, Sealed
from tests.catalog.gate.conftest import STUDY, Gate, put
from tests.synthetic import image

PLACE = (STUDY, "E001")


def folder_of(gate: Gate, batch: int = 1) -> Path:
    row = gate.database.row(sa.select(batches.c.drop_folder).where(batches.c.id == batch))
    assert row is not None
    return gate.staging.drop(row.drop_folder).path


def make_quiet(gate: Gate, batch: int = 1, seconds: float = 61.0) -> None:
    then = time.time() - seconds
    os.utime(folder_of(gate, batch) / "open", (then, then))


def names_in(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_a_batch_is_known_by_numbers_alone(gate: Gate, inbox: Inbox, inboxes: Inboxes) -> None:
    put(inbox, "Meier_Hans/scan.dat", b"123")
    inboxes.close()
    info = gate.review.info(1)
    assert (info.state, info.study, info.exam, info.files, info.bytes) == ("open", STUDY, "E001", 1, 3)
    gate.review.seal(1)
    gate.work()
    everything = [str(row) for table in (batches, staged_files) for row in gate.database.rows(sa.select(table))]
    assert "Meier" not in "".join(everything)


def test_an_open_file_keeps_its_batch_open(gate: Gate, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    put(inbox, "a", b"1")
    handle = inbox.write((*PLACE, "a"))
    make_quiet(gate)
    gate.deadlines.seal_quiet()
    monkeypatch.setattr(sealing, "WAIT_SECONDS", 0.0)
    with pytest.raises(Refused, match="still open"):
        sealing.close_to_writers(gate.database, gate.staging, 1, wait_seconds=0.0)
    assert gate.review.info(1).state is State.OPEN
    handle.write(b"2", 0)
    handle.close()
    gate.review.seal(1)
    assert gate.review.info(1).state is State.SEALED


def test_sealing_waits_for_what_is_just_being_closed(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "a", b"1")
    handle = inbox.write((*PLACE, "a"))
    begun = threading.Event()

    def seal() -> None:
        begun.set()
        gate.review.seal(1)

    thread = threading.Thread(target=seal)
    thread.start()
    begun.wait()
    handle.write(b"late", 0)
    handle.close()
    thread.join()
    assert gate.review.info(1).state is State.SEALED
    with pytest.raises(Sealed):
        inbox.write((*PLACE, "a"))


def test_a_program_of_another_process_counts_too(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "a", b"1")
    path = folder_of(gate)
    code = (
        "import sys; from pathlib import Path; from catalog.gate.staged.drop_folder import DropFolder\n"
        f"drop = DropFolder(Path({str(path)!r})); drop.begin_writing(); print('writing', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"writing\n"
        with pytest.raises(Refused):
            sealing.close_to_writers(gate.database, gate.staging, 1, wait_seconds=0.0)
        other.kill()
        other.wait()
    gate.review.seal(1)


def test_quiet_batches_with_files_are_sealed(gate: Gate, inbox: Inbox) -> None:
    gate.deadlines.seal_quiet()
    make_quiet(gate)
    gate.deadlines.seal_quiet()
    assert gate.review.info(1).state is State.OPEN, "there is nothing in it"
    put(inbox, "sub/a", b"1")
    gate.deadlines.seal_quiet()
    assert gate.review.info(1).state is State.OPEN, "it was just written to"
    make_quiet(gate)
    gate.deadlines.seal_quiet()
    info = gate.review.info(1)
    assert (info.state, info.files, info.bytes) == (State.SEALED, 1, 1)
    gate.work()
    assert gate.review.info(1).state is State.CHECKED


def test_a_clock_set_back_begins_the_quiet_time_anew(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "a", b"1")
    make_quiet(gate, seconds=-86400.0)
    gate.deadlines.seal_quiet()
    assert abs(gate.staging.drop(folder_of(gate).name).last_change() - time.time()) < 60
    make_quiet(gate)
    gate.deadlines.seal_quiet()
    assert gate.review.info(1).state is State.SEALED


def test_an_empty_batch_is_not_sealed(gate: Gate, inbox: Inbox) -> None:
    inbox.make_folder((*PLACE, "sub"))
    with pytest.raises(Refused, match="no file"):
        gate.review.seal(1)
    put(inbox, "sub/a", b"1")
    gate.review.seal(1)


def test_a_crash_between_folder_and_catalogue_is_finished_by_the_worker(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "a", b"1")
    gate.staging.drop(folder_of(gate).name).seal()
    assert gate.review.info(1).state is State.OPEN
    gate.deadlines.seal_quiet()
    assert gate.review.info(1).state is State.SEALED


def test_stock_is_the_same_each_time_and_names_stay_in_staging(gate: Gate, inbox: Inbox) -> None:
    for name, content in (("b/2", b"two"), ("b/1", b"one"), ("a", b"zero"), ("\udcff\udcfe", b"bytes"), ("b/ü", b"u")):
        put(inbox, name, content)
    gate.review.seal(1)
    sealing.take_stock(gate.database, gate.staging, 1)
    sealing.take_stock(gate.database, gate.staging, 1)
    gate.staging.drop(folder_of(gate).name).take_stock()
    rows = gate.database.rows(sa.select(staged_files.c.file, staged_files.c.size).order_by(staged_files.c.id))
    found = {gate.staging.name_of(row.file): gate.staging.path(row.file).read_bytes() for row in rows}
    assert found == {"a": b"zero", "b/1": b"one", "b/2": b"two", "b/ü": b"u", "\udcff\udcfe": b"bytes"}
    assert [row.size for row in rows] == [len(gate.staging.path(row.file).read_bytes()) for row in rows]
    assert list(found) == ["a", "b/1", "b/2", "b/ü", "\udcff\udcfe"]


def test_what_no_program_closed_is_known_as_unfinished(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "whole", b"1")
    handle = inbox.write((*PLACE, "partial"), create=True)
    handle.write(b"1", 0)
    handle.close(is_whole=False)
    assert [entry.is_unfinished for entry in inbox.children(PLACE)] == [True, False]
    again = inbox.write((*PLACE, "whole"))
    again.write(b"2", 0)
    assert inbox.stat((*PLACE, "whole")).is_unfinished
    again.close()
    gate.review.seal(1)
    sealing.take_stock(gate.database, gate.staging, 1)
    rows = gate.database.rows(sa.select(staged_files.c.file).order_by(staged_files.c.id))
    assert [(gate.staging.name_of(row.file), gate.staging.is_unfinished(row.file)) for row in rows] == [
        ("partial", True), ("whole", False),
    ]  # fmt: skip
    gate.work()
    assert [finding["check"] for finding in gate.review.info(1).findings].count("finished") == 1


def test_an_expired_rejection_erases_all(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "sub/a", b"1")
    path = folder_of(gate)
    gate.review.seal(1)
    gate.work()
    gate.review.reject(1, "not wanted")
    gate.work()
    assert path.exists()
    gate.deadlines.expire_rejected()
    gate.work()
    assert not path.exists()
    with pytest.raises(NotFound):
        inbox.stat(PLACE)


def test_an_expired_rejection_of_what_was_open_erases_all(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "sub/a", b"1")
    path = folder_of(gate)
    gate.review.reject(1, "not wanted")
    gate.work()
    assert path.exists()
    gate.deadlines.expire_rejected()
    gate.work()
    assert not path.exists()
    with pytest.raises(NotFound):
        inbox.write((*PLACE, "late"), create=True)


def test_published_files_leave_the_folder_and_the_rest_stays(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "dicom/1", image(instance=1))
    put(inbox, "dicom/2", image(instance=2))
    put(inbox, "dicom/broken", image(instance=3)[:200])
    path = folder_of(gate)
    gate.review.seal(1)
    gate.work()
    gate.review.accept(1, STUDY, "E001")
    gate.work()
    assert gate.review.info(1).state is State.PUBLISHED
    assert gate.names(f"{STUDY}/E001/003_DCM_MR_t1_mprage_sag") == ["00001.dcm", "00002.dcm"]
    left = gate.review.info(2)
    assert (left.state, left.follows, left.files) == (State.CHECKED, 1, 1)
    assert [entry.name for entry in inbox.children((*PLACE, "dicom"))] == ["broken"]
    with pytest.raises(Sealed):
        inbox.remove((*PLACE, "dicom", "broken"))
    gate.review.reject(2, "broken")
    gate.deadlines.expire_rejected()
    gate.work()
    assert not path.exists()
    assert gate.staging.all_drops() == []


def test_reviewers_see_received_batches_of_their_source(gate: Gate, inbox_of: Callable[[str], Inbox]) -> None:
    gate.checked(image(instance=1), image(instance=2))
    assert inbox_of("ada").children((STUDY,)) == []  # it belongs to no study yet
    with gate.database.write() as connection:
        study = connection.execute(sa.text("select id from studies where code = '2008-0003'")).scalar_one()
        connection.execute(batches.update().values(study_id=study))
    place = (STUDY, "_review", "1")
    assert [entry.name for entry in inbox_of("ada").children(place)] == ["00001.dcm", "00002.dcm"]
    handle = inbox_of("ada").open((*place, "00001.dcm"))
    assert os.pread(handle.fd, 1 << 20, 0) == image(instance=1)
    handle.close()
    for login in ("bob", "lea"):
        with pytest.raises(NotFound):
            inbox_of(login).stat(place)


def test_folders_that_no_batch_has_are_swept(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "a", b"1")
    orphan = gate.staging.make_drop().path
    Sweeper(gate.database, gate.staging, keep_seconds=60).sweep()
    assert orphan.exists(), "it was just made: its batch may follow"
    for path in (orphan, folder_of(gate)):
        os.utime(path, (0, 0))
    Sweeper(gate.database, gate.staging, keep_seconds=60).sweep()
    assert names_in(orphan.parent) == [folder_of(gate).name]
