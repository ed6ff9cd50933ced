"""The journal lets the application only append, and shows what others did to it."""

import multiprocessing
import threading

import pytest
import sqlalchemy as sa

from catalog.audit import entries, record, verify
from catalog.audit.verifying import MOST_FAULTS
from catalog.database import Database, migrate
from tests.catalog.audit.tampering import past_the_guard


def write(database: Database, *actions: str) -> None:
    for action in actions:
        with database.write() as connection:
            record(connection, actor="root", action=action, study="S1", subject="ada", detail={"ä": action})


def write_from_elsewhere(url: str, name: str, count: int) -> None:
    database = Database(url)
    write(database, *(f"{name}.{number}" for number in range(count)))
    database.close()


@pytest.fixture
def written(database: Database) -> Database:
    write(database, *(f"n{number}" for number in range(1, 8)))
    return database


def named(database: Database) -> list[int]:
    return [fault.entry for fault in verify(database).faults]


def test_an_empty_journal_is_intact(database: Database) -> None:
    verdict = verify(database)
    assert (verdict.entries, verdict.head, verdict.hash, verdict.faults) == (0, 0, bytes(32), ())


@pytest.mark.parametrize(
    "statement",
    [
        "update audit set actor = 'x' where id = 3", "update audit set id = 99 where id = 3", "delete from audit where id = 3",
        "delete from audit",
    ],
)  # fmt: skip
def test_the_application_can_neither_change_nor_remove(written: Database, statement: str) -> None:
    head = verify(written).hash
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), written.engine.begin() as connection:
        connection.execute(sa.text(statement))
    assert verify(written, head).expected == 7


def test_nor_replace_nor_empty(written: Database) -> None:
    copied = "audit select id, at, 'x', acting_as, action, study, subject, detail, hash from audit where id = 3"
    statement = f"insert or replace into {copied}" if written.is_sqlite else "truncate audit"
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), written.engine.begin() as connection:
        connection.execute(sa.text(statement))
    assert named(written) == []


TAMPERING = {
    "changed": (["update audit set subject = 'bob' where id = 3"], [3]),
    "every column": ([
        "update audit set at = 1 where id = 1", "update audit set actor = '' where id = 2",
        "update audit set acting_as = 'x' where id = 3", "update audit set action = 'x' where id = 4",
        "update audit set study = '' where id = 5", "update audit set detail = '{}' where id = 6",
    ], [1, 2, 3, 4, 5, 6]),
    "removed": (["delete from audit where id = 3"], [4]),
    "the first removed": (["delete from audit where id <= 2"], [3]),
    "removed and closed up": (
        ["delete from audit where id = 3", *(f"update audit set id = {new} where id = {new + 1}" for new in range(3, 7))],
        [3, 4, 5, 6],
    ),
    "exchanged": ([
        "update audit set id = 99 where id = 3", "update audit set id = 3 where id = 4",
        "update audit set id = 4 where id = 99",
    ], [3, 4]),
    "put in between": ([
        *(f"update audit set id = {number + 1} where id = {number}" for number in range(7, 3, -1)),
        "insert into audit select 4, at, actor, acting_as, action, study, subject, detail, hash from audit where id = 1",
    ], [4, 5, 6, 7, 8]),
    "put at the end": (
        ["insert into audit select 8, at, actor, acting_as, action, study, subject, detail, hash from audit where id = 7"], [8],
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", TAMPERING)
def test_what_was_done_past_the_guard_is_named(written: Database, how: str) -> None:
    statements, expected = TAMPERING[how]
    past_the_guard(written, *statements)
    found = named(written)
    assert set(found) == set(expected)
    write(written, "later")
    assert set(named(written)) == set(expected), "what comes later heals nothing and is blamed for nothing"


def test_only_a_hash_that_was_noted_shows_a_shortened_journal(written: Database) -> None:
    noted = verify(written).hash
    write(written, "n8")
    assert verify(written, noted).expected == 7
    past_the_guard(written, "delete from audit where id >= 7")
    assert verify(written).faults == ()
    assert verify(written, noted).expected is None


def test_a_long_list_of_faults_ends(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.audit.verifying.MOST_FAULTS", 3)
    monkeypatch.setattr("catalog.audit.verifying._PAGE", 2)
    write(database, *"abcdefg")
    past_the_guard(database, "update audit set actor = ''")
    assert [fault.entry for fault in verify(database).faults] == [1, 2, 3, 3]
    assert MOST_FAULTS > 3


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_writers_at_one_time_make_one_chain(database: Database, kind: str) -> None:
    url = database.url.render_as_string(hide_password=False)
    if kind == "threads":
        writers = [threading.Thread(target=write, args=(database, *(f"w{number}" for _ in range(10)))) for number in range(6)]
    else:
        started = multiprocessing.get_context("spawn")
        writers = [started.Process(target=write_from_elsewhere, args=(url, f"w{number}", 20)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    verdict = verify(database)
    assert verdict.entries == verdict.head == 60
    assert verdict.faults == ()


def test_a_number_that_was_rolled_back_leaves_no_gap(written: Database) -> None:
    def fail_late() -> None:
        with written.write() as connection:
            record(connection, actor="root", action="undone")
            raise KeyError

    with pytest.raises(KeyError):
        fail_late()
    write(written, "n8")
    assert [entry.id for entry in entries(written)] == list(range(1, 9))


def test_several_entries_of_one_transaction_are_chained(database: Database) -> None:
    with database.write() as connection:
        assert [record(connection, actor="root", action=action) for action in "abc"] == [1, 2, 3]
    assert named(database) == []


def test_the_migration_chains_what_was_there_and_keeps_gaps(database: Database) -> None:
    migrate.downgrade(database, "0004")
    old = sa.text(
        "insert into audit (id, at, actor, acting_as, action, study, subject, detail) "
        "values (:id, 7, 'ä', '', 'user.add', '', 'ada', '{}')"
    )
    with database.write() as connection:
        connection.execute(old, [{"id": number} for number in (2, 3, 7)])
    migrate.upgrade(database)
    assert [entry.id for entry in entries(database)] == [2, 3, 7]
    write(database, "new")
    assert verify(database).faults == ()
    past_the_guard(database, "delete from audit where id = 3")
    assert named(database) == [7]
    migrate.downgrade(database, "0004")
    migrate.upgrade(database)
    assert named(database) == [], "who may downgrade can chain anew: only a hash noted elsewhere tells"
