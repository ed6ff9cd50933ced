"""The read-only archive mount: the kernel's requests onto a tree. What may be seen is the tree's to say."""

import errno
import logging
import os
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import pyfuse3

from archimedfs import inodes
from archimedfs.calling import Caller
from archimedfs.errnos import answering
from archimedfs.handlers import ROOT_UID, Handlers, decoded, refuse_strangers
from archimedfs.held import HeldFiles
from archimedfs.listing import DOT, DOT_DOT, Listing, cookie_of
from archimedfs.programs import Programs
from archimedfs.reading import Buffer, Handle, Reader
from archimedfs.user_roots import UserRoot, UserRoots
from catalog.pure.access import Action, Principal
from catalog.pure.capacity import Capacity
from catalog.pure.errors import ArchimedError, NotFound, Unavailable
from catalog.pure.names import MAX_NAME_BYTES
from catalog.pure.nodes import ROOT_ID, Kind, Node, NodeId
from catalog.view import OpenFile, Tree

_log = logging.getLogger(__name__)


class ArchiveOperations(Handlers[Tree]):
    """The handlers. Nothing is remembered but what is open: inode numbers are computed, so look-ups need not be counted.

    The kernel lets in a folder's owner alone (`default_permissions`, 0500). The handlers refuse strangers once more, for the
    kernel lets root pass; attributes are told to whoever walks by, since the kernel asks for them to refuse by them.

    Args:
        user_roots: the users; no handler takes a tree from elsewhere.
        caller: how the catalogue is called.
        capacity: returns the size and free space of what the archive is stored on.
    """

    knows_parts = True

    def __init__(self, user_roots: UserRoots[Tree], caller: Caller, capacity: Callable[[], Capacity]) -> None:
        super().__init__(user_roots, caller)
        self._capacity = capacity
        self._reader = Reader()
        self._programs = Programs()
        self._held = HeldFiles()
        self._files: dict[int, Handle] = {}
        self._folders: dict[int, tuple[UserRoot[Tree], Listing]] = {}

    def open_files(self, user_root: UserRoot[Tree], studies: Iterable[int]) -> list[int]:
        """Return the inode numbers of a root's open files, of these studies."""
        wanted = set(studies)
        return [held.inode for held in self._held.in_use(user_root.number) if held.node.study in wanted]

    async def end_gone(self, user_root: UserRoot[Tree], study: int) -> list[int]:
        """End a root's open files of a study that are not there any more; return their inode numbers."""
        ended = []
        for held in self._held.in_use(user_root.number):
            if held.node.study == study:
                try:
                    await self._call(user_root.shown.attributes, held.node.id)
                except NotFound:
                    held.is_over = True
                    ended.append(held.inode)
        return ended

    def suits(self, user: Principal) -> bool:
        """Whether a user of that role is shown anything: every role may view what is granted."""
        return user.may(Action.VIEW)

    def _at(self, inode: int) -> tuple[UserRoot[Tree], NodeId]:
        """Return user and node of an inode number: the only place where one becomes another."""
        number, node = inodes.decode(inode)
        return self._user_roots[number], node

    def folders(self, user_root: UserRoot[Tree], study: int) -> list[int]:
        """Return the inode numbers of all folders of a study: nobody here knows where a user's working directory is."""
        try:
            found = user_root.shown.folders(study)
        except ArchimedError as error:
            _log.error("the mount could not clear names of a study that was taken away: %s", error)
            found = [NodeId(Kind.STUDY, study)]
        return [inodes.encode(user_root.number, folder) for folder in found]

    def hidden(self, user_root: UserRoot[Tree], study: int) -> list[tuple[int, str]]:
        """Return what the user may not see of a study that they have: the folder's inode number and the name in it."""
        found = user_root.shown.hidden(study)
        return [(inodes.encode(user_root.number, folder), name) for folder, name in found]

    @answering
    async def lookup(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """Find a child by its name."""
        user_root, parent = self._at(parent_inode)
        refuse_strangers(user_root, ctx)
        node = await self._ask(user_root, user_root.shown.lookup, parent, decoded(name))
        return self._told(user_root, node)

    def _told(self, user_root: UserRoot[Tree], node: Node) -> pyfuse3.EntryAttributes:
        """Return what the kernel is told of a child, which it may remember."""
        if node.id.kind is Kind.STUDY:
            user_root.studies[node.id.row] = node.name
        return user_root.attributes.of(inodes.encode(user_root.number, node.id), node)

    @answering
    async def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """Tell a node's attributes."""
        user_root, where = self._at(inode)
        if ctx.uid == ROOT_UID and inode != pyfuse3.ROOT_INODE:
            refuse_strangers(user_root, ctx)
        return user_root.attributes.of(inode, await self._ask(user_root, user_root.shown.attributes, where))

    @answering
    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        """Begin a listing."""
        user_root, where = self._at(inode)
        refuse_strangers(user_root, ctx)
        await self._ask(user_root, user_root.shown.attributes, where)
        number = next(self._numbers)
        self._folders[number] = (user_root, Listing(user_root.shown, where))
        return number

    @answering
    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """List children behind `start_id`, with their attributes, as many as the kernel takes."""
        user_root, listing = self._folders[fh]
        cookie = start_id
        if cookie < DOT_DOT:
            if not self._list_dots(user_root, listing.folder, cookie, token):
                return
            cookie = DOT_DOT
        while True:
            nodes = listing.held(cookie, user_root.epoch)
            if nodes is None:
                nodes = await self._ask(user_root, listing.turn, cookie, user_root.epoch)
            if not nodes:
                return
            for node in nodes:
                cookie = cookie_of(node)
                if not pyfuse3.readdir_reply(token, node.name.encode(), self._told(user_root, node), cookie):
                    return

    def _list_dots(self, user_root: UserRoot[Tree], folder: NodeId, cookie: int, token: pyfuse3.ReaddirToken) -> bool:
        """List `.` and `..`, which old scripts count on; return whether there is room for more."""
        inode = inodes.encode(user_root.number, folder)
        dots = [(b".", inode, DOT), (b"..", inode if folder == ROOT_ID else None, DOT_DOT)]
        return all(
            pyfuse3.readdir_reply(token, name, user_root.attributes.of_dots(number), behind)
            for name, number, behind in dots
            if behind > cookie
        )

    async def releasedir(self, fh: int) -> None:
        """Forget a listing."""
        self._folders.pop(fh, None)

    @answering
    async def open(self, inode: int, flags: int, ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        """Open a file for reading."""
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise pyfuse3.FUSEError(errno.EROFS)
        user_root, where = self._at(inode)
        refuse_strangers(user_root, ctx)
        program = self._programs.name(ctx.pid)
        held = self._held.again(user_root, inode)
        if held is None:
            opened = await self._ask(user_root, self._open, user_root, where, program)
            held = self._held.hold(user_root, inode, opened)
            self._reader.begin(held)
            handle = Handle(held, opened.count)
        else:
            handle = Handle(held, held.file.again(program))
        number = next(self._numbers)
        self._files[number] = handle
        # keep_cache: an inode's bytes never change.
        return pyfuse3.FileInfo(fh=number, keep_cache=True)

    def _open(self, user_root: UserRoot[Tree], node: NodeId, program: str) -> OpenFile:
        try:
            return user_root.shown.open(node, program)
        except Unavailable:
            # Perhaps for want of descriptors, of which some are open for nobody.
            self._held.forget()
            return user_root.shown.open(node, program)

    @answering
    async def read(  # type: ignore[override]  # pyfuse3 takes any buffer, though its stubs say bytes
        self, fh: int, off: int, size: int
    ) -> Buffer:
        """Read bytes of an open file."""
        handle = self._files[fh]
        _refuse_ended(handle)
        answer = await self._reader.read(handle, off, size)
        _refuse_ended(handle)
        handle.count(len(answer))
        return answer

    @answering
    async def release(self, fh: int) -> None:
        """Close a file."""
        self._held.release(self._files.pop(fh).held)

    @answering
    async def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        """Tell the size and free space of what the archive is stored on."""
        capacity = await self._call(self._capacity)
        answer = pyfuse3.StatvfsData()
        answer.f_bsize = answer.f_frsize = capacity.block
        answer.f_blocks, answer.f_bfree, answer.f_bavail = capacity.blocks, capacity.free, capacity.available
        answer.f_files, answer.f_ffree, answer.f_favail = capacity.files, capacity.free_files, capacity.free_files
        answer.f_namemax = MAX_NAME_BYTES
        return answer

    async def _read_only(self, *args: Any, **named: Any) -> NoReturn:
        # The kernel knows that the mount is read-only and hardly ever asks.
        raise pyfuse3.FUSEError(errno.EROFS)

    create = mkdir = mknod = symlink = link = _read_only
    rename = unlink = rmdir = _read_only
    write = setattr = setxattr = removexattr = _read_only

    def close(self) -> None:
        """Close what was open when the mount ended."""
        self._files.clear()
        self._held.close()


def _refuse_ended(handle: Handle) -> None:
    if handle.lease.is_over:
        raise pyfuse3.FUSEError(errno.EACCES)
    if handle.held.is_over:
        raise pyfuse3.FUSEError(errno.ENOENT)
