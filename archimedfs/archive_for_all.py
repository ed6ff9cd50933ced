"""The root of an archive mount for all users: a folder for each, which the kernel opens to that Unix user alone."""

import contextlib
import itertools
import os

from archimedfs import inodes
from archimedfs.archive import ArchiveOperations
from archimedfs.attributes import BELIEVED_SECONDS, FOLDER_BELIEVED_SECONDS, attributes_of
from archimedfs.entrance import ROOT_MODE, Entrance
from archimedfs.handlers import decoded
from archimedfs.kernel import messages
from archimedfs.kernel.device import Handler, Request
from archimedfs.kernel.messages import Opcode
from archimedfs.kernel.workers import Workers
from archimedfs.listing import DOT_DOT
from archimedfs.user_roots import Accounts, UserRoot
from catalog.administration import list_users, principal
from catalog.database import Database
from catalog.pure.errors import NotFound
from catalog.pure.nodes import ROOT_ID, Node
from catalog.view import Tree

_ROOT_NODE = Node(ROOT_ID, "", 0, 0)
# Numbers of open listings of the root, which the handlers below never give.
_FIRST_LISTING = 1 << 62
# Who asks for users may wait for a directory server.
_ENTERING = 8


class ArchiveForAll:
    """The handlers of the root above the users' roots; what is asked of anything below goes to the handlers given.

    Args:
        below: the handlers below each user's root.
        entrance: makes the users' roots.
        database: knows the users.
        accounts: finds their Unix users.
    """

    def __init__(self, below: ArchiveOperations, entrance: Entrance[Tree], database: Database, accounts: Accounts) -> None:
        self._below = below
        self._entrance = entrance
        self._database = database
        self._accounts = accounts
        self._entering = Workers("entering", _ENTERING)
        self._numbers = itertools.count(_FIRST_LISTING)
        self._listings: dict[int, list[UserRoot[Tree]]] = {}

    def handlers(self) -> dict[int, Handler]:
        """Return what answers each kind of request."""
        return self._below.handlers() | {
            Opcode.LOOKUP: self.lookup, Opcode.GETATTR: self.getattr, Opcode.OPENDIR: self.opendir,
            Opcode.READDIR: self.readdir, Opcode.READDIRPLUS: self.readdir, Opcode.RELEASEDIR: self.releasedir,
        }  # fmt: skip

    def lookup(self, request: Request) -> None:
        """Find a user's folder, or a child in one."""
        if request.node != messages.ROOT_ID:
            self._below.lookup(request)
            return
        login = decoded(messages.name_in(request.body))

        def told() -> None:
            user_root = self._enter(login)
            with user_root.lock:
                if user_root.is_over:
                    raise NotFound("there is no such file or folder")
                request.answer(messages.entry_out(_told(user_root), BELIEVED_SECONDS))

        self._entering.do(lambda: request.run(told))

    def _enter(self, login: str) -> UserRoot[Tree]:
        """Return the root of a login, as the catalogue and the machine know it now."""
        user = principal(self._database, login)
        return self._entrance.enter(user, self._accounts(user.login) if user.login == login else None)

    def getattr(self, request: Request) -> None:
        """Tell a node's attributes."""
        if request.node != messages.ROOT_ID:
            self._below.getattr(request)
            return
        root = messages.Attributes(
            messages.ROOT_ID, 0, 0, 0, ROOT_MODE, os.getuid(), os.getgid(), FOLDER_BELIEVED_SECONDS
        )  # fmt: skip
        request.answer(messages.attr_out(root))

    def opendir(self, request: Request) -> None:
        """Begin a listing; at the root, where the kernel lets root alone list, of the users who have a folder."""
        if request.node != messages.ROOT_ID:
            self._below.opendir(request)
            return
        number = next(self._numbers)

        def told() -> None:
            found = []
            for user in list_users(self._database):
                with contextlib.suppress(NotFound):
                    found.append(self._enter(user.login))
            self._listings[number] = sorted(found, key=lambda user_root: user_root.number)
            if not request.answer(messages.open_out(number, 0)):
                del self._listings[number]

        self._entering.do(lambda: request.run(told))

    def readdir(self, request: Request) -> None:
        """List children behind a cookie, with their attributes, as many as the kernel takes."""
        number, cookie, size = messages.read_in(request.body)
        user_roots = self._listings.get(number)
        if user_roots is None:
            self._below.readdir(request)
            return
        parts = bytearray()
        for user_root in user_roots:
            behind = user_root.number + DOT_DOT
            if behind <= cookie or user_root.is_over:
                continue
            told, name = _told(user_root), user_root.login.encode()
            if request.opcode == Opcode.READDIRPLUS:
                entry = messages.direntplus_out(name, told, BELIEVED_SECONDS, behind)
            else:
                entry = messages.dirent_out(name, told.inode, told.mode, behind, plus=False)
            if len(parts) + len(entry) > size:
                break
            parts += entry
        request.answer(parts)

    def releasedir(self, request: Request) -> None:
        """Forget a listing."""
        if self._listings.pop(messages.release_in(request.body), None) is None:
            self._below.releasedir(request)
        else:
            request.answer()


def _told(user_root: UserRoot[Tree]) -> messages.Attributes:
    return attributes_of(inodes.encode(user_root.number, ROOT_ID), _ROOT_NODE, user_root.account)
