"""What no batch has is set aside, can be taken up again, and is erased by a person or after a long time only."""

import os
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from catalog import administration, clock
from catalog.database.tables import batches, staged_files
from catalog.gate.drops.inbox import Inbox, Inboxes
from catalog.gate.drops.quota import Limits
from catalog.gate.receive.intake import Intake
from catalog.gate.staged.orphans import Kind, Orphan
from catalog.gate.sweep import Sweeper
from catalog.pure.errors import NotFound, Unavailable
from tests.catalog.gate.conftest import Gate, put
from tests.synthetic import image

KEEP = 90 * 86400
_NEWEST = sa.select(sa.func.max(staged_files.c.id)).scalar_subquery()


def sweep(gate: Gate) -> list[Orphan]:
    Sweeper(gate.database, gate.staging, keep_seconds=KEEP).sweep()
    return gate.staging.orphans.all()


def contents(gate: Gate, orphan: Orphan) -> dict[str, bytes]:
    folder = gate.staging.orphans.files(orphan.id)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def forgetful(gate: Gate) -> Iterator[Gate]:
    """A gate whose receiver has ended, and whose catalogue can lose rows."""
    yield gate
    gate.intake._session = gate.staging.session()


def forget(gate: Gate) -> None:
    with gate.database.write() as connection:
        connection.execute(staged_files.delete())
        connection.execute(batches.delete())


def test_received_files_whose_rows_are_gone_are_set_aside_whole(forgetful: Gate) -> None:
    gate = forgetful
    first, second = image(instance=1), image(instance=2)
    gate.receive(first, second)
    gate.intake.close()
    assert sweep(gate) == []
    forget(gate)
    (orphan,) = sweep(gate)
    assert (orphan.kind, orphan.files, orphan.bytes) == (Kind.RECEIVED, 2, len(first) + len(second))
    assert sorted(contents(gate, orphan).values()) == sorted([first, second])
    assert sweep(gate) == [orphan]


def test_a_row_keeps_its_file_beside_one_that_has_none(forgetful: Gate) -> None:
    gate = forgetful
    kept = image(instance=1)
    batch = gate.receive(kept, image(instance=2))
    gate.intake.close()
    with gate.database.write() as connection:
        connection.execute(staged_files.delete().where(staged_files.c.id == _NEWEST))
    (orphan,) = sweep(gate)
    assert orphan.files == 1
    (row,) = gate.database.rows(sa.select(staged_files.c.file).where(staged_files.c.batch_id == batch))
    assert gate.staging.path(row.file).read_bytes() == kept


def test_a_session_that_lost_its_lock_loses_nothing_else(forgetful: Gate) -> None:
    gate = forgetful
    gate.receive(image())
    gate.intake.close()
    forget(gate)
    for lock in (gate.built.folder / "var/staging/received").glob("*/.lock"):
        lock.unlink()
    (orphan,) = sweep(gate)
    assert orphan.files == 1


def test_a_dropped_folder_that_no_batch_has_keeps_its_names(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "raw/meas.dat", b"bytes")
    (drop,) = (gate.built.folder / "var/staging/drops").iterdir()
    forget(gate)
    assert sweep(gate) == [], "it was changed a moment ago"
    os.utime(drop, (0, 0))
    (orphan,) = sweep(gate)
    assert (orphan.kind, contents(gate, orphan)) == (Kind.DROPPED, {"raw/meas.dat": b"bytes"})
    assert not drop.exists()


def test_what_was_set_aside_goes_after_a_long_time_and_never_by_a_clock_that_was_set_back(
    forgetful: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = forgetful
    gate.receive(image())
    gate.intake.close()
    forget(gate)
    now = clock.now()
    assert len(sweep(gate)) == 1
    for seconds, left in ((KEEP - 60, 1), (-KEEP, 1), (KEEP + 60, 0)):
        monkeypatch.setattr(clock, "now", lambda later=seconds: now + later)
        assert len(sweep(gate)) == left


def test_an_id_is_no_path(gate: Gate) -> None:
    for name in ("", "..", "../received", "0" * 8):
        with pytest.raises(NotFound):
            gate.staging.orphans.files(name)


def test_half_written_files_with_identities_in_them_go(gate: Gate) -> None:
    folder = gate.built.folder / "var/staging/batches"
    dead, living, young = (folder / f".{name}.tmp" for name in ("1.json.4194305", f"2.json.{os.getpid()}", "3.json.4194305"))
    for path in (dead, living, young):
        path.write_text("Doe^Jane")
    for path in (dead, living):
        os.utime(path, (clock.now() - 600, clock.now() - 600))
    sweep(gate)
    assert [path.exists() for path in (dead, living, young)] == [False, True, True]


def test_nothing_is_received_or_dropped_while_the_places_are_not_of_one_age(gate: Gate) -> None:
    def guard() -> None:
        raise Unavailable("the catalogue is older than the store")

    intake = Intake(gate.database, gate.staging, guard)
    with pytest.raises(Unavailable, match="older"):
        intake.begin(gate.source)
    intake.close()
    inboxes = Inboxes(gate.database, gate.staging, Limits(), guard)
    inbox = inboxes.of(administration.principal(gate.database, "ada"))
    with pytest.raises(Unavailable, match="older"):
        inbox.make_folder(("2008-0003", "E001"))
    inboxes.close()
    assert list((gate.built.folder / "var/staging/drops").iterdir()) == []


def test_a_commit_whose_answer_was_lost_keeps_the_bytes(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    insert = gate.intake._insert_together

    def committed_and_cut_off(group: object) -> None:
        insert(group)  # type: ignore[arg-type] # as it is called
        raise Unavailable("the connection broke")

    monkeypatch.setattr(gate.intake, "_insert_together", committed_and_cut_off)
    batch = gate.receive(content := image())
    (row,) = gate.database.rows(sa.select(staged_files.c.file).where(staged_files.c.batch_id == batch))
    assert gate.staging.path(row.file).read_bytes() == content


def test_a_file_is_kept_when_nobody_can_say_whether_it_has_a_row(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Unavailable("the catalogue does not answer")

    incoming = gate.intake.begin(gate.source)
    os.write(incoming.fd, b"bytes")
    with monkeypatch.context() as broken:
        broken.setattr(gate.intake, "_insert_together", away)
        broken.setattr(gate.database, "row", away)
        with pytest.raises(Unavailable):
            incoming.commit("1")
    path = gate.staging.path(incoming.file)
    assert path.read_bytes() == b"bytes"
