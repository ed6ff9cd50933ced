"""The staging mount: the kernel's requests onto each user's inbox. What may be changed is the inbox's to say."""

import errno
import os
import stat
from collections.abc import Iterable

import pyfuse3

from archimedfs.calling import Caller
from archimedfs.errnos import answering
from archimedfs.handlers import refuse_strangers
from archimedfs.inode_table import Node
from archimedfs.inodes import slot_of
from archimedfs.staged_files import Disk, OpenStaged
from archimedfs.staging_lookup import StagedInbox, StagingLookup, refuse_ended
from archimedfs.user_roots import UserRoot, UserRoots
from catalog.gate.drops.handles import Reading, Writing
from catalog.gate.drops.inbox import Inboxes
from catalog.pure.access import Action, Principal
from catalog.pure.drops import Entry, Place


class StagingOperations(StagingLookup):
    """The handlers, those that look included."""

    knows_parts = False

    def __init__(self, inboxes: Inboxes, user_roots: UserRoots[StagedInbox], caller: Caller) -> None:
        super().__init__(inboxes, user_roots, caller)
        self._disk = Disk()

    # For whoever follows what is taken away.

    def open_files(self, user_root: UserRoot[StagedInbox], studies: Iterable[int]) -> list[int]:
        """Return the inode numbers of a root's open files, of these studies."""
        wanted = set(studies)
        return [
            file.node.inode
            for file in self._files.values()
            if file.study in wanted and slot_of(file.node.inode) == user_root.number
        ]  # fmt: skip

    async def end_gone(self, _user_root: UserRoot[StagedInbox], _study: int) -> list[int]:
        """Return that no open file was ended: what is staged is not archived."""
        return []

    def hidden(self, _user_root: UserRoot[StagedInbox], _study: int) -> list[tuple[int, str]]:
        """Return nothing: who loses a part of a study opens what is left anew."""
        return []

    def folders(self, user_root: UserRoot[StagedInbox], study: int) -> list[int]:
        """Return the inode numbers of a study that the kernel was told of."""
        return user_root.shown.inodes.below(user_root.studies.get(study, ""))

    def suits(self, user: Principal) -> bool:
        """Whether a user of that role is shown anything."""
        return user.may(Action.IMPORT)

    # Changing.

    @answering
    async def mkdir(
        self, parent_inode: int, name: bytes, mode: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:  # fmt: skip
        """Make a folder."""
        user_root, parent, place = self._reached(parent_inode, name, ctx)
        await self._changed(user_root, place, user_root.shown.inbox.make_folder, place)
        return self._entry_attributes(user_root, parent, await self._ask(user_root, user_root.shown.inbox.stat, place))

    @answering
    async def unlink(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        """Remove a file."""
        user_root, parent, place = self._reached(parent_inode, name, ctx)
        await self._changed(user_root, place, user_root.shown.inbox.remove, place)
        user_root.shown.inodes.remove(parent, place[-1])

    @answering
    async def rmdir(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        """Remove an empty folder."""
        user_root, parent, place = self._reached(parent_inode, name, ctx)
        await self._changed(user_root, place, user_root.shown.inbox.remove_folder, place)
        user_root.shown.inodes.remove(parent, place[-1])

    @answering
    async def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: pyfuse3.RequestContext,
    ) -> None:
        """Move a file or folder."""
        if flags & ~pyfuse3.RENAME_NOREPLACE:
            raise pyfuse3.FUSEError(errno.EINVAL)
        user_root, parent, old = self._reached(parent_inode_old, name_old, ctx)
        other, new_parent, new = self._reached(parent_inode_new, name_new, ctx)
        if other is not user_root:
            raise pyfuse3.FUSEError(errno.EXDEV)
        await self._changed(user_root, new, user_root.shown.inbox.rename, old, new, may_replace=not flags)
        user_root.shown.inodes.move(parent, old[-1], new_parent, new[-1])

    async def _refused(self, *args: object, **named: object) -> pyfuse3.EntryAttributes:
        """Refuse links and devices: a batch holds files and folders."""
        raise pyfuse3.FUSEError(errno.EPERM)

    symlink = link = mknod = _refused

    @answering
    async def setattr(
        self,
        inode: int,
        attr: pyfuse3.EntryAttributes,
        fields: pyfuse3.SetattrFields,
        fh: int | None,
        ctx: pyfuse3.RequestContext,
    ) -> pyfuse3.EntryAttributes:
        """Set size and times; mode and owner stay as they are, without complaint: programs that copy set them."""
        user_root, node = self._at(inode)
        refuse_strangers(user_root, ctx)
        if fields.update_size:
            await self._set_size(user_root, node, attr.st_size, fh)
        if fields.update_atime or fields.update_mtime:
            atime = attr.st_atime_ns if fields.update_atime else None
            mtime = attr.st_mtime_ns if fields.update_mtime else None
            place = user_root.shown.inodes.path(node)
            await self._changed(user_root, place, user_root.shown.inbox.set_times, place, atime, mtime)
        return await self._attributes(user_root, node)

    async def _set_size(self, user_root: UserRoot[StagedInbox], node: Node, size: int, fh: int | None) -> None:
        handle = fh if fh is not None else next(
            (number for number in node.handles if isinstance(self._files[number].file, Writing)), None
        )  # fmt: skip
        if handle is None:
            place = user_root.shown.inodes.path(node)
            await self._changed(user_root, place, user_root.shown.inbox.truncate, place, size)
            return
        file = self._files[handle]
        refuse_ended(file)
        await self._disk.truncate(_writing(file), size)

    # Open files.

    @answering
    async def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: pyfuse3.RequestContext
    ) -> tuple[pyfuse3.FileInfo, pyfuse3.EntryAttributes]:
        """Make a file if it is not there, and open it."""
        if not stat.S_ISREG(mode):
            raise pyfuse3.FUSEError(errno.EPERM)
        user_root, parent, place = self._reached(parent_inode, name, ctx)
        opened = await self._changed(
            user_root, place, user_root.shown.inbox.write, place,
            create=True, exclusive=bool(flags & os.O_EXCL), append=bool(flags & os.O_APPEND),
        )  # fmt: skip
        if flags & os.O_TRUNC:
            await self._emptied(opened)
        found = os.fstat(opened.fd)
        entry = Entry(place[-1], is_folder=False, size=0, mtime_ns=0, is_sealed=False, inode=found.st_ino)
        node = user_root.shown.inodes.remember(parent, entry)
        info = self._opened(user_root, node, place, opened, ctx)
        return info, user_root.shown.attributes.of_open(node.inode, found, is_there=True)

    @answering
    async def open(self, inode: int, flags: int, ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        """Open a file."""
        user_root, node = self._at(inode)
        refuse_strangers(user_root, ctx)
        place = user_root.shown.inodes.path(node)
        if flags & os.O_ACCMODE == os.O_RDONLY:
            reading = await self._ask(user_root, user_root.shown.inbox.open, place)
            return self._opened(user_root, node, place, reading, ctx)
        opened = await self._changed(user_root, place, user_root.shown.inbox.write, place, append=bool(flags & os.O_APPEND))
        if flags & os.O_TRUNC:
            await self._emptied(opened)
        return self._opened(user_root, node, place, opened, ctx)

    async def _emptied(self, opened: Writing) -> None:
        try:
            if os.fstat(opened.fd).st_size:
                await self._disk.truncate(opened, 0)
        except BaseException:
            opened.close()
            raise

    def _opened(
        self, user_root: UserRoot[StagedInbox], node: Node, place: Place, file: Reading | Writing, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.FileInfo:
        number = next(self._numbers)
        study = next(row for row, name in user_root.studies.items() if name == place[0])
        self._files[number] = OpenStaged(node, study, file, user_root.lease(study), ctx.pid)
        node.handles.add(number)
        # Not keep_cache: another face may have changed the bytes.
        return pyfuse3.FileInfo(fh=number, keep_cache=False)

    @answering
    async def read(self, fh: int, off: int, size: int) -> bytes:
        """Read bytes of an open file."""
        file = self._files[fh]
        refuse_ended(file)
        answer = await self._disk.read(file, off, size)
        refuse_ended(file)
        return answer

    @answering
    async def write(self, fh: int, off: int, buf: bytes) -> int:
        """Write bytes of an open file."""
        file = self._files[fh]
        refuse_ended(file)
        return await self._disk.write(_writing(file), buf, off)

    @answering
    async def flush(self, fh: int) -> None:
        """Answer close(2): when this returns, what was written is durable."""
        await self._disk.finish(self._files[fh])

    @answering
    async def fsync(self, fh: int, datasync: bool) -> None:
        """Return when what was written is durable."""
        await self._disk.sync(self._files[fh])

    @answering
    async def release(self, fh: int) -> None:
        """Close a file."""
        file = self._files.pop(fh)
        file.node.handles.discard(fh)
        await self._disk.close(file)

    def close(self) -> None:
        """Close what was open when the mount ended; what was being written stays marked as unfinished."""
        for file in self._files.values():
            if isinstance(file.file, Writing):
                file.file.close(is_whole=False)
            else:
                file.file.close()
        self._files.clear()
        self._inboxes.close()


def _writing(file: OpenStaged) -> Writing:
    if not isinstance(file.file, Writing):
        raise pyfuse3.FUSEError(errno.EBADF)
    return file.file
