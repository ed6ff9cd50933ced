"""Who has a folder on a mount for all users: the root of a login, as the catalogue and the machine know it now.

May live here: roots by login, and their numbers. Not: what a root shows, requests.
"""

import stat
import threading
from collections.abc import Callable
from typing import Generic

from archimedfs import inodes
from archimedfs.user_roots import ROOT_UID, Account, Shown, UserRoot, UserRoots
from catalog.pure.access import Principal
from catalog.pure.errors import NotFound

# Through the root leads a way for everybody; who else is here is for root to list.
ROOT_MODE = stat.S_IFDIR | 0o711


class Entrance(Generic[Shown]):
    """Makes users' roots as they come. Safe to share between threads.

    Args:
        user_roots: where they are put.
        show: returns what a user is shown, in the slot of that number.
    """

    def __init__(self, user_roots: UserRoots[Shown], show: Callable[[Principal, Account, int], Shown]) -> None:
        self._user_roots = user_roots
        self._show = show
        self._lock = threading.Lock()
        # A login with another Unix number is another user to the kernel: pages that the former one holds are never the new
        # one's. Inode numbers stay the same from mount to mount for all whose number never changed.
        self._numbers_of: dict[tuple[int, Account], int] = {}

    def enter(self, user: Principal, account: Account | None) -> UserRoot[Shown]:
        """Return the root of a user who is this Unix user.

        Raises:
            NotFound: the user is none, or the superuser.
        """
        if account is None or account.uid == ROOT_UID:
            raise NotFound("there is no such file or folder")
        with self._lock:
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
