"""The root of a mount for all users: a folder for each, which the kernel opens to that Unix user alone."""

import contextlib
import inspect
import itertools
import os
import stat
from collections.abc import Callable
from typing import Generic

import pyfuse3

from archimedfs import inodes, session
from archimedfs.attributes import Attributes
from archimedfs.calling import Caller
from archimedfs.errnos import answering
from archimedfs.handlers import ROOT_UID, Handlers, decoded
from archimedfs.invalidation import look_up
from archimedfs.listing import DOT_DOT
from archimedfs.user_roots import Account, Accounts, Shown, UserRoot, UserRoots
from catalog.administration import list_users, principal
from catalog.database import Database
from catalog.pure.access import Principal
from catalog.pure.errors import NotFound
from catalog.pure.nodes import ROOT_ID, Node

# Through the root leads a way for everybody; who else is here is for root to list.
_MODE = stat.S_IFDIR | 0o711
_ROOT_NODE = Node(ROOT_ID, "", 0, 0)
_HERE = {"init", "lookup", "getattr", "opendir", "readdir", "releasedir"}
_BELOW = [name for name, _ in inspect.getmembers(pyfuse3.Operations, callable) if name[0] != "_" and name not in _HERE]
# Numbers of open listings of the root, which the handlers below never give.
_FIRST_LISTING = 1 << 62


class MultiUser(session.Operations, Generic[Shown]):
    """The handlers of the root above the users' roots; what is asked of anything below goes to the handlers given.

    Args:
        below: the handlers below each user's root.
        user_roots: the same as theirs; filled here as users come.
        caller: how the catalogue is called.
        database: knows the users.
        accounts: finds their Unix users.
        show: returns what a user is shown, in the slot of that number.
    """

    def __init__(
        self,
        below: Handlers[Shown],
        user_roots: UserRoots[Shown],
        caller: Caller,
        database: Database,
        accounts: Accounts,
        show: Callable[[Principal, Account, int], Shown],
    ) -> None:
        super().__init__()
        self._below = below
        self._user_roots = user_roots
        self._call = caller
        self._database = database
        self._accounts = accounts
        self._show = show
        self._root = Attributes(os.getuid(), os.getgid(), folder_mode=_MODE)
        self._numbers = itertools.count(_FIRST_LISTING)
        self._listings: dict[int, list[UserRoot[Shown]]] = {}
        # A login with another Unix number is another user to the kernel: pages that the former one holds are never the new
        # one's. Inode numbers stay the same from mount to mount for all whose number never changed.
        self._numbers_of: dict[tuple[int, Account], int] = {}
        for name in _BELOW:
            setattr(self, name, getattr(below, name))

    @answering
    async def lookup(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """Find a user's folder, or a child in one."""
        if parent_inode != pyfuse3.ROOT_INODE:
            return await self._below.lookup(parent_inode, name, ctx)
        user_root = await self._enter(decoded(name))
        return user_root.attributes.of(inodes.encode(user_root.number, ROOT_ID), _ROOT_NODE)

    async def _enter(self, login: str) -> UserRoot[Shown]:
        """Return the root of a login, as the catalogue and the machine know it now."""
        user = await self._call(principal, self._database, login)
        account = await look_up(self._accounts, user.login) if user.login == login else None
        if account is None or account.uid == ROOT_UID:
            raise NotFound("there is no such file or folder")
        return self._root_of(user, account)

    def _root_of(self, user: Principal, account: Account) -> UserRoot[Shown]:
        number = self._numbers_of.setdefault((user.user_id, account), self._unused(user.user_id))
        for user_root in self._user_roots.of_user(user.user_id):
            if user_root.account == account:
                return user_root
            # What the former owner holds ends at once.
            self._user_roots.replace(user_root)
        user_root = UserRoot(number, user.user_id, user.login, self._show(user, account, number), account)
        self._user_roots.add(user_root)
        return user_root

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
        return await self._below.getattr(inode, ctx)

    @answering
    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        """Begin a listing; at the root, where the kernel lets root alone list, of the users who have a folder."""
        if inode != pyfuse3.ROOT_INODE:
            return await self._below.opendir(inode, ctx)
        found = []
        for user in await self._call(list_users, self._database):
            with contextlib.suppress(NotFound):
                found.append(await self._enter(user.login))
        number = next(self._numbers)
        self._listings[number] = sorted(found, key=lambda user_root: user_root.number)
        return number

    @answering
    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """List children behind `start_id`, with their attributes, as many as the kernel takes."""
        user_roots = self._listings.get(fh)
        if user_roots is None:
            await self._below.readdir(fh, start_id, token)
            return
        for user_root in user_roots:
            cookie = user_root.number + DOT_DOT
            if cookie <= start_id or user_root.is_over:
                continue
            told = user_root.attributes.of(inodes.encode(user_root.number, ROOT_ID), _ROOT_NODE)
            if not pyfuse3.readdir_reply(token, user_root.login.encode(), told, cookie):
                return

    async def releasedir(self, fh: int) -> None:
        """Forget a listing."""
        if self._listings.pop(fh, None) is None:
            await self._below.releasedir(fh)
