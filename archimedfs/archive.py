"""The read-only archive mount: the kernel's requests onto a tree. What may be seen is the tree's to say."""

import errno
import itertools
import os
from collections.abc import Callable, Iterable
from typing import TypeVar

from archimedfs import inodes
from archimedfs.attributes import BELIEVED_SECONDS, FOLDER_MODE, UNKNOWN_INODE, attributes_of
from archimedfs.calling import Caller
from archimedfs.handlers import decoded, discard
from archimedfs.held import HeldFiles
from archimedfs.kernel import messages
from archimedfs.kernel.device import Handler, Refusal, Request
from archimedfs.kernel.messages import Opcode
from archimedfs.kernel.workers import Workers
from archimedfs.listing import DOT, DOT_DOT, Listing, cookie_of
from archimedfs.programs import Programs
from archimedfs.reading import Handle, Reader
from archimedfs.remembered import Remembered
from archimedfs.user_roots import ROOT_UID, UserRoot, UserRoots
from catalog.pure.access import Action, Principal
from catalog.pure.capacity import Capacity
from catalog.pure.errors import NotFound, Unavailable
from catalog.pure.names import MAX_NAME_BYTES
from catalog.pure.nodes import ROOT_ID, Kind, Node, NodeId
from catalog.view import OpenFile, Tree

_Answer = TypeVar("_Answer")

# So many readers may wait for the disk at once; the others wait for them.
_READERS = 16
# A disk that is slow answers by then; one that is dead keeps the mount from ending no longer.
_CLOSE_SECONDS = 5.0


