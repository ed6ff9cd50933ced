"""Files of the archive that stay open for a while after they were closed: opening one again asks neither catalogue nor store.

A program opens the same file over and over (SimpleITK: seven times a slice), and what makes opening slow is asking who may and
where the bytes are. That answer holds until its user loses something (`UserRoot.epoch`), and for a minute at most, since an
object may be repaired meanwhile. A descriptor is shared by all who have the file open in one user's tree, and never closed
under one of them.

May live here: which descriptors are open, for whom and how long. Not: what is asked, reading.
"""

import resource
import threading
import time
from collections import OrderedDict

from archimedfs.user_roots import Lease, UserRoot
from catalog.view import OpenFile, Tree

HELD_SECONDS = 60.0
_MOST_IDLE = 2048
# Of all descriptors that this process may have: the rest is for what is in use.
_IDLE_PART = 4


class Held:
    """A file of one user's tree whose descriptor is open: `users` have it open, and with none it is idle.

    `is_over` once the file itself is not in the archive any more.
    """

    __slots__ = ("epoch", "fd", "file", "inode", "is_over", "lease", "node", "since", "slot", "users")

    def __init__(self, slot: int, inode: int, file: OpenFile, lease: Lease, epoch: int) -> None:
        self.slot = slot
        self.inode = inode
        self.file = file
        self.node = file.node
        self.fd = file.fd
        self.lease = lease
        self.epoch = epoch
        self.since = time.monotonic()
        self.is_over = False
        self.users = 1


class HeldFiles:
    """The descriptors of one mount. Safe to share between threads.

    Args:
        most_idle: so many stay open that nobody uses; the one that was used longest ago goes first.
    """

    def __init__(self, most_idle: int | None = None) -> None:
        if most_idle is None:
            # The hard limit: a mount raises its own to it.
            _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
            most_idle = _MOST_IDLE if most == resource.RLIM_INFINITY else min(_MOST_IDLE, most // _IDLE_PART)
        self._most_idle = most_idle
        self._lock = threading.Lock()
        self._held: dict[int, Held] = {}
        # Those that nobody uses, the one used longest ago first.
        self._idle: OrderedDict[int, Held] = OrderedDict()
        self._open: set[Held] = set()

    def __len__(self) -> int:
        """How many descriptors are open."""
        return len(self._open)

    def again(self, user_root: UserRoot[Tree], inode: int) -> Held | None:
        """Return the file of an inode number for one user more, None if it has to be asked for."""
        with self._lock:
            held = self._held.get(inode)
            if held is None or held.epoch != user_root.epoch or held.lease.is_over or held.is_over:
                return None
            if held.since + HELD_SECONDS < time.monotonic():
                return None
            if not held.users:
                del self._idle[inode]
            held.users += 1
            return held

    def hold(self, user_root: UserRoot[Tree], inode: int, file: OpenFile) -> Held:
        """Take over a file that was just opened, in this epoch of its user; it has one user."""
        held = Held(user_root.number, inode, file, user_root.lease(file.node.study), user_root.epoch)
        with self._lock:
            former = self._held.get(inode)
            self._held[inode] = held
            self._open.add(held)
            if former is not None and not former.users:
                del self._idle[inode]
                self._close(former)
        return held

    def release(self, held: Held) -> None:
        """One user less."""
        with self._lock:
            held.users -= 1
            if held.users:
                return
            if self._held.get(held.inode) is not held:
                self._close(held)
                return
            self._idle[held.inode] = held
            while len(self._idle) > self._most_idle:
                self._drop(next(iter(self._idle.values())))

    def in_use(self, slot: int) -> list[Held]:
        """Return what somebody has open in a slot."""
        with self._lock:
            return [held for held in self._open if held.slot == slot and held.users]

    def forget(self, *, older_than: float | None = None) -> None:
        """Close what nobody uses: all, or what was opened before that moment of the monotonic clock."""
        with self._lock:
            for held in list(self._idle.values()):
                if older_than is None or held.since < older_than:
                    self._drop(held)

    def close(self) -> None:
        """Close all, when the mount has ended."""
        with self._lock:
            for held in list(self._open):
                self._close(held)
            self._held.clear()
            self._idle.clear()

    def _drop(self, held: Held) -> None:
        del self._idle[held.inode], self._held[held.inode]
        self._close(held)

    def _close(self, held: Held) -> None:
        self._open.discard(held)
        held.file.close()
