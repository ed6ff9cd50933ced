"""What is forgotten by itself, and what never is."""

import sqlalchemy as sa

from catalog import changes, clock
from catalog.changes import ChangeKind, announce
from catalog.database.tables import batches, clock_watch, jobs, tokens
from catalog.database.tables import changes as announced
from catalog.jobs import JobKind, enqueue
from catalog.lifecycle.pruning import prune
from catalog.pure.jobs import JobState
from tests.builders import BuiltArchive

DAY = 86400


def filled(built: BuiltArchive) -> None:
    study, user = built.study("S"), built.user("ada")
    now = clock.now()
    ages = [(JobState.DONE, 31), (JobState.DONE, 29), (JobState.FAILED, 31), (JobState.FAILED, 366), (JobState.QUEUED, 400)]
    with built.database.write() as connection:
        for state, days in ages:
            number = enqueue(connection, JobKind.CORRECT, study_id=study)
            ended = None if state is JobState.QUEUED else now - days * DAY
            connection.execute(jobs.update().where(jobs.c.id == number).values(state=state, ended=ended))
        for _ in range(3):
            announce(connection, ChangeKind.PUBLISHED, study)
        connection.execute(announced.update().values(at=now - 40 * DAY))
        for number, expires in enumerate((now - 31 * DAY, now - 29 * DAY, None)):
            values = {
                "user_id": user.user_id,
                "sha256": bytes([number]) * 32,
                "scopes": "read",
                "created": 1,
                "expires": expires,
            }
            connection.execute(tokens.insert().values(values))


def test_what_is_old_goes_and_the_rest_stays(built_anywhere: BuiltArchive) -> None:
    filled(built_anywhere)
    database = built_anywhere.database
    last = changes.newest(database)
    prune(database)
    left = [(row.state, row.ended is None) for row in database.rows(sa.select(jobs).order_by(jobs.c.id))]
    assert left == [(JobState.DONE, False), (JobState.FAILED, False), (JobState.QUEUED, True)]
    assert changes.newest(database) == last
    assert changes.since(database, last) == [], "who follows goes on"
    assert len(database.rows(sa.select(tokens))) == 2


def test_nothing_goes_by_a_clock_that_jumped(built: BuiltArchive) -> None:
    filled(built)
    with built.database.write() as connection:
        connection.execute(clock_watch.insert().values(seen=clock.now() - 3 * DAY, doubted_until=0))
    prune(built.database)
    assert len(built.database.rows(sa.select(jobs))) == 5


def test_batches_that_ended_long_ago_keep_who_decided_what(built: BuiltArchive) -> None:
    now = clock.now()
    values = {
        "exam_code": "E001", "files": 3, "bytes": 9, "findings": '[{"rule": "x"}]', "summary": '[{"label": "a"}]', "reason": "",
        "approved": 0, "opened": 1, "last_write": 1, "decided_by": "ada",
    }  # fmt: skip
    cases = [("published", 366), ("published", 364), ("checked", 366)]
    with built.database.write() as connection:
        for state, days in cases:
            connection.execute(batches.insert().values(values | {"state": state, "decided": now - days * DAY}))
    before = built.database.rows(sa.select(batches).order_by(batches.c.id))
    prune(built.database)
    first, *rest = built.database.rows(sa.select(batches).order_by(batches.c.id))
    assert rest == before[1:]
    others = [name for name in first._fields if name not in {"findings", "summary"}]
    assert [getattr(first, name) for name in others] == [getattr(before[0], name) for name in others]
    assert (first.findings, first.summary) == ("[]", "[]")
