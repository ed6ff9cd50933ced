"""Looking into the staging mount: the kernel's questions onto each user's inbox. What may be seen is the inbox's to say.

May live here: what both looking and changing need, and what only reads. Changing, and open files, are `archimedfs.staging`.
"""

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import pyfuse3

from archimedfs.calling import Caller, InThreadOfUser
from archimedfs.errnos import answering
from archimedfs.handlers import Handlers, discard, refuse_strangers
from archimedfs.inode_table import InodeTable, Node
from archimedfs.inodes import slot_of
from archimedfs.staged_attributes import StagedAttributes
from archimedfs.staged_files import OpenStaged
from archimedfs.user_roots import ROOT_UID, Account, UserRoot, UserRoots
from catalog.gate.drops.inbox import Inbox, Inboxes
from catalog.pure.drops import Entry, Place, decoded
from catalog.pure.errors import NotFound
from catalog.pure.names import MAX_NAME_BYTES

_DOT, _DOT_DOT = 1, 2

_Parameters = ParamSpec("_Parameters")
_Answer = TypeVar("_Answer")


class StagedInbox:
    """What one user is shown: their inbox, and the inode numbers that the kernel was told of it."""

    def __init__(self, inbox: Inbox, account: Account, slot: int) -> None:
        self.inbox = inbox
        self.inodes = InodeTable(slot)
        self.attributes = StagedAttributes(account.uid, account.gid)


@dataclass(slots=True)
class _Listing:
    """An open folder: its children as they were when the listing began, or was begun again after a loss."""

    user_root: UserRoot[StagedInbox]
    node: Node
    entries: Sequence[Entry]
    epoch: int


