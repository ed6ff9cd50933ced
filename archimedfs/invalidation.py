"""Follows what is taken away, and takes it from the mount: first from what is answered, then from what the kernel remembers.

What is given needs nothing: names that are not there and listings are not cached, so it shows with the next question.

Each change is followed alone, and none can keep the next from being followed: a user who is gone meanwhile has lost everything,
and what cannot be followed ends every user's tree, as does a feed that cannot be read for long. A tree that ended is entered
anew by name, and then the catalogue is asked.
"""

import errno
import logging
from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, Protocol, TypeVar

import pyfuse3
import trio

from archimedfs import inodes
from archimedfs.calling import Caller
from archimedfs.user_roots import Account, Accounts, Shown, UserRoot, UserRoots
from catalog import changes
from catalog.administration import principal
from catalog.changes import Change, ChangeKind, FeedReplaced
from catalog.database import Database
from catalog.faults import place_of
from catalog.pure.access import Principal
from catalog.pure.errors import ArchimedError, NotFound, Unavailable
from catalog.pure.nodes import ROOT_ID

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

_KERNEL_THREADS = 8
_POLL_SECONDS = 0.2
# So many turns in a row without an answer, 20 seconds at least, and what is open is not believed any more.
MOST_FAILURES = 100
_CLOCK_SECONDS = 0.5
# A login that got another Unix number is rare, and asking may mean asking a directory server.
_ACCOUNTS_SECONDS = 10.0


class Mounted(Protocol[Shown]):
    """A mount's handlers, as far as the follower must know them.

    `knows_parts`: they can tell what of a study a user may see; else a part that is taken away ends all of that study.
    """

    knows_parts: bool

    def open_files(self, user_root: UserRoot[Shown], studies: Iterable[int]) -> list[int]:
        """Return the inode numbers of a root's files, of these studies, whose bytes the kernel may hold."""
        ...

    async def end_gone(self, user_root: UserRoot[Shown], study: int) -> list[int]:
        """End a root's open files of a study that are not there any more; return their inode numbers.

        Raises:
            Unavailable: the catalogue does not answer.
        """
        ...

    def folders(self, user_root: UserRoot[Shown], study: int) -> list[int]:
        """Return the inode numbers of a study's folders that the kernel may know."""
        ...

    def hidden(self, user_root: UserRoot[Shown], study: int) -> list[tuple[int, str]]:
        """Return what the user may not see of a study that they have: the folder's inode number and the name in it."""
        ...

    def suits(self, user: Principal) -> bool:
        """Whether a user of that role is shown anything."""
        ...