class ArchiveOperations:
    """The handlers. Nothing is remembered but what is open: inode numbers are computed, so look-ups need not be counted.

    The kernel lets in a folder's owner alone (`default_permissions`, 0700). The handlers refuse strangers once more, for the
    kernel lets root pass; attributes are told to whoever walks by, since the kernel asks for them to refuse by them.

    Args:
        user_roots: the users; no handler takes a tree from elsewhere.
        call: how the catalogue is called by who follows changes.
        asking: who calls the catalogue for requests; None: the thread that takes them, for a catalogue that lets nobody wait.
        capacity: returns the size and free space of what the archive is stored on.
    """

    knows_parts = True

    def __init__(
        self,
        user_roots: UserRoots[Tree],
        call: Caller,
        asking: Workers | None,
        capacity: Callable[[], Capacity],
    ) -> None:
        self._user_roots = user_roots
        self._call = call
        self._asking = asking
        self._capacity = capacity
        self._reading = Workers("reading", _READERS)
        self._reader = Reader()
        self._programs = Programs()
        self._held = HeldFiles()
        self._remembered = Remembered()
        self._numbers = itertools.count(1)
        self._files: dict[int, Handle] = {}
        self._folders: dict[int, tuple[UserRoot[Tree], Listing]] = {}

    def handlers(self) -> dict[int, Handler]:
        """Return what answers each kind of request."""
        return {
            Opcode.LOOKUP: self.lookup, Opcode.GETATTR: self.getattr, Opcode.OPENDIR: self.opendir,
            Opcode.READDIR: self.readdir, Opcode.READDIRPLUS: self.readdir, Opcode.RELEASEDIR: self.releasedir,
            Opcode.OPEN: self.open, Opcode.READ: self.read, Opcode.RELEASE: self.release, Opcode.STATFS: self.statfs,
        }  # fmt: skip

    # For who follows changes.

    def open_files(self, user_root: UserRoot[Tree], studies: Iterable[int]) -> list[int]:
        """Return the inode numbers of a root's files, of these studies, whose bytes the kernel may hold: open or not."""
        return self._remembered.of(user_root.number, studies)

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

    def folders(self, user_root: UserRoot[Tree], study: int) -> list[int]:
        """Return the inode numbers of all folders of a study: nobody here knows where a user's working directory is.

        Raises:
            Unavailable: the catalogue does not answer.
        """
        return [inodes.encode(user_root.number, folder) for folder in user_root.shown.folders(study)]

    def hidden(self, user_root: UserRoot[Tree], study: int) -> list[tuple[int, str]]:
        """Return what the user may not see of a study that they have: the folder's inode number and the name in it."""
        found = user_root.shown.hidden(study)
        return [(inodes.encode(user_root.number, folder), name) for folder, name in found]

    def forgotten(self, numbers: Iterable[int]) -> None:
        """Note that the kernel has forgotten inodes, and their pages with them."""
        self._remembered.forget(numbers)

    def forget_idle(self, older_than: float) -> None:
        """Close what nobody has open and was opened before that moment of the monotonic clock."""
        self._held.forget(older_than=older_than)

    # Asking.

    def _at(self, inode: int) -> tuple[UserRoot[Tree], NodeId]:
        """Return user and node of an inode number: the only place where one becomes another."""
        number, node = inodes.decode(inode)
        return self._user_roots[number], node

    def _own(self, request: Request) -> tuple[UserRoot[Tree], NodeId]:
        """Return the same, and let in nobody but the Unix user whose tree it is: the kernel lets the superuser pass."""
        user_root, node = self._at(request.node)
        if request.uid != user_root.account.uid:
            raise Refusal(errno.EACCES)
        return user_root, node

    def _ask(
        self,
        request: Request,
        user_root: UserRoot[Tree],
        question: Callable[[], _Answer],
        tell: Callable[[_Answer], object],
    ) -> None:
        """Ask the catalogue for a user, and tell the answer to the kernel."""
        if self._asking is None:
            _answer(user_root, question, tell)
        else:
            self._asking.do(lambda: request.run(_answer, user_root, question, tell))

    # Handlers.

    def lookup(self, request: Request) -> None:
        """Find a child by its name."""
        user_root, parent = self._own(request)
        name = decoded(messages.name_in(request.body))
        self._ask(
            request,
            user_root,
            lambda: user_root.shown.lookup(parent, name),
            lambda node: request.answer(messages.entry_out(self._told(user_root, node), BELIEVED_SECONDS)),
        )

    def _told(self, user_root: UserRoot[Tree], node: Node) -> messages.Attributes:
        """Return what the kernel is told of a child, which it may remember."""
        if node.id.kind is Kind.STUDY:
            user_root.studies[node.id.row] = node.name
        return attributes_of(inodes.encode(user_root.number, node.id), node, user_root.account)

    def getattr(self, request: Request) -> None:
        """Tell a node's attributes."""
        user_root, where = self._at(request.node)
        if request.uid == ROOT_UID and request.node != messages.ROOT_ID:
            self._own(request)
        self._ask(
            request,
            user_root,
            lambda: user_root.shown.attributes(where),
            lambda node: request.answer(messages.attr_out(attributes_of(request.node, node, user_root.account))),
        )

    def opendir(self, request: Request) -> None:
        """Begin a listing."""
        user_root, where = self._own(request)
        self._ask(
            request, user_root, lambda: user_root.shown.attributes(where), lambda _: self._begin(request, user_root, where)
        )

    def _begin(self, request: Request, user_root: UserRoot[Tree], folder: NodeId) -> None:
        number = next(self._numbers)
        self._folders[number] = (user_root, Listing(user_root.shown, folder))
        if not request.answer(messages.open_out(number, 0)):
            del self._folders[number]

    def readdir(self, request: Request) -> None:
        """List children behind a cookie, as many as the kernel takes; READDIRPLUS brings their attributes along."""
        number, cookie, size = messages.read_in(request.body)
        user_root, listing = _known(self._folders, number)
        is_plus = request.opcode == Opcode.READDIRPLUS
        self._ask(
            request, user_root, lambda: self._listed(user_root, listing, cookie, size, plus=is_plus), request.answer
        )  # fmt: skip

    def _listed(self, user_root: UserRoot[Tree], listing: Listing, cookie: int, size: int, *, plus: bool) -> bytes:
        parts = bytearray()
        if cookie < DOT_DOT:
            inode = inodes.encode(user_root.number, listing.folder)
            for name, number, behind in (
                (b".", inode, DOT),
                (b"..", inode if listing.folder == ROOT_ID else UNKNOWN_INODE, DOT_DOT),
            ):
                if behind > cookie:
                    entry = messages.dirent_out(name, number, FOLDER_MODE, behind, plus=plus)
                    if len(parts) + len(entry) > size:
                        return bytes(parts)
                    parts += entry
            cookie = DOT_DOT
        while True:
            epoch = user_root.epoch
            nodes = listing.held(cookie, epoch)
            if nodes is None:
                nodes = listing.turn(cookie, epoch)
            if not nodes:
                return bytes(parts)
            for node in nodes:
                behind = cookie_of(node)
                told = self._told(user_root, node)
                name = node.name.encode()
                if plus:
                    entry = messages.direntplus_out(name, told, BELIEVED_SECONDS, behind)
                else:
                    entry = messages.dirent_out(name, told.inode, told.mode, behind, plus=False)
                if len(parts) + len(entry) > size:
                    return bytes(parts)
                parts += entry
                cookie = behind

    def releasedir(self, request: Request) -> None:
        """Forget a listing."""
        self._folders.pop(messages.release_in(request.body), None)
        request.answer()

    def open(self, request: Request) -> None:
        """Open a file for reading."""
        if messages.open_in(request.body) & os.O_ACCMODE != os.O_RDONLY:
            raise Refusal(errno.EROFS)
        user_root, where = self._own(request)
        program = self._programs.name(request.pid)
        with user_root.lock:
            held = self._held.again(user_root, request.node)
            if held is not None:
                self._opened(request, Handle(held, held.file.again(program)))
                return

        def told(opened: OpenFile) -> None:
            held = self._held.hold(user_root, request.node, opened)
            self._reader.begin(held)
            self._opened(request, Handle(held, opened.count))

        self._ask(request, user_root, lambda: self._open(user_root, where, program), told)

    def _open(self, user_root: UserRoot[Tree], node: NodeId, program: str) -> OpenFile:
        try:
            return user_root.shown.open(node, program)
        except Unavailable:
            # Perhaps for want of descriptors, of which some are open for nobody.
            self._held.forget()
            return user_root.shown.open(node, program)

    def _opened(self, request: Request, handle: Handle) -> None:
        number = next(self._numbers)
        self._files[number] = handle
        self._remembered.add(request.node, handle.node.study)
        # An inode's bytes never change, so what the kernel has of them it may keep.
        if not request.answer(messages.open_out(number, messages.FOPEN_KEEP_CACHE)):
            self._close(number)

    def read(self, request: Request) -> None:
        """Read bytes of an open file: those in the page cache at once, others by a worker."""
        number, offset, size = messages.read_in(request.body)
        handle = _known(self._files, number)
        _refuse_ended(handle)
        ready = self._reader.cached(handle, offset, size)
        if ready is None:
            self._reading.do(lambda: request.run(self._read, request, handle, offset, size))
            return
        _refuse_ended(handle)
        handle.count(len(ready))
        request.answer(ready)

    def _read(self, request: Request, handle: Handle, offset: int, size: int) -> None:
        answer = handle.file.read_at(offset, size)
        _refuse_ended(handle)
        handle.count(len(answer))
        request.answer(answer)

    def release(self, request: Request) -> None:
        """Close a file."""
        self._close(messages.release_in(request.body))
        request.answer()

    def _close(self, number: int) -> None:
        handle = self._files.pop(number, None)
        if handle is not None:
            self._held.release(handle.held)

    def statfs(self, request: Request) -> None:
        """Tell the size and free space of what the archive is stored on."""

        def told() -> None:
            found = self._capacity()
            request.answer(messages.statfs_out(
                found.blocks, found.free, found.available, found.files, found.free_files, found.block, MAX_NAME_BYTES
            ))  # fmt: skip

        # A network file system may take its time.
        self._reading.do(lambda: request.run(told))

    def close(self) -> None:
        """Close what was open when the mount ended, and let go of what somebody still waits for."""
        for workers in (self._reading, self._asking):
            if workers is not None:
                workers.stop(_CLOSE_SECONDS)
        self._files.clear()
        self._held.close()


def _answer(user_root: UserRoot[Tree], question: Callable[[], _Answer], tell: Callable[[_Answer], object]) -> None:
    """Ask, and ask again if the user lost something meanwhile, so that no answer is older than the loss."""
    while True:
        epoch = user_root.epoch
        answer = question()
        with user_root.lock:
            if user_root.epoch == epoch and not user_root.is_over:
                tell(answer)
                return
        discard(answer)
        if user_root.is_over:
            raise NotFound("there is no such file or folder")


def _known(numbers: dict[int, _Answer], number: int) -> _Answer:
    try:
        return numbers[number]
    except KeyError:
        raise Refusal(errno.EBADF) from None


def _refuse_ended(handle: Handle) -> None:
    if handle.lease.is_over:
        raise Refusal(errno.EACCES)
    if handle.held.is_over:
        raise Refusal(errno.ENOENT)