class StagingLookup(Handlers[StagedInbox]):
    """The handlers that change nothing.

    The kernel lets in a folder's owner alone (`default_permissions`, 0700); the handlers refuse root once more.

    Args:
        inboxes: what is mounted.
        user_roots: the users; no handler takes an inbox from elsewhere.
        caller: how the catalogue is read. Changes are made in other threads, for they wait for the disk.
    """

    def __init__(self, inboxes: Inboxes, user_roots: UserRoots[StagedInbox], caller: Caller) -> None:
        super().__init__(user_roots, caller)
        self._inboxes = inboxes
        self._change_in_thread = InThreadOfUser()
        self._files: dict[int, OpenStaged] = {}
        self._folders: dict[int, _Listing] = {}

    def _at(self, inode: int) -> tuple[UserRoot[StagedInbox], Node]:
        """Return user and node of an inode number: the only place where one becomes another."""
        user_root = self._user_roots[slot_of(inode)]
        return user_root, user_root.shown.inodes[inode]

    def _reached(self, inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> tuple[UserRoot[StagedInbox], Node, Place]:
        """Return user, parent and place of a child that a request names."""
        user_root, parent = self._at(inode)
        refuse_strangers(user_root, ctx)
        return user_root, parent, (*user_root.shown.inodes.path(parent), decoded(name))

    @answering
    async def lookup(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """Find a child by its name."""
        user_root, parent, place = self._reached(parent_inode, name, ctx)
        return self._entry_attributes(user_root, parent, await self._ask(user_root, user_root.shown.inbox.stat, place))

    def _entry_attributes(self, user_root: UserRoot[StagedInbox], parent: Node, entry: Entry) -> pyfuse3.EntryAttributes:
        """Return what the kernel is told of a child, which it may remember."""
        node = user_root.shown.inodes.remember(parent, entry)
        if parent is user_root.shown.inodes.root:
            user_root.studies[entry.inode] = entry.name
        return user_root.shown.attributes.of(node.inode, entry)

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        """Forget what the kernel has forgotten."""
        for inode, lookups in inode_list:
            user_root = self._user_roots.get(slot_of(inode))
            if user_root is not None:
                user_root.shown.inodes.forget(inode, lookups)

    @answering
    async def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """Tell a node's attributes."""
        user_root, node = self._at(inode)
        if ctx.uid == ROOT_UID and inode != pyfuse3.ROOT_INODE:
            refuse_strangers(user_root, ctx)
        return await self._attributes(user_root, node)

    async def _attributes(self, user_root: UserRoot[StagedInbox], node: Node) -> pyfuse3.EntryAttributes:
        attributes = user_root.shown.attributes
        for handle in node.handles:
            file = self._files[handle]
            refuse_ended(file)
            return attributes.of_open(node.inode, os.fstat(file.file.fd), is_there=node.parent is not None)
        entry = await self._ask(user_root, user_root.shown.inbox.stat, user_root.shown.inodes.path(node))
        return attributes.of(node.inode, entry, is_root=node is user_root.shown.inodes.root)

    @answering
    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        """Begin a listing."""
        user_root, node = self._at(inode)
        refuse_strangers(user_root, ctx)
        await self._ask(user_root, user_root.shown.inbox.stat, user_root.shown.inodes.path(node))
        number = next(self._numbers)
        self._folders[number] = _Listing(user_root, node, (), -1)
        return number

    @answering
    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """List children behind `start_id`, with their attributes, as many as the kernel takes."""
        listing = self._folders[fh]
        user_root, node = listing.user_root, listing.node
        if start_id == 0 or listing.epoch != user_root.epoch:
            place = user_root.shown.inodes.path(node)
            listing.entries = await self._changed(user_root, place, user_root.shown.inbox.children, place)
            listing.epoch = user_root.epoch
        dots = [(b".", node, _DOT), (b"..", node.parent or node, _DOT_DOT)]
        for name, dot, cookie in dots:
            if cookie > start_id:
                attributes = user_root.shown.attributes.of(
                    dot.inode, Entry("", is_folder=True, size=0, mtime_ns=0, is_sealed=False)
                )
                if not pyfuse3.readdir_reply(token, name, attributes, cookie):
                    return
        for index in range(max(start_id - _DOT_DOT, 0), len(listing.entries)):
            entry = listing.entries[index]
            attributes = self._entry_attributes(user_root, node, entry)
            name = entry.name.encode("utf-8", "surrogateescape")
            if not pyfuse3.readdir_reply(token, name, attributes, index + 1 + _DOT_DOT):
                # The kernel did not take it.
                user_root.shown.inodes.forget(attributes.st_ino, 1)
                return

    async def releasedir(self, fh: int) -> None:
        """Forget a listing."""
        self._folders.pop(fh, None)

    @answering
    async def fsyncdir(self, fh: int, datasync: bool) -> None:
        """Return when the names in a folder are durable."""
        listing = self._folders[fh]
        user_root, place = listing.user_root, listing.user_root.shown.inodes.path(listing.node)
        await self._changed(user_root, place, user_root.shown.inbox.sync_names, place)

    @answering
    async def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        """Tell size and free space: of the quota, where there is one, else of the disk."""
        answer = pyfuse3.StatvfsData()
        user_root = self._user_roots.of_unix_user(ctx.uid)
        capacity = await self._call(user_root.shown.inbox.capacity if user_root else self._inboxes.capacity)
        answer.f_bsize = answer.f_frsize = capacity.block
        answer.f_blocks, answer.f_bfree, answer.f_bavail = capacity.blocks, capacity.free, capacity.available
        answer.f_files, answer.f_ffree, answer.f_favail = capacity.files, capacity.free_files, capacity.free_files
        answer.f_namemax = MAX_NAME_BYTES
        return answer

    async def _changed(
        self,
        user_root: UserRoot[StagedInbox],
        place: Place,
        function: Callable[_Parameters, _Answer],
        *args: _Parameters.args,
        **named: _Parameters.kwargs,
    ) -> _Answer:
        """Call for a user in another thread, once; what was lost meanwhile is not answered."""
        epoch = user_root.epoch
        answer = await self._change_in_thread(user_root, function, *args, **named)
        if user_root.epoch != epoch or user_root.is_over:
            try:
                await self._ask(user_root, user_root.shown.inbox.stat, place[:1])
            except NotFound:
                discard(answer)
                raise
        return answer


def refuse_ended(file: OpenStaged) -> None:
    """Let nobody use a file whose study was taken away since it was opened."""
    if file.lease.is_over:
        raise pyfuse3.FUSEError(errno.EACCES)
