"""Receiving: what is committed is there, once, and what is not leaves nothing."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from catalog.audit import entries
from catalog.database.tables import audit, batches, sources, staged_files
from catalog.gate.receive.intake import Intake, SourceRef
from catalog.gate.staged.area import Staging
from catalog.pure.errors import Unavailable
from tests.builders import BuiltArchive


@pytest.fixture
def source(built_anywhere: BuiltArchive) -> SourceRef:
    with built_anywhere.database.write() as connection:
        for name, ae_title, host in (("MR1", "MR1", ""), ("MR1b", "MR1", "10.0.0.7")):
            connection.execute(
                sources.insert().values(name=name, name_key=name.lower(), ae_title=ae_title, host=host, created=0)
            )
    return SourceRef(1, "MR1")


def send(intake: Intake, source: SourceRef, uid: str, content: bytes) -> None:
    incoming = intake.begin(source)
    os.write(incoming.fd, content)
    incoming.commit(uid)


def staged(built: BuiltArchive, staging: Staging) -> list[tuple[int, bytes]]:
    rows = built.database.rows(sa.select(staged_files).order_by(staged_files.c.id))
    return [(row.batch_id, staging.path(row.file).read_bytes()) for row in rows]


def on_disk(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "var/staging/received").glob("*/[0-9]*")]


def test_a_source_is_known_by_title_and_the_closest_address(source: SourceRef, intake: Intake) -> None:
    assert intake.source_for("MR1 ", "127.0.0.1") == source
    assert intake.source_for("MR1", "10.0.0.7") == SourceRef(2, "MR1b")
    assert intake.source_for("MR2", "127.0.0.1") is None


def test_a_refusal_is_audited(built_anywhere: BuiltArchive, intake: Intake) -> None:
    intake.refuse("STRANGER", "10.1.1.1")
    row = built_anywhere.database.row(sa.select(audit))
    assert row is not None
    assert (row.action, row.subject) == ("dicom.refused", "STRANGER")


def test_a_flood_of_refusals_is_a_few_entries(built_anywhere: BuiltArchive, intake: Intake, staging: Staging) -> None:
    for number in range(500):
        intake.refuse(f"STRANGER{number % 20}", "10.1.1.1")
    assert len(entries(built_anywhere.database)) == 1
    intake.close()
    intake._session = staging.session()  # the fixture closes it
    found = entries(built_anywhere.database)
    assert len(found) == 10
    assert sum(entry.detail["count"] for entry in found) == 500


def test_files_of_one_source_join_one_open_batch(
    built_anywhere: BuiltArchive, staging: Staging, intake: Intake, source: SourceRef
) -> None:
    for number in range(3):
        send(intake, source, f"1.2.{number}", b"%d" % number)
    assert staged(built_anywhere, staging) == [(1, b"0"), (1, b"1"), (1, b"2")]
    row = built_anywhere.database.row(sa.select(batches))
    assert row is not None
    assert (row.state, row.files, row.bytes, row.source_id) == ("open", 3, 3, 1)


def test_a_file_for_a_sealed_batch_opens_another(built_anywhere: BuiltArchive, intake: Intake, source: SourceRef) -> None:
    send(intake, source, "1.2.1", b"a")
    with built_anywhere.database.write() as connection:
        connection.execute(batches.update().values(state="sealed"))
    send(intake, source, "1.2.1", b"a")
    assert [row.state for row in built_anywhere.database.rows(sa.select(batches).order_by(batches.c.id))] == ["sealed", "open"]


def test_the_same_instance_twice_is_one(
    built_anywhere: BuiltArchive, staging: Staging, intake: Intake, source: SourceRef, tmp_path: Path
) -> None:
    for _ in range(3):
        send(intake, source, "1.2.3", b"same")
    assert staged(built_anywhere, staging) == [(1, b"same")]
    assert len(on_disk(tmp_path)) == 1


def test_other_bytes_under_the_same_uid_are_kept_beside(
    built_anywhere: BuiltArchive, staging: Staging, intake: Intake, source: SourceRef
) -> None:
    for content in (b"one", b"two", b"one", b"three", b"two"):
        send(intake, source, "1.2.3", content)
    assert [content for _, content in staged(built_anywhere, staging)] == [b"one", b"two", b"three"]


def test_a_discarded_file_leaves_nothing(
    built_anywhere: BuiltArchive, intake: Intake, source: SourceRef, tmp_path: Path
) -> None:
    incoming = intake.begin(source)
    os.write(incoming.fd, b"half a fi")
    incoming.discard()
    assert on_disk(tmp_path) == []
    assert built_anywhere.database.rows(sa.select(batches)) == []


def test_threads_share_commits_and_lose_nothing(
    built_anywhere: BuiltArchive, staging: Staging, intake: Intake, source: SourceRef
) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: send(intake, source, f"1.{n % 100}", b"%d" % (n % 100)), range(200)))
    found = staged(built_anywhere, staging)
    assert sorted(int(content) for _, content in found) == list(range(100))
    assert {batch for batch, _ in found} == {1}


def test_two_receivers_agree_on_the_open_batch(
    built_anywhere: BuiltArchive, staging: Staging, intake: Intake, source: SourceRef
) -> None:
    other = Intake(built_anywhere.database, staging)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: send((intake, other)[n % 2], source, f"1.{n}", b"%d" % n), range(40)))
    other.close()
    assert {batch for batch, _ in staged(built_anywhere, staging)} == {1}


def test_nothing_of_the_wire_is_in_the_catalogue(
    built_anywhere: BuiltArchive, staging: Staging, intake: Intake, source: SourceRef
) -> None:
    send(intake, source, "1.2.840.99.1", b"x")
    row = built_anywhere.database.row(sa.select(staged_files))
    assert row is not None
    assert row.instance == staging.digest("1.2.840.99.1")
    assert "1.2.840.99.1" not in repr(row)


def test_a_session_is_ended_only_when_its_process_is(staging: Staging, intake: Intake, source: SourceRef) -> None:
    send(intake, source, "1.2.3", b"x")
    assert list(staging.ended_sessions()) == []
    intake.close()
    try:
        (ended,) = staging.ended_sessions()
    finally:
        intake._session = staging.session()  # the fixture closes it
    assert ended.files == [f"{ended.folder.name}/1"]


def test_files_of_a_source_that_was_removed_are_not_acknowledged_and_hurt_no_others(
    built_anywhere: BuiltArchive, staging: Staging, intake: Intake, source: SourceRef, tmp_path: Path
) -> None:
    removed = SourceRef(99, "GONE")

    def try_to_send(number: int) -> bool:
        try:
            send(intake, removed if number % 2 else source, f"1.{number}", b"%d" % number)
        except Unavailable:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(try_to_send, range(40))) == [True, False] * 20
    assert sorted(int(content) for _, content in staged(built_anywhere, staging)) == list(range(0, 40, 2))
    assert len(on_disk(tmp_path)) == 20


def test_whatever_goes_wrong_within_a_shared_commit_nobody_is_told_it_was_kept(
    built_anywhere: BuiltArchive, staging: Staging, intake: Intake, source: SourceRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = threading.Event()

    def fail(_group: object) -> None:
        several.set()
        raise MemoryError

    monkeypatch.setattr(intake, "_insert_together", fail)
    with ThreadPoolExecutor(4) as threads:
        with intake._turn:
            sent = [threads.submit(send, intake, source, f"1.{number}", b"x") for number in range(4)]
            while len(intake._waiting) < 4:
                several.wait(0.01)
        assert all(isinstance(one.exception(), MemoryError | Unavailable) for one in sent)
    assert staged(built_anywhere, staging) == []
