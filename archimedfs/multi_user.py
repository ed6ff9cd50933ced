"""The root of a staging mount for all users: a folder for each, which the kernel opens to that Unix user alone."""

import contextlib
import inspect
import itertools
import os
import stat
from collections.abc import Callable
from typing import Generic

import pyfuse3

from archimedfs import inodes, session
from archimedfs.calling import Caller
from archimedfs.entrance import ROOT_MODE, Entrance
from archimedfs.errnos import answering
from archimedfs.handlers import Handlers, decoded
from archimedfs.invalidation import look_up
from archimedfs.listing import DOT_DOT
from archimedfs.user_roots import Account, Accounts, Shown, UserRoot, UserRoots
from catalog.administration import list_users, principal
from catalog.database import Database
from catalog.pure.access import Principal
from catalog.pure.errors import NotFound
from catalog.pure.nodes import ROOT_ID

_USER_MODE = stat.S_IFDIR | 0o700
_ENTRY_SECONDS, _ATTRIBUTES_SECONDS = 300.0, 1.0
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
        self._entrance = Entrance(user_roots, show)
        self._numbers = itertools.count(_FIRST_LISTING)
        self._listings: dict[int, list[UserRoot[Shown]]] = {}
        for name in _BELOW:
            setattr(self, name, getattr(below, name))

    @answering
    async def lookup(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """Find a user's folder, or a child in one."""
        if parent_inode != pyfuse3.ROOT_INODE:
            return await self._below.lookup(parent_inode, name, ctx)
        user_root = await self._enter(decoded(name))
        return _folder(inodes.encode(user_root.number, ROOT_ID), user_root.account, _USER_MODE)

    async def _enter(self, login: str) -> UserRoot[Shown]:
        """Return the root of a login, as the catalogue and the machine know it now."""
        user = await self._call(principal, self._database, login)
        account = await look_up(self._accounts, user.login) if user.login == login else None
        return self._entrance.enter(user, account)

    @answering
    async def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """Tell a node's attributes."""
        if inode == pyfuse3.ROOT_INODE:
            return _folder(inode, Account(os.getuid(), os.getgid()), ROOT_MODE)
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
            told = _folder(inodes.encode(user_root.number, ROOT_ID), user_root.account, _USER_MODE)
            if not pyfuse3.readdir_reply(token, user_root.login.encode(), told, cookie):
                return

    async def releasedir(self, fh: int) -> None:
        """Forget a listing."""
        if self._listings.pop(fh, None) is None:
            await self._below.releasedir(fh)


def _folder(inode: int, owner: Account, mode: int) -> pyfuse3.EntryAttributes:
    told = pyfuse3.EntryAttributes()
    told.st_ino, told.st_mode, told.st_nlink = inode, mode, 1
    told.st_uid, told.st_gid = owner
    told.entry_timeout, told.attr_timeout = _ENTRY_SECONDS, _ATTRIBUTES_SECONDS
    return told
