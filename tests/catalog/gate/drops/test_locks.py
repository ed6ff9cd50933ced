"""Locks in the catalogue: taken, seen by others, ended, and what they tell of names: nothing."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from catalog import administration, clock
from catalog.audit import Actor
from catalog.database import Database
from catalog.database.tables import locks
from catalog.gate.drops import locks as module
from catalog.gate.drops.locks import LONGEST_OWNER, Locks
from catalog.gate.staged.area import Staging
from catalog.pure.access import Role
from catalog.pure.errors import Conflict, Invalid, NotFound, Refused
from catalog.pure.locks import LONGEST_SECONDS, Lock
from catalog.store.local import LocalStore

ROOT = Actor("root")
PATH = ["2008-0003", "E001", "Muster^Hans.dat"]


class Held:
    """Two users and a study; `here` and `there` are ada's locks as two processes see them, `bobs` those of the other user."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        staging = Staging(folder / "staging")
        staging.prepare()
        administration.create_study(database, LocalStore(folder / "store"), ROOT, PATH[0])
        for login in ("ada", "bob"):
            administration.add_user(database, ROOT, login, Role.STANDARD)
            administration.add_grant(database, ROOT, login, PATH[0])
        self.other = Database(database.url.render_as_string(hide_password=False))
        ada, bob = (administration.principal(database, login) for login in ("ada", "bob"))
        self.here, self.there = Locks(database, staging.digest, ada), Locks(self.other, staging.digest, ada)
        self.bobs = Locks(database, staging.digest, bob)


def take(locks: Locks, *, path: list[str] = PATH, **how: object) -> Lock:
    options = {"exclusive": True, "deep": False, "owner": "<owner/>", "seconds": 60} | how
    return locks.acquire(path, **options)  # type: ignore[arg-type] # a dict of mixed values


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
    lock = take(held.here)
    assert held.there.on(PATH) == [lock]
    with pytest.raises(Conflict):
        take(held.there)
    with pytest.raises(Conflict):
        held.there.check(PATH, [], deep=False)
    held.there.check(PATH, [lock.token], deep=False)
    held.there.release(lock.token)
    take(held.there)


def test_everybody_has_a_tree_of_their_own(held: Held) -> None:
    lock = take(held.here)
    assert held.bobs.on(PATH) == []
    assert held.bobs.refresh(lock.token, 60) is None
    held.bobs.release(lock.token)
    assert held.here.on(PATH) == [lock]
    take(held.bobs)


def test_it_ends_by_itself_and_can_be_prolonged_before(held: Held, at: Callable[[int], None]) -> None:
    lock = take(held.here, seconds=60)
    at(59)
    prolonged = held.there.refresh(lock.token, -1)
    assert prolonged is not None
    at(59 + LONGEST_SECONDS - 1)
    assert held.here.on(PATH) == [prolonged]
    at(59 + LONGEST_SECONDS)
    assert held.here.on(PATH) == []
    assert held.here.refresh(lock.token, 60) is None
    take(held.there)
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
    take(held.here)
    end(held.database)
    assert held.there.on(PATH) == []
    with pytest.raises(NotFound):
        take(held.here)
    take(held.bobs)


def test_what_lies_above_and_below_is_found_and_dropped(held: Held) -> None:
    study, exam, other = PATH[:1], PATH[:2], [*PATH[:1], "E002"]
    file = take(held.here)
    assert file.levels == len(PATH)
    assert [held.here.on(path) for path in (study, exam, PATH, other)] == [[], [], [file], []]
    for path in (study, exam):
        held.here.check(path, [], deep=False)
        with pytest.raises(Conflict):
            held.here.check(path, [], deep=True)
        with pytest.raises(Conflict):
            take(held.here, path=path, deep=True)
    folder = take(held.here, path=other, deep=True)
    assert held.there.on([*other, "y"]) == [folder]
    with pytest.raises(Conflict):
        take(held.there, path=[*other, "y"])
    held.here.forget(exam)
    assert held.there.on(PATH) == []
    assert held.there.on(other) == [folder]


def test_of_many_that_ask_at_once_one_gets_it(held: Held) -> None:
    won, lost = [], []
    barrier = threading.Barrier(8)

    def ask(number: int) -> None:
        where = held.here if number % 2 else held.there
        # Two different roots that clash: no constraint of the table could tell.
        path, deep = (PATH, False) if number % 4 < 2 else (PATH[:2], True)
        barrier.wait()
        try:
            won.append(take(where, path=path, deep=deep))
        except Conflict as error:
            lost.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)


def test_the_catalogue_learns_no_name(held: Held) -> None:
    take(held.here)
    (row,) = held.database.rows(sa.select(locks))
    told = repr(tuple(row))
    assert not any(name in told for name in PATH)


def test_what_a_client_says_of_the_holder_is_bounded(held: Held) -> None:
    assert take(held.here, owner="x" * LONGEST_OWNER).owner == "x" * LONGEST_OWNER
    assert take(held.here, path=PATH[:2], owner="x" * (LONGEST_OWNER + 1)).owner == ""


def test_nobody_holds_too_many(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LOCKS", 2)
    for name in "ab":
        take(held.here, path=[*PATH[:2], name])
    with pytest.raises(Refused):
        take(held.here)
    take(held.bobs)


def test_what_is_too_deep_or_no_place_is_refused(held: Held) -> None:
    for path in ([], ["a"] * 101):
        with pytest.raises(Invalid):
            take(held.here, path=path)
    deepest = take(held.here, path=[PATH[0], *["\udcff"] * 99])
    assert held.there.on([PATH[0], *["\udcff"] * 99]) == [deepest]
    assert held.there.on([PATH[0], *["\udcff"] * 99, "deeper"]) == [deepest]
    above = take(held.here, path=[PATH[0], "x"], deep=True)
    assert held.there.on([PATH[0], "x", *["y"] * 200]) == [above]
