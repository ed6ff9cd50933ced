"""Audit entries stand exactly when what they record does."""

import pytest

from catalog import changes, clock
from catalog.audit import Entry, Wanted, entries, record
from catalog.changes import Change, ChangeKind, announce
from catalog.database import Database


def test_entry_comes_back_as_recorded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: 1_700_000_000)
    with database.write() as connection:
        record(
            connection, actor="root", acting_as="ada", action="grant.add", study="S1", subject="bob",
            detail={"ä": [1, None]},
        )  # fmt: skip
    assert entries(database) == [Entry(1, 1_700_000_000, "root", "ada", "grant.add", "S1", "bob", {"ä": [1, None]})]


def test_entry_goes_with_its_transaction(database: Database) -> None:
    def fail_late() -> None:
        with database.write() as connection:
            record(connection, actor="root", action="user.add")
            announce(connection, ChangeKind.USER)
            raise KeyError

    with pytest.raises(KeyError):
        fail_late()
    assert entries(database) == []
    assert changes.since(database, 0) == []


def test_text_off_the_wire_cannot_undo_what_is_recorded(database: Database) -> None:
    with database.write() as connection:
        record(connection, actor="x" * 200, action="dicom.refused", subject="A\0B\n\x1b[31m\udce9" + "c" * 200)
    (entry,) = entries(database)
    assert entry.actor == "x" * 64
    assert entry.subject == ("A?B??[31m?" + "c" * 200)[:128]


def test_newest_entries_oldest_first(database: Database) -> None:
    with database.write() as connection:
        for number in range(5):
            record(connection, actor="root", action=f"n{number}")
    assert [entry.action for entry in entries(database, Wanted(limit=2))] == ["n3", "n4"]
    assert [entry.action for entry in entries(database, after=3)] == ["n3", "n4"]


def test_followers_see_changes_in_order(database: Database) -> None:
    assert changes.newest(database) == 0
    with database.write() as connection:
        announce(connection, ChangeKind.GRANTED, study_id=7, user_id=3)
    seen = changes.newest(database)
    with database.write() as connection:
        announce(connection, ChangeKind.PUBLISHED, study_id=7)
    assert changes.since(database, 0)[0] == Change(seen, ChangeKind.GRANTED, 7, 3)
    assert changes.since(database, seen) == [Change(seen + 1, ChangeKind.PUBLISHED, 7, None)]
