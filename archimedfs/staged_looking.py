"""Looking into the staging mount: the kernel's questions onto each user's inbox. What may be seen is the inbox's to say.

May live here: what both looking and changing need, and what only reads. Changing, and open files, are `archimedfs.staging`.
"""

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import pyfuse3

from archimedfs.calling import Caller, InThread
from archimedfs.errnos import answering
from archimedfs.inodes import slot_of
from archimedfs.places import Node, Places
from archimedfs.slots import Account, Slot, Slots
from archimedfs.staged_attributes import StagedAttributes
from archimedfs.staged_files import OpenStaged
from archimedfs.trees import ROOT_UID, TreeOperations, discard, refuse_strangers
from catalog.gate.drops.inbox import Inbox
from catalog.gate.drops.inboxes import Inboxes
from catalog.pure.drops import Entry, Place, decoded
from catalog.pure.errors import NotFound
from catalog.pure.names import MAX_NAME_BYTES

_DOT, _DOT_DOT = 1, 2

_Parameters = ParamSpec("_Parameters")
_Answer = TypeVar("_Answer")


class StagingTree:
    """What one user is shown: their inbox, and the inode numbers that the kernel was told of it."""

    def __init__(self, inbox: Inbox, account: Account, slot: int) -> None:
        self.inbox = inbox
        self.places = Places(slot)
        self.attributes = StagedAttributes(account.uid, account.gid)


@dataclass(slots=True)
class _Listing:
    """An open folder: its children as they were when the listing began, or was begun again after a loss."""

    slot: Slot[StagingTree]
    node: Node
    entries: Sequence[Entry]
    epoch: int


