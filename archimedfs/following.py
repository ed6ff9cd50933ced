"""Follows what is taken away, and takes it from the mount: first from what is answered, then from what the kernel remembers.

What is given needs nothing: names that are not there and listings are not cached, so it shows with the next question.
"""

import logging
from collections.abc import Callable, Iterable

import trio

from archimedfs import inodes
from archimedfs.calling import Caller
from archimedfs.forgetting import Kernel
from archimedfs.slots import Account, Accounts, Slot, Slots
from catalog import changes
from catalog.administration import principal
from catalog.changes import Change, ChangeKind
from catalog.database import Database
from catalog.pure.errors import ArchimedError, NotFound
from catalog.pure.nodes import ROOT_ID, Kind, NodeId
from catalog.view import Archive

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
# A login that got another Unix number is rare, and asking may mean asking a directory server.
_ACCOUNTS_SECONDS = 10.0


class Follower:
    """Follows one mount's change feed and, where accounts are given, the Unix numbers of its users.

    Args:
        database: the catalogue that announces changes.
        archive: tells which folders a study has.
        slots: the mount's users.
        call: how the catalogue is called.
        open_files: tells the inode numbers of a slot's open files, of the given studies.
        accounts: finds Unix users; None where the owner of the mount's only tree was fixed when it was mounted.
    """

    def __init__(
        self,
        database: Database,
        archive: Archive,
        slots: Slots,
        call: Caller,
        open_files: Callable[[Slot, Iterable[int]], list[int]],
        accounts: Accounts | None,
    ) -> None:
        self._database = database
        self._archive = archive
        self._slots = slots
        self._call = call
        self._open_files = open_files
        self._accounts = accounts
        self._kernel = Kernel()
        # Before the kernel can have cached anything.
        self._last = changes.newest(database)

    async def run(self) -> None:
        """Follow until cancelled."""
        async with trio.open_nursery() as nursery:
            if self._accounts is not None:
                nursery.start_soon(self._follow_accounts, self._accounts, nursery)
            is_lost = False
            while True:
                await trio.sleep(_POLL_SECONDS)
                try:
                    await self._turn(nursery)
                    is_lost = False
                except ArchimedError as error:
                    # Nothing new is answered either while the catalogue is away.
                    if not is_lost:
                        _log.error("the mount cannot follow changes: %s", error)
                    is_lost = True

    async def _turn(self, nursery: trio.Nursery) -> None:
        for slot in self._slots.take_replaced():
            self._forget_slot(slot, nursery)
        for change in await self._call(changes.since, self._database, self._last):
            if change.kind is ChangeKind.REVOKED:
                self._end_studies(change, nursery)
            elif change.kind is ChangeKind.USER:
                # All: a login that was removed and added again is another user.
                for slot in self._slots.of_user(None):
                    if not await self._call(self._is_user, slot):
                        self._end_slot(slot, nursery)
            elif change.kind is ChangeKind.GONE:
                self._end_name(change, nursery)
            # Another role reads the same: every role may view what is granted.
            self._last = change.id

    def _is_user(self, slot: Slot) -> bool:
        try:
            return principal(self._database, slot.login).user_id == slot.user_id
        except NotFound:
            return False

    def _end_studies(self, change: Change, nursery: trio.Nursery) -> None:
        for slot in self._slots.of_user(change.user_id):
            lost = list(slot.studies) if change.study_id is None else [change.study_id]
            for study in lost:
                slot.end(study)
            names = [slot.studies[study] for study in lost if study in slot.studies]
            nursery.start_soon(self._kernel.forget_names, inodes.encode(slot.number, ROOT_ID), names)
            nursery.start_soon(self._forget_inodes, slot, lost, self._open_files(slot, lost))

    def _end_name(self, change: Change, nursery: trio.Nursery) -> None:
        """Forget a name that is not in its folder any more; what is open stays readable, for its bytes are the same."""
        for slot in self._slots.of_user(None):
            if change.folder is not None and change.study_id in slot.studies:
                slot.doubt()
                folder = inodes.encode(slot.number, change.folder)
                nursery.start_soon(self._kernel.forget_names, folder, [change.name])

    def _end_slot(self, slot: Slot, nursery: trio.Nursery) -> None:
        if slot.number == inodes.ONLY_SLOT:
            # The mount's own root stays; the view shows nothing in it to a user who is gone.
            slot.end_studies()
        else:
            self._slots.remove(slot)
        self._forget_slot(slot, nursery)

    def _forget_slot(self, slot: Slot, nursery: trio.Nursery) -> None:
        known = list(slot.studies)
        root = inodes.encode(slot.number, ROOT_ID)
        nursery.start_soon(self._kernel.forget_names, root, list(slot.studies.values()))
        if slot.number != inodes.ONLY_SLOT:
            nursery.start_soon(self._kernel.forget_names, inodes.encode(inodes.ONLY_SLOT, ROOT_ID), [slot.login])
        nursery.start_soon(self._forget_inodes, slot, known, [root, *self._open_files(slot, known)])

    async def _forget_inodes(self, slot: Slot, studies: list[int], others: list[int]) -> None:
        # What is open first: that is where bytes are.
        await self._kernel.forget_inodes(others)
        for study in studies:
            # All folders, for the server does not know where somebody's working directory is.
            try:
                folders = await self._call(self._archive.folders, study)
            except ArchimedError as error:
                _log.error("the mount could not clear names of a study that was taken away: %s", error)
                folders = [NodeId(Kind.STUDY, study)]
            await self._kernel.forget_inodes([inodes.encode(slot.number, folder) for folder in folders])

    async def _follow_accounts(self, accounts: Accounts, nursery: trio.Nursery) -> None:
        while True:
            await trio.sleep(_ACCOUNTS_SECONDS)
            for slot in self._slots.of_user(None):
                account = await look_up(accounts, slot.login)
                if account != slot.account and not slot.is_over:
                    self._end_slot(slot, nursery)


async def look_up(accounts: Accounts, login: str) -> Account | None:
    """Find a Unix user in another thread: a directory server may be slow to say."""
    return await trio.to_thread.run_sync(accounts, login, abandon_on_cancel=True)
