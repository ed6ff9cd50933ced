"""What a mount stops answering after administrative changes, in whatever order and however many at once it hears of them."""

import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
import trio
import trio.testing
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from archimedfs import inodes
from archimedfs.invalidation import MOST_FAILURES, Invalidator
from archimedfs.user_roots import Account, Lease, UserRoot, UserRoots
from catalog import administration, changes
from catalog.audit import Actor
from catalog.database import Database
from catalog.database.tables import changes as announced
from catalog.pure.access import Action, Principal, Role
from catalog.pure.errors import ArchimedError, Unavailable
from tests.builders import built_in

ROOT = Actor("root")
STUDIES = ("S1", "S2")
_examples = itertools.count()


class Forgetting:
    """The kernel's caches of a mount that is not mounted."""

    async def forget_names(self, folder: int, names: Iterable[str]) -> None:
        await trio.lowlevel.checkpoint()

    async def forget_inodes(self, numbers: Iterable[int]) -> None:
        await trio.lowlevel.checkpoint()


class Handlers:
    """A mount's handlers, as far as they are asked: what a role must allow differs between the two mounts."""

    def __init__(self, action: Action) -> None:
        self._action = action

    def open_files(self, _slot: UserRoot[None], _studies: Iterable[int]) -> list[int]:
        return []

    async def end_gone(self, _slot: UserRoot[None], _study: int) -> list[int]:
        await trio.lowlevel.checkpoint()
        return []

    def folders(self, _slot: UserRoot[None], _study: int) -> list[int]:
        return []

    def suits(self, user: Principal) -> bool:
        return user.may(self._action)


class Mount:
    """A mount's users, and who follows the changes for it."""

    def __init__(self, database: Database, action: Action) -> None:
        self.database = database
        self.is_away = False
        self.user_roots: UserRoots[None] = UserRoots()
        self.follower = Invalidator(database, self.user_roots, self._call, Handlers(action), None)
        self.follower._kernel = Forgetting()  # type: ignore[assignment]

    async def _call(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
        if self.is_away:
            raise Unavailable("the catalogue does not answer")
        return function(*args, **named)

    def turn(self) -> None:
        async def turn() -> None:
            async with trio.open_nursery() as nursery:
                await self.follower.turn(nursery)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()  # what waits for a catalogue that is away

        trio.run(turn)

    def open(self, user: Principal, study: int, code: str, number: int) -> Lease:
        found = [user_root for user_root in self.user_roots.of_user(user.user_id) if user_root.login == user.login]
        user_root = found[0] if found else UserRoot(number, user.user_id, user.login, None, Account(1, 1))
        self.user_roots.add(user_root)
        user_root.studies[study] = code
        return user_root.lease(study)


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    # In memory where there is such a folder: the machine commits a thousand times.
    where = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as folder, built_in(Path(folder)) as built:
        for code in STUDIES:
            administration.create_study(built.database, built.store, ROOT, code)
        yield built.database


@dataclass(eq=False)
class Held:
    """What somebody holds open: `lost` as soon as it has to end, `touched` when it may."""

    lease: Lease
    user_id: int
    login: str
    study: str
    lost: bool = False
    touched: bool = False


class Following(RuleBasedStateMachine):
    """Administration in batches, between two turns of the follower as after the process was stopped and continued."""

    database: ClassVar[Database]
    action: ClassVar[Action]
    is_single: ClassVar[bool]

    @initialize()
    def begin(self) -> None:
        example = next(_examples)
        self.logins = [f"u{example}-{name}" for name in ("a", "b")]
        for login in self.logins:
            administration.add_user(self.database, ROOT, login, Role.STANDARD)
            administration.add_grant(self.database, ROOT, login, STUDIES[0])
        self.mount = Mount(self.database, self.action)
        self.held: list[Held] = []
        self.pending: set[str] = set()

    def _user(self, login: str) -> Principal | None:
        try:
            return administration.principal(self.database, login)
        except ArchimedError:
            return None

    def _is_granted(self, user: Principal, study: str) -> bool:
        granted = administration.list_grants(self.database)
        return (user.login, study) in {(grant.login, grant.study) for grant in granted}

    def _touch(self, login: str, study: str | None = None, *, lost: bool) -> None:
        self.pending.add(login)
        for held in self.held:
            if held.login == login and (study is None or held.study == study):
                held.touched = True
                held.lost = held.lost or lost

    @rule(who=st.integers(0, 1), study=st.sampled_from(STUDIES))
    def open(self, who: int, study: str) -> None:
        login = self.logins[0 if self.is_single else who]
        user = self._user(login)
        if user is None or not user.may(self.action) or not self._is_granted(user, study):
            return
        number = inodes.ONLY_SLOT if self.is_single else user.user_id
        if self.is_single and any(user_root.user_id != user.user_id for user_root in self.mount.user_roots.of_user(None)):
            return  # the mount was made for one who is gone
        lease = self.mount.open(user, STUDIES.index(study) + 1, study, number)
        self.held.append(Held(lease, user.user_id, login, study, touched=login in self.pending))

    @rule(who=st.integers(0, 1), role=st.sampled_from(list(Role)))
    def set_role(self, who: int, role: Role) -> None:
        if self._user(self.logins[who]) is not None:
            administration.set_role(self.database, ROOT, self.logins[who], role)
            self._touch(self.logins[who], lost=False)

    @rule(who=st.integers(0, 1))
    def remove_user(self, who: int) -> None:
        if self._user(self.logins[who]) is not None:
            administration.remove_user(self.database, ROOT, self.logins[who])
            self._touch(self.logins[who], lost=True)

    @rule(who=st.integers(0, 1), role=st.sampled_from(list(Role)))
    def add_user(self, who: int, role: Role) -> None:
        if self._user(self.logins[who]) is None:
            administration.add_user(self.database, ROOT, self.logins[who], role)

    @rule(who=st.integers(0, 1), study=st.sampled_from(STUDIES))
    def grant(self, who: int, study: str) -> None:
        user = self._user(self.logins[who])
        if user is not None and not self._is_granted(user, study):
            administration.add_grant(self.database, ROOT, user.login, study)

    @rule(who=st.integers(0, 1), study=st.sampled_from(STUDIES))
    def revoke(self, who: int, study: str) -> None:
        user = self._user(self.logins[who])
        if user is not None and self._is_granted(user, study):
            administration.remove_grant(self.database, ROOT, user.login, study)
            self._touch(user.login, study, lost=True)

    @rule()
    def announce_what_nobody_knows(self) -> None:
        with self.database.write() as connection:
            connection.execute(announced.insert(), {"at": 1, "kind": "from a newer program"})
        for login in self.logins:
            self._touch(login, lost=True)

    @precondition(lambda self: self.held)
    @rule()
    def restore_an_older_catalogue(self) -> None:
        with self.database.write() as connection:
            connection.execute(sa.delete(announced).where(announced.c.id >= self.mount.follower._last))
        for login in self.logins:
            self._touch(login, lost=True)

    @rule()
    def turn_without_a_catalogue(self) -> None:
        self.mount.is_away = True
        self.mount.turn()
        self.mount.is_away = False

    @rule()
    def turn(self) -> None:
        self.mount.turn()
        for held in self.held:
            user = self._user(held.login)
            if user is None or user.user_id != held.user_id or not user.may(self.action):
                held.lost = True
            assert held.lease.is_over or not held.lost, f"{held} is still answered"
            assert not held.lease.is_over or held.touched, f"{held} was ended without a reason"
        assert self.mount.follower._last == changes.newest(self.database)
        self.pending.clear()
        # What an end ended is opened anew.
        self.held = [held for held in self.held if not held.lease.is_over]

    def teardown(self) -> None:
        if hasattr(self, "mount"):
            self.turn()


@pytest.mark.parametrize(
    ("action", "is_single"),
    [(Action.VIEW, False), (Action.IMPORT, False), (Action.VIEW, True), (Action.IMPORT, True)],
    ids=["archive", "staging", "one user's archive", "one user's staging"],
)
def test_whatever_is_taken_away_ends_with_the_next_turn(database: Database, action: Action, is_single: bool) -> None:
    class Here(Following):
        pass

    Here.database, Here.action, Here.is_single = database, action, is_single
    run_state_machine_as_test(
        Here,
        settings=settings(max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)),
    )