class Invalidator(Generic[Shown]):
    """Follows one mount's change feed and, where accounts are given, the Unix numbers of its users.

    Args:
        database: the catalogue that announces changes.
        user_roots: the mount's users.
        call: how the catalogue is called.
        followed: the handlers.
        accounts: finds Unix users; None where the owner of the mount's only tree was fixed when it was mounted.
        told: tells the kernel; None: pyfuse3 does.
    """

    def __init__(
        self,
        database: Database,
        user_roots: UserRoots[Shown],
        call: Caller,
        followed: Mounted[Shown],
        accounts: Accounts | None,
        told: "Told | None" = None,
    ) -> None:
        self._database = database
        self._user_roots = user_roots
        self._call = call
        self._mounted = followed
        self._accounts = accounts
        self._kernel = KernelCache(told or Told(pyfuse3.invalidate_entry, pyfuse3.invalidate_inode))
        self._failures = 0
        # Before the kernel can have cached anything.
        self._last = changes.newest(database)
        self._told_until = changes.ended(database, 0)[0]
        self._clock_due = 0.0

    async def run(self) -> None:
        """Follow until cancelled."""
        async with trio.open_nursery() as nursery:
            if self._accounts is not None:
                nursery.start_soon(self._follow_accounts, self._accounts, nursery)
            while True:
                await trio.sleep(_POLL_SECONDS)
                await self.turn(nursery)

    async def turn(self, nursery: trio.Nursery) -> None:
        """Follow what was announced since the last turn; what the kernel must forget is told to it in the nursery."""
        for user_root in self._user_roots.take_replaced():
            self._forget_root(user_root, nursery)
        try:
            for change in await self._call(changes.since, self._database, self._last):
                await self._follow(change, nursery)
                self._last = change.id
            await self._follow_clock(nursery)
            self._failures = 0
        except FeedReplaced as error:
            self._end_all(nursery, str(error))
            self._last = await self._call(changes.newest, self._database)
        except ArchimedError as error:
            # Nothing new is answered either while the catalogue is away.
            self._failures += 1
            if self._failures == 1:
                _log.error("the mount cannot follow changes: %s", error)
            if self._failures == MOST_FAILURES:
                self._end_all(nursery, "changes cannot be followed for too long")

    async def _follow_clock(self, nursery: trio.Nursery) -> None:
        """End what a grant's end has ended: the catalogue's clock is asked once a second."""
        if trio.current_time() < self._clock_due:
            return
        self._clock_due = trio.current_time() + _CLOCK_SECONDS
        until, over = await self._call(changes.ended, self._database, self._told_until)
        for change in over:
            await self._follow(change, nursery)
        self._told_until = until

    async def _follow(self, change: Change, nursery: trio.Nursery) -> None:
        """Follow one change.

        Raises:
            Unavailable: the catalogue does not answer; the change is still to be followed.
        """
        try:
            if change.kind is ChangeKind.REVOKED:
                self._end_studies(change, nursery)
            elif change.kind is ChangeKind.NARROWED:
                narrow = self._narrow if self._mounted.knows_parts else self._end_studies
                narrow(change, nursery)
            elif change.kind is ChangeKind.USER:
                # All: a login that was removed and added again is another user.
                await self._follow_users(None, nursery)
            elif change.kind is ChangeKind.ROLE:
                await self._follow_users(change.user_id, nursery)
            elif change.kind is ChangeKind.GONE:
                self._end_name(change, nursery)
            elif change.kind is ChangeKind.UNKNOWN:
                self._end_all(nursery, "a newer program announced a change")
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one change may not keep the next from being followed
            self._end_all(nursery, f"a change could not be followed: {place_of(error)}")

    async def _follow_users(self, user_id: int | None, nursery: trio.Nursery) -> None:
        """End the tree of a user, or of each one, who is gone, and what is shown to one whose role does not allow it now."""
        for user_root in self._user_roots.of_user(user_id):
            user = await self._call(self._user_of, user_root)
            if user is None:
                self._end_root(user_root, nursery)
            elif not self._mounted.suits(user):
                user_root.end_studies()
                self._forget_root(user_root, nursery)

    def _user_of(self, user_root: UserRoot[Shown]) -> Principal | None:
        """Return the user of a root as the catalogue has them now; None who is gone, whoever has the login now."""
        try:
            user = principal(self._database, user_root.login)
        except NotFound:
            return None
        return user if user.user_id == user_root.user_id else None

    def _end_all(self, nursery: trio.Nursery, why: str) -> None:
        _log.error("every user's tree is ended and has to be entered anew: %s", why)
        for user_root in self._user_roots.of_user(None):
            self._end_root(user_root, nursery)

    def _end_studies(self, change: Change, nursery: trio.Nursery) -> None:
        for user_root in self._user_roots.of_user(change.user_id):
            lost = list(user_root.studies) if change.study_id is None else [change.study_id]
            for study in lost:
                user_root.end(study)
            names = [user_root.studies[study] for study in lost if study in user_root.studies]
            nursery.start_soon(self._kernel.forget_names, inodes.encode(user_root.number, ROOT_ID), names)
            nursery.start_soon(self._forget_inodes, user_root, lost, self._mounted.open_files(user_root, lost))

    def _narrow(self, change: Change, nursery: trio.Nursery) -> None:
        """End what a user may not see any more of a study that they still have; what is left goes on, open files too."""
        for user_root in self._user_roots.of_user(change.user_id):
            if change.study_id in user_root.studies:
                user_root.doubt()
                nursery.start_soon(self._end_hidden, user_root, change.study_id)

    async def _end_hidden(self, user_root: UserRoot[Shown], study: int) -> None:
        # What is open first: that is where bytes are.
        await self._end_gone(user_root, study)
        for folder, name in await self._patiently(self._mounted.hidden, user_root, study):
            await self._kernel.forget_names(folder, [name])
        await self._kernel.forget_inodes(await self._patiently(self._mounted.folders, user_root, study))

    def _end_name(self, change: Change, nursery: trio.Nursery) -> None:
        """Forget a name that is not in its folder any more; what is open stays readable if it has only another name now."""
        for user_root in self._user_roots.of_user(None):
            if change.folder is not None and change.study_id in user_root.studies:
                user_root.doubt()
                folder = inodes.encode(user_root.number, change.folder)
                nursery.start_soon(self._kernel.forget_names, folder, [change.name])
                nursery.start_soon(self._end_gone, user_root, change.study_id)

    async def _end_gone(self, user_root: UserRoot[Shown], study: int) -> None:
        while True:
            try:
                await self._kernel.forget_inodes(await self._mounted.end_gone(user_root, study))
            except Unavailable:
                await trio.sleep(_POLL_SECONDS)
            else:
                return

    def _end_root(self, user_root: UserRoot[Shown], nursery: trio.Nursery) -> None:
        if user_root.number == inodes.ONLY_SLOT:
            # The mount's own root stays; the view shows nothing in it to a user who is gone.
            user_root.end_studies()
        else:
            self._user_roots.remove(user_root)
        self._forget_root(user_root, nursery)

    def _forget_root(self, user_root: UserRoot[Shown], nursery: trio.Nursery) -> None:
        known = list(user_root.studies)
        root = inodes.encode(user_root.number, ROOT_ID)
        nursery.start_soon(self._kernel.forget_names, root, list(user_root.studies.values()))
        if user_root.number != inodes.ONLY_SLOT:
            nursery.start_soon(self._kernel.forget_names, inodes.encode(inodes.ONLY_SLOT, ROOT_ID), [user_root.login])
        nursery.start_soon(self._forget_inodes, user_root, known, [root, *self._mounted.open_files(user_root, known)])

    async def _forget_inodes(self, user_root: UserRoot[Shown], studies: list[int], others: list[int]) -> None:
        # What is open first: that is where bytes are.
        await self._kernel.forget_inodes(others)
        for study in studies:
            await self._kernel.forget_inodes(await self._patiently(self._mounted.folders, user_root, study))

    async def _patiently(
        self, ask: Callable[[UserRoot[Shown], int], list[_T]], user_root: UserRoot[Shown], study: int
    ) -> list[_T]:
        """Return what the handlers say of a study, as soon as the catalogue answers."""
        while True:
            try:
                return await self._call(ask, user_root, study)
            except Unavailable:
                await trio.sleep(_POLL_SECONDS)

    async def _follow_accounts(self, accounts: Accounts, nursery: trio.Nursery) -> None:
        while True:
            await trio.sleep(_ACCOUNTS_SECONDS)
            for user_root in self._user_roots.of_user(None):
                account = await look_up(accounts, user_root.login)
                if account != user_root.account and not user_root.is_over:
                    self._end_root(user_root, nursery)


