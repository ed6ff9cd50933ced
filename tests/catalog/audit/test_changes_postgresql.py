"""On PostgreSQL, writers commit in any order: a follower must still miss nothing."""

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from catalog import changes
from catalog.changes import ChangeKind, announce
from catalog.database import Database


@pytest.fixture
def postgresql(postgresql_catalogue: Database) -> Iterator[Database]:
    yield postgresql_catalogue
    postgresql_catalogue.close()


def test_a_later_number_is_never_seen_before_an_earlier_one(postgresql: Database) -> None:
    waiting_or_done = sa.text("select count(*) from pg_locks where locktype = 'advisory' and not granted")

    def second() -> None:
        with postgresql.write() as connection:
            announce(connection, ChangeKind.REVOKED, user_id=2)

    thread = threading.Thread(target=second)
    with postgresql.write() as connection:
        announce(connection, ChangeKind.REVOKED, user_id=1)
        thread.start()
        while thread.is_alive() and postgresql.row(waiting_or_done) == (0,):
            thread.join(0.01)
        assert changes.since(postgresql, 0) == []
    thread.join()
    assert [change.user_id for change in changes.since(postgresql, 0)] == [1, 2]
