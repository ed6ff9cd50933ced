"""Locks in the catalogue: taken, seen by others, ended, and what they tell of names: nothing."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from catalog import administration, clock
from catalog.audit import Actor
from catalog.database import Database
from catalog.database.tables import grants, locks, studies, users
from catalog.gate import locks as module
from catalog.gate.locks import LONGEST_OWNER, Locks
from catalog.gate.staging import Staging
from catalog.pure.access import Role
from catalog.pure.errors import Conflict, Invalid, NotFound, Refused
from catalog.pure.locks import LONGEST_SECONDS, Lock
from catalog.store import LocalStore

ROOT = Actor("root")
PATH = ["2008-0003", "E001", "Muster^Hans.dat"]


class Held:
    """Locks on a catalogue with two users and a study, as two processes see them."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        staging = Staging(folder / "staging")
        staging.prepare()
        administration.create_study(database, LocalStore(folder / "store"), ROOT, "2008-0003")
        for login in ("ada", "bob"):
            administration.add_user(database, ROOT, login, Role.STANDARD)
            administration.add_grant(database, ROOT, login, "2008-0003")
        self.other = Database(database.url.render_as_string(hide_password=False))
        self.here, self.there = Locks(database, staging.digest), Locks(self.other, staging.digest)
        found = {row.login: row.id for row in database.rows(sa.select(users.c.login, users.c.id))}
        self.ada, self.bob = found["ada"], found["bob"]
        (row,) = database.rows(sa.select(studies.c.id))
        self.study = row.id

    def take(self, where: Locks, user: int, *, path: list[str] = PATH, **how: object) -> Lock:
        options = {"exclusive": True, "deep": False, "owner": "<owner/>", "seconds": 60} | how
        return where.acquire(user, self.study, path, **options)  # type: ignore[arg-type] # a dict of mixed values


@pytest.fixture
def held(database: Database, tmp_path: Path) -> Iterator[Held]:
    held = Held(database, tmp_path)
    yield held
    held.other.close()


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the clock that many seconds ahead."""
    now = clock.now()
    return lambda seconds: monkeypatch.setattr(clock, "now", lambda: now + seconds)


def test_another_process_sees_it(held: Held) -> None:
    lock = held.take(held.here, held.ada)
    assert held.there.related(PATH) == [lock]
    with pytest.raises(Conflict):
        held.take(held.there, held.bob)
    with pytest.raises(Conflict):
        held.there.check(held.bob, PATH, [lock.token], deep=False)
    held.there.check(held.ada, PATH, [lock.token], deep=False)
    assert held.there.release(lock.token, held.ada)
    held.take(held.there, held.bob)


def test_only_its_holder_refreshes_and_releases_it(held: Held) -> None:
    lock = held.take(held.here, held.ada)
    assert held.here.refresh(lock.token, held.bob, 60) is None
    assert not held.here.release(lock.token, held.bob)
    assert held.here.related(PATH) == [lock]


def test_it_ends_by_itself_and_can_be_prolonged_before(held: Held, at: Callable[[int], None]) -> None:
    lock = held.take(held.here, held.ada, seconds=60)
    at(59)
    prolonged = held.there.refresh(lock.token, held.ada, -1)
    assert prolonged is not None
    at(59 + LONGEST_SECONDS - 1)
    assert held.here.related(PATH) == [prolonged]
    at(59 + LONGEST_SECONDS)
    assert held.here.related(PATH) == []
    assert held.here.refresh(lock.token, held.ada, 60) is None
    held.take(held.there, held.bob)
    assert len(held.database.rows(sa.select(locks.c.token))) == 1


@pytest.mark.parametrize(
    "end",
    [
        lambda database: administration.remove_grant(database, ROOT, "ada", "2008-0003"),
        lambda database: administration.remove_user(database, ROOT, "ada"),
    ],
    ids=["grant", "user"],
)
def test_it_goes_with_the_grant_and_the_user(held: Held, end: Callable[[Database], None]) -> None:
    held.take(held.here, held.ada)
    end(held.database)
    assert held.there.related(PATH) == []
    with pytest.raises(NotFound):
        held.take(held.here, held.ada)
    held.take(held.there, held.bob)


def test_what_lies_above_and_below_is_found_and_dropped(held: Held) -> None:
    study, exam, other = PATH[:1], PATH[:2], [*PATH[:1], "E002"]
    file = held.take(held.here, held.ada)
    for path in (study, exam, PATH, [*PATH, "x"]):
        assert held.here.related(path) == [file]
    assert held.here.related(other) == []
    with pytest.raises(Conflict):
        held.take(held.here, held.bob, path=exam, deep=True)
    folder = held.take(held.here, held.bob, path=other, deep=True)
    with pytest.raises(Conflict):
        held.take(held.here, held.ada, path=[*other, "y"])
    held.here.forget(exam)
    assert held.there.related(study) == [folder]


def test_of_many_that_ask_at_once_one_gets_it(held: Held) -> None:
    won, lost = [], []
    barrier = threading.Barrier(8)

    def ask(number: int) -> None:
        where, user = (held.here, held.ada) if number % 2 else (held.there, held.bob)
        # Two different roots that clash: no constraint of the table could tell.
        path, deep = (PATH, False) if number % 4 < 2 else (PATH[:2], True)
        barrier.wait()
        try:
            won.append(held.take(where, user, path=path, deep=deep))
        except Conflict as error:
            lost.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)


def test_the_catalogue_learns_no_name(held: Held) -> None:
    held.take(held.here, held.ada)
    (row,) = held.database.rows(sa.select(locks))
    told = repr(tuple(row))
    assert not any(name in told for name in PATH)


def test_what_a_client_says_of_the_holder_is_bounded(held: Held) -> None:
    assert held.take(held.here, held.ada, owner="x" * LONGEST_OWNER).owner == "x" * LONGEST_OWNER
    assert held.take(held.here, held.ada, path=PATH[:2], owner="x" * (LONGEST_OWNER + 1)).owner == ""


def test_nobody_holds_too_many(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LOCKS", 2)
    for name in "ab":
        held.take(held.here, held.ada, path=[*PATH[:2], name])
    with pytest.raises(Refused):
        held.take(held.here, held.ada)
    held.take(held.here, held.bob)


def test_what_is_too_deep_or_no_place_is_refused(held: Held) -> None:
    for path in ([], ["a"] * 101):
        with pytest.raises(Invalid):
            held.take(held.here, held.ada, path=path)
    deepest = held.take(held.here, held.ada, path=["ü"] * 100)
    assert held.there.related(["ü"] * 100) == [deepest]
    assert held.database.rows(sa.select(grants.c.user_id))
