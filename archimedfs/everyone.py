"""The root of a mount for all users: a folder for each, which the kernel opens to that Unix user alone."""

import contextlib
import os
import stat
from collections.abc import Callable

import pyfuse3

from archimedfs import inodes
from archimedfs.archive import ArchiveOperations
from archimedfs.attributes import Attributes
from archimedfs.calling import Caller
from archimedfs.errnos import answering
from archimedfs.following import look_up
from archimedfs.listing import DOT_DOT
from archimedfs.slots import Account, Accounts, Shown, Slot, Slots
from archimedfs.staged_looking import StagingTree
from archimedfs.staging import StagingOperations
from archimedfs.trees import ROOT_UID, TreeOperations, decoded
from catalog.administration import list_users, principal
from catalog.audit import Face
from catalog.database import Database
from catalog.gate.drops.inboxes import Inboxes
from catalog.pure.access import Principal
from catalog.pure.errors import NotFound
from catalog.pure.nodes import ROOT_ID, Node
from catalog.view import Archive, Tree

# Through the root leads a way for everybody; who else is here is for root to list.
_MODE = stat.S_IFDIR | 0o711
_ROOT_NODE = Node(ROOT_ID, "", 0, 0)


class Everyone(TreeOperations[Shown]):
    """The handlers of a root above the users' trees; mixed in before the handlers of a mount, which are called below it.

    A subclass calls `_begin` when it is made.
    """

    def _begin(self, database: Database, accounts: Accounts, show: Callable[[Principal, Account, int], Shown]) -> None:
        """Take what is needed to let users in.

        Args:
            database: knows the users.
            accounts: finds their Unix users.
            show: returns what a user is shown, in the slot of that number.
        """
        self._database = database
        self._accounts = accounts
        self._show = show
        self._root = Attributes(os.getuid(), os.getgid(), folder_mode=_MODE)
        self._roots: dict[int, list[Slot[Shown]]] = {}
        # A login with another Unix number is another user to the kernel: pages that the former one holds are never the new
        # one's. Inode numbers stay the same from mount to mount for all whose number never changed.
        self._numbers_of: dict[tuple[int, Account], int] = {}

    @answering
    async def lookup(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """Find a user's folder, or a child in one."""
        if parent_inode != pyfuse3.ROOT_INODE:
            return await self._lookup(parent_inode, name, ctx)
        slot = await self._enter(decoded(name))
        return slot.attributes.of(inodes.encode(slot.number, ROOT_ID), _ROOT_NODE)

    async def _enter(self, login: str) -> Slot[Shown]:
        """Return the slot of a login, as the catalogue and the machine know it now."""
        user = await self._call(principal, self._database, login)
        account = await look_up(self._accounts, user.login) if user.login == login else None
        if account is None or account.uid == ROOT_UID:
            raise NotFound("there is no such file or folder")
        return self._slot(user, account)

    def _slot(self, user: Principal, account: Account) -> Slot[Shown]:
        number = self._numbers_of.setdefault((user.user_id, account), self._unused(user.user_id))
        for slot in self._slots.of_user(user.user_id):
            if slot.account == account:
                return slot
            # What the former owner holds ends at once.
            self._slots.replace(slot)
        slot = Slot(number, user.user_id, user.login, self._show(user, account, number), account)
        self._slots.add(slot)
        return slot

    def _unused(self, user_id: int) -> int:
        """Return a number that no other pair of user and Unix user has had: the user's own, or one from the far end."""
        taken = set(self._numbers_of.values())
        number, following = user_id, inodes.LAST_SLOT
        while number in taken:
            number, following = following, following - 1
        return number

    @answering
    async def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """Tell a node's attributes."""
        if inode == pyfuse3.ROOT_INODE:
            return self._root.of(inode, _ROOT_NODE)
        return await self._getattr(inode, ctx)

    @answering
    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        """Begin a listing; at the root, where the kernel lets root alone list, of the users who have a folder."""
        if inode != pyfuse3.ROOT_INODE:
            return await self._opendir(inode, ctx)
        found = []
        for user in await self._call(list_users, self._database):
            with contextlib.suppress(NotFound):
                found.append(await self._enter(user.login))
        number = next(self._numbers)
        self._roots[number] = sorted(found, key=lambda slot: slot.number)
        return number

    @answering
    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """List children behind `start_id`, with their attributes, as many as the kernel takes."""
        slots = self._roots.get(fh)
        if slots is None:
            await self._readdir(fh, start_id, token)
            return
        for slot in slots:
            cookie = slot.number + DOT_DOT
            if cookie <= start_id or slot.is_over:
                continue
            told = slot.attributes.of(inodes.encode(slot.number, ROOT_ID), _ROOT_NODE)
            if not pyfuse3.readdir_reply(token, slot.login.encode(), told, cookie):
                return

    async def releasedir(self, fh: int) -> None:
        """Forget a listing."""
        if self._roots.pop(fh, None) is None:
            await super().releasedir(fh)


class EveryonesOperations(Everyone[Tree], ArchiveOperations):
    """The handlers of the archive for all users.

    Args:
        archive: what is mounted.
        slots: filled here as users come.
        caller: how the catalogue is called.
        database: knows the users.
        accounts: finds their Unix users.
    """

    def __init__(self, archive: Archive, slots: Slots[Tree], caller: Caller, database: Database, accounts: Accounts) -> None:
        super().__init__(slots, caller, archive.capacity)
        self._begin(database, accounts, lambda user, _account, _number: archive.view(user, Face.MOUNT))


class EveryonesStaging(Everyone[StagingTree], StagingOperations):
    """The handlers of staging for all users.

    Args:
        inboxes: what is mounted.
        slots: filled here as users come.
        caller: how the catalogue is read.
        database: knows the users.
        accounts: finds their Unix users.
    """

    def __init__(
        self, inboxes: Inboxes, slots: Slots[StagingTree], caller: Caller, database: Database, accounts: Accounts
    ) -> None:
        super().__init__(inboxes, slots, caller)
        self._begin(database, accounts, lambda user, account, number: StagingTree(inboxes.of(user), account, number))
