"""The read-only archive mount: the kernel's requests onto a view. What may be seen is the view's to say."""

import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pyfuse3

from archimedfs import inodes, session
from archimedfs.attributes import Attributes
from archimedfs.calling import Caller, InThread
from archimedfs.errnos import answering
from archimedfs.listing import DOT, DOT_DOT, Listing, cookie_of
from archimedfs.reading import Buffer, Handle, Reader
from catalog.pure.errors import NotFound
from catalog.pure.names import MAX_NAME_BYTES
from catalog.pure.nodes import ROOT_ID, NodeId
from catalog.view import View

_CAPACITY = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail")


def run(
    view: View,
    mountpoint: Path,
    *,
    owner_uid: int,
    owner_gid: int,
    allow_other: bool = False,
    caller: Caller | None = None,
    on_ready: Callable[[], None],
) -> None:
    """Mount the archive as one user may see it; return when a signal came or somebody unmounted.

    Args:
        view: the archive as that user may see it: its root is the mount's root.
        mountpoint: an empty folder.
        owner_uid: the Unix user to whom folders (0500) and files (0400) belong.
        owner_gid: the group shown with them; it may do nothing.
        allow_other: whether other Unix users than this process's may come in at all, such as the owner of a mount made by root.
        caller: how the view is called; `calling.inline` is faster where the catalogue is SQLite. In other threads by default.
        on_ready: called once the mount answers; it may not touch the mount itself.

    Raises:
        Refused: the folder cannot be mounted on, or the system refused.
    """
    operations = ArchiveOperations(view, Attributes(owner_uid, owner_gid), caller or InThread())
    options = {"ro", "allow_other"} if allow_other else {"ro"}
    try:
        session.run(operations, mountpoint, options, on_ready)
    finally:
        operations.close()


class ArchiveOperations(session.Operations):
    """The handlers. Nothing is remembered but what is open: inode numbers are computed, so look-ups need not be counted.

    Args:
        view: what is shown, bound to its principal; no handler asks who calls.
        attributes: what is told of nodes.
        caller: how the view is called.
    """

    def __init__(self, view: View, attributes: Attributes, caller: Caller) -> None:
        super().__init__()
        self._view = view
        self._attributes = attributes
        self._call = caller
        self._reader = Reader()
        self._files: dict[int, Handle] = {}
        self._folders: dict[int, tuple[int, Listing]] = {}
        self._numbers = itertools.count(1)

    def _at(self, inode: int) -> tuple[int, View, NodeId]:
        """Return user slot, view and node of an inode number: the only place where one becomes another."""
        slot, node = inodes.decode(inode)
        if slot != inodes.ONLY_SLOT:
            raise NotFound("there is no such file or folder")
        return slot, self._view, node

    @answering
    async def lookup(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """Find a child by its name."""
        slot, view, parent = self._at(parent_inode)
        try:
            text = name.decode()
        except UnicodeDecodeError:
            raise NotFound("there is no such file or folder") from None
        node = await self._call(view.lookup, parent, text)
        return self._attributes.of(inodes.encode(slot, node.id), node)

    @answering
    async def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """Tell a node's attributes."""
        _, view, where = self._at(inode)
        return self._attributes.of(inode, await self._call(view.attributes, where))

    @answering
    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        """Begin a listing."""
        slot, view, where = self._at(inode)
        await self._call(view.attributes, where)
        number = next(self._numbers)
        self._folders[number] = (slot, Listing(view, where))
        return number

    @answering
    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """List children behind `start_id`, with their attributes, as many as the kernel takes."""
        slot, listing = self._folders[fh]
        cookie = start_id
        if cookie < DOT_DOT:
            if not self._list_dots(slot, listing.folder, cookie, token):
                return
            cookie = DOT_DOT
        while True:
            nodes = listing.held(cookie)
            if nodes is None:
                nodes = await self._call(listing.turn, cookie)
            if not nodes:
                return
            for node in nodes:
                cookie = cookie_of(node)
                entry = self._attributes.of(inodes.encode(slot, node.id), node)
                if not pyfuse3.readdir_reply(token, node.name.encode(), entry, cookie):
                    return

    def _list_dots(self, slot: int, folder: NodeId, cookie: int, token: pyfuse3.ReaddirToken) -> bool:
        """List `.` and `..`, which old scripts count on; return whether there is room for more."""
        inode = inodes.encode(slot, folder)
        dots = [(b".", inode, DOT), (b"..", inode if folder == ROOT_ID else None, DOT_DOT)]
        return all(
            pyfuse3.readdir_reply(token, name, self._attributes.of_dots(number), behind)
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
        _, view, where = self._at(inode)
        opened = await self._call(view.open, where)
        handle = self._files[opened.fd] = Handle(view, opened.node, opened.fd)
        self._reader.begin(handle)
        # keep_cache: an inode's bytes never change.
        return pyfuse3.FileInfo(fh=opened.fd, keep_cache=True)

    @answering
    async def read(  # type: ignore[override]  # pyfuse3 takes any buffer, though its stubs say bytes
        self, fh: int, off: int, size: int
    ) -> Buffer:
        """Read bytes of an open file."""
        return await self._reader.read(self._files[fh], off, size)

    @answering
    async def release(self, fh: int) -> None:
        """Close a file."""
        os.close(self._files.pop(fh).fd)

    @answering
    async def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        """Tell the size and free space of what the archive is stored on."""
        capacity = await self._call(self._view.capacity)
        answer = pyfuse3.StatvfsData()
        for name in _CAPACITY:
            setattr(answer, name, getattr(capacity, name))
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
        for handle in self._files.values():
            os.close(handle.fd)
        self._files.clear()