async def look_up(accounts: Accounts, login: str) -> Account | None:
    """Find a Unix user in another thread: a directory server may be slow to say."""
    return await trio.to_thread.run_sync(accounts, login, abandon_on_cancel=True)


class Told(NamedTuple):
    """What drops a name from a folder, and what drops an inode's attributes and pages; both may wait for requests."""

    forget_name: Callable[[int, bytes], object]
    forget_inode: Callable[[int], object]


class KernelCache:
    """The kernel's caches of this process's mount.

    The kernel holds locks of a folder while a look-up in it waits for an answer, and of a page while a read does. Forgetting
    waits for these locks: done on the thread that answers, it would wait for itself. So it is done in other threads, names and
    inodes apart, and those who wait delay neither answers nor each other.
    """

    def __init__(self, told: Told) -> None:
        self._told = told
        self._names = trio.CapacityLimiter(_KERNEL_THREADS)
        self._inodes = trio.CapacityLimiter(_KERNEL_THREADS)

    async def forget_names(self, folder: int, names: Iterable[str]) -> None:
        """Drop names from a folder, and all that was cached below them."""
        # Abandoned when the mount ends: it may wait for an answer that will not come, until the connection is gone.
        await trio.to_thread.run_sync(self._forget_names, folder, list(names), limiter=self._names, abandon_on_cancel=True)

    async def forget_inodes(self, inodes: Iterable[int]) -> None:
        """Drop attributes and pages: what is read through an open file or a mapping is asked for again."""
        await trio.to_thread.run_sync(self._forget_inodes, list(inodes), limiter=self._inodes, abandon_on_cancel=True)

    def _forget_names(self, folder: int, names: list[str]) -> None:
        for name in names:
            try:
                self._told.forget_name(folder, name.encode())
            except OSError as error:
                _pass_over(error)

    def _forget_inodes(self, inodes: list[int]) -> None:
        for inode in inodes:
            try:
                self._told.forget_inode(inode)
            except OSError as error:
                _pass_over(error)


def _pass_over(error: OSError) -> None:
    # The kernel does not hold it, or is just unmounting.
    if error.errno not in {errno.ENOENT, errno.ENOTCONN, errno.ENODEV, errno.EBADF, errno.ECONNABORTED}:
        raise error