class StagedLooking(TreeOperations[StagingTree]):
    """The handlers that change nothing.

    The kernel lets in a folder's owner alone (`default_permissions`, 0700); the handlers refuse root once more.

    Args:
        inboxes: what is mounted.
        slots: the users; no handler takes an inbox from elsewhere.
        caller: how the catalogue is read. Changes are made in other threads, for they wait for the disk.
    """

    def __init__(self, inboxes: Inboxes, slots: Slots[StagingTree], caller: Caller) -> None:
        super().__init__(slots, caller)
        self._inboxes = inboxes
        self._change_in_thread = InThread()
        self._files: dict[int, OpenStaged] = {}
        self._folders: dict[int, _Listing] = {}

    def _at(self, inode: int) -> tuple[Slot[StagingTree], Node]:
        """Return user and node of an inode number: the only place where one becomes another."""
        slot = self._slots[slot_of(inode)]
        return slot, slot.view.places[inode]

    def _reached(self, inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> tuple[Slot[StagingTree], Node, Place]:
        """Return user, parent and place of a child that a request names."""
        slot, parent = self._at(inode)
        refuse_strangers(slot, ctx)
        return slot, parent, (*slot.view.places.place(parent), decoded(name))

    @answering
    async def lookup(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """Find a child by its name."""
        return await self._lookup(parent_inode, name, ctx)

    async def _lookup(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        slot, parent, place = self._reached(parent_inode, name, ctx)
        return self._told(slot, parent, await self._ask(slot, slot.view.inbox.stat, place))

    def _told(self, slot: Slot[StagingTree], parent: Node, entry: Entry) -> pyfuse3.EntryAttributes:
        """Return what the kernel is told of a child, which it may remember."""
        node = slot.view.places.told(parent, entry)
        if parent is slot.view.places.root:
            slot.studies[entry.inode] = entry.name
        return slot.view.attributes.of(node.inode, entry)

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        """Forget what the kernel has forgotten."""
        for inode, lookups in inode_list:
            slot = self._slots.get(slot_of(inode))
            if slot is not None:
                slot.view.places.forgotten(inode, lookups)

    @answering
    async def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """Tell a node's attributes."""
        return await self._getattr(inode, ctx)

    async def _getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        slot, node = self._at(inode)
        if ctx.uid == ROOT_UID and inode != pyfuse3.ROOT_INODE:
            refuse_strangers(slot, ctx)
        return await self._attributes(slot, node)

    async def _attributes(self, slot: Slot[StagingTree], node: Node) -> pyfuse3.EntryAttributes:
        attributes = slot.view.attributes
        for handle in node.handles:
            file = self._files[handle]
            refuse_ended(file)
            return attributes.of_open(node.inode, os.fstat(file.file.fd), is_there=node.parent is not None)
        entry = await self._ask(slot, slot.view.inbox.stat, slot.view.places.place(node))
        return attributes.of(node.inode, entry, is_root=node is slot.view.places.root)

    @answering
    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        """Begin a listing."""
        return await self._opendir(inode, ctx)

    async def _opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        slot, node = self._at(inode)
        refuse_strangers(slot, ctx)
        await self._ask(slot, slot.view.inbox.stat, slot.view.places.place(node))
        number = next(self._numbers)
        self._folders[number] = _Listing(slot, node, (), -1)
        return number

    @answering
    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """List children behind `start_id`, with their attributes, as many as the kernel takes."""
        await self._readdir(fh, start_id, token)

    async def _readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        listing = self._folders[fh]
        slot, node = listing.slot, listing.node
        if start_id == 0 or listing.epoch != slot.epoch:
            place = slot.view.places.place(node)
            listing.entries = await self._changed(slot, place, slot.view.inbox.children, place)
            listing.epoch = slot.epoch
        dots = [(b".", node, _DOT), (b"..", node.parent or node, _DOT_DOT)]
        for name, dot, cookie in dots:
            if cookie > start_id:
                told = slot.view.attributes.of(dot.inode, Entry("", is_folder=True, size=0, mtime_ns=0, is_sealed=False))
                if not pyfuse3.readdir_reply(token, name, told, cookie):
                    return
        for index in range(max(start_id - _DOT_DOT, 0), len(listing.entries)):
            entry = listing.entries[index]
            told = self._told(slot, node, entry)
            name = entry.name.encode("utf-8", "surrogateescape")
            if not pyfuse3.readdir_reply(token, name, told, index + 1 + _DOT_DOT):
                # The kernel did not take it.
                slot.view.places.forgotten(told.st_ino, 1)
                return

    async def releasedir(self, fh: int) -> None:
        """Forget a listing."""
        self._folders.pop(fh, None)

    @answering
    async def fsyncdir(self, fh: int, datasync: bool) -> None:
        """Return when the names in a folder are durable."""
        listing = self._folders[fh]
        slot, place = listing.slot, listing.slot.view.places.place(listing.node)
        await self._changed(slot, place, slot.view.inbox.sync_names, place)

    @answering
    async def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        """Tell size and free space: of the quota, where there is one, else of the disk."""
        answer = pyfuse3.StatvfsData()
        slot = self._slots.of_unix_user(ctx.uid)
        capacity = await self._call(slot.view.inbox.capacity if slot else self._inboxes.capacity)
        answer.f_bsize = answer.f_frsize = capacity.block
        answer.f_blocks, answer.f_bfree, answer.f_bavail = capacity.blocks, capacity.free, capacity.available
        answer.f_files, answer.f_ffree, answer.f_favail = capacity.files, capacity.free_files, capacity.free_files
        answer.f_namemax = MAX_NAME_BYTES
        return answer

    async def _changed(
        self,
        slot: Slot[StagingTree],
        place: Place,
        function: Callable[_Parameters, _Answer],
        *args: _Parameters.args,
        **named: _Parameters.kwargs,
    ) -> _Answer:
        """Call for a user in another thread, once; what was lost meanwhile is not answered."""
        epoch = slot.epoch
        answer = await self._change_in_thread(function, *args, **named)
        if slot.epoch != epoch or slot.is_over:
            try:
                await self._ask(slot, slot.view.inbox.stat, place[:1])
            except NotFound:
                discard(answer)
                raise
        return answer


def refuse_ended(file: OpenStaged) -> None:
    """Let nobody use a file whose study was taken away since it was opened."""
    if file.lease.is_over:
        raise pyfuse3.FUSEError(errno.EACCES)