def _mount_with_a_lease(database: Database, login: str) -> tuple[Mount, Lease]:
    administration.add_user(database, ROOT, login, Role.STANDARD)
    administration.add_grant(database, ROOT, login, STUDIES[0])
    mount = Mount(database, Action.IMPORT)
    user = administration.principal(database, login)
    return mount, mount.open(user, 1, STUDIES[0], user.user_id)


def test_a_role_change_of_a_user_who_is_gone_keeps_nobody_from_being_mounted(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    mount, lease = _mount_with_a_lease(database, "kept")
    administration.add_user(database, ROOT, "gone", Role.STANDARD)
    gone = administration.principal(database, "gone")
    left = mount.open(gone, 1, STUDIES[0], gone.user_id)
    administration.set_role(database, ROOT, "gone", Role.POWER)
    administration.remove_user(database, ROOT, "gone")
    administration.remove_grant(database, ROOT, "kept", STUDIES[0])
    mount.turn()
    assert (lease.is_over, left.is_over) == (True, True)
    assert caplog.text == ""


def test_a_change_that_cannot_be_mounted_ends_every_tree_and_lets_the_next_be_mounted(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mount, lease = _mount_with_a_lease(database, "broken")

    def breaks(*_: object) -> None:
        raise RuntimeError("something of which nobody thought")

    monkeypatch.setattr(mount.follower, "_end_studies", breaks)
    administration.remove_grant(database, ROOT, "broken", STUDIES[0])
    mount.turn()
    assert lease.is_over
    assert mount.user_roots.of_user(None) == []
    assert "every user's tree is ended" in caplog.text
    assert "something of which" not in caplog.text
    assert mount.follower._last == changes.newest(database)


def test_a_catalogue_that_is_away_for_long_ends_every_tree_once(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    mount, lease = _mount_with_a_lease(database, "patient")
    mount.is_away = True
    for _ in range(MOST_FAILURES - 1):
        mount.turn()
    assert not lease.is_over
    assert caplog.text.count("cannot follow changes") == 1
    for _ in range(MOST_FAILURES):
        mount.turn()
    assert lease.is_over
    assert caplog.text.count("every user's tree is ended") == 1
    mount.is_away = False
    mount.turn()
    assert mount.follower._last == changes.newest(database)
