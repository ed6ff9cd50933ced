"""Whose tree is shown where on a mount, and what of it may still be answered. Looks nothing up; sends the kernel nothing.

A root is one user's part of the inode numbers, so no kernel object is shared by two users (law 9). The view asks the
catalogue about grants with every call; what is remembered here is what the catalogue cannot know: which answers are under way
and which files are open that were answered under a grant that has ended since.
"""

import pwd
import threading
from typing import Generic, NamedTuple, Protocol, TypeVar

from catalog.pure.errors import NotFound

ROOT_UID = 0

Shown = TypeVar("Shown")
"""What a user is shown on a mount: a view of the archive, or the staging tree."""


class Account(NamedTuple):
    """A Unix user: to whom a tree's folders and files belong."""

    uid: int
    gid: int


class Accounts(Protocol):
    """Finds the Unix user of a login. May wait for a directory server."""

    def __call__(self, login: str) -> Account | None:
        """Return the Unix user of that very name, None if there is none."""
        ...


def unix_accounts(pattern: str = "{login}") -> Accounts:
    """Return what finds Unix users as this machine knows them.

    Args:
        pattern: what the Unix user of a login is called, such as `CLINIC\\{login}` where winbind puts a domain before it.
    """

    def account(login: str) -> Account | None:
        name = pattern.replace("{login}", login)
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        # A directory service may fold names: then it is somebody else's.
        return Account(entry.pw_uid, entry.pw_gid) if entry.pw_name == name else None

    return account


class Lease:
    """One user's leave to read one study, until it is over. What is over stays over, whatever is granted later."""

    __slots__ = ("is_over",)

    def __init__(self) -> None:
        self.is_over = False


class UserRoot(Generic[Shown]):
    """One user on one mount, and what they are shown.

    `epoch` grows with everything that this user lost: an answer that was begun in an earlier epoch must be asked again.
    `studies` are the studies that the kernel was told of, by row: their names, which it may have cached. Whoever answers holds
    `lock` while it looks at the epoch and answers, so that nothing is answered behind a loss.
    """

    def __init__(self, number: int, user_id: int, login: str, shown: Shown, account: Account) -> None:
        self.number = number
        self.user_id = user_id
        self.login = login
        self.shown = shown
        self.account = account
        self.lock = threading.RLock()
        self.epoch = 0
        self.is_over = False
        self.studies: dict[int, str] = {}
        self._leases: dict[int, Lease] = {}

    def lease(self, study: int) -> Lease:
        """Return the running lease of a study that the view has just shown."""
        return self._leases.setdefault(study, Lease())

    def end(self, study: int) -> None:
        """Let nothing of a study be answered that was asked or opened until now."""
        with self.lock:
            self.epoch += 1
            lease = self._leases.pop(study, None)
            if lease is not None:
                lease.is_over = True

    def doubt(self) -> None:
        """Let nothing be answered that was asked until now: it may be told by a name that is gone."""
        with self.lock:
            self.epoch += 1

    def end_studies(self) -> None:
        """Let nothing of any study be answered that was asked or opened until now."""
        with self.lock:
            for study in list(self._leases):
                self.end(study)
            self.epoch += 1

    def end_all(self) -> None:
        """Let nothing of this user's tree be answered any more, for good."""
        with self.lock:
            self.is_over = True
            self.end_studies()


class UserRoots(Generic[Shown]):
    """The roots of a mount by number. Safe to share between threads."""

    def __init__(self) -> None:
        self._user_roots: dict[int, UserRoot[Shown]] = {}
        self._lock = threading.Lock()
        self._replaced: list[UserRoot[Shown]] = []

    def __getitem__(self, number: int) -> UserRoot[Shown]:
        """Return the root of that number.

        Raises:
            NotFound: there is none (any more).
        """
        user_root = self._user_roots.get(number)
        if user_root is None:
            raise NotFound("there is no such file or folder")
        return user_root

    def add(self, user_root: UserRoot[Shown]) -> None:
        """Add a root."""
        self._user_roots[user_root.number] = user_root

    def remove(self, user_root: UserRoot[Shown]) -> None:
        """End a root and forget it; its number may be taken again by the same user."""
        user_root.end_all()
        if self._user_roots.get(user_root.number) is user_root:
            del self._user_roots[user_root.number]

    def replace(self, user_root: UserRoot[Shown]) -> None:
        """End a root for another to be added; `take_replaced` gives it to whoever clears up behind it."""
        self.remove(user_root)
        with self._lock:
            self._replaced.append(user_root)

    def take_replaced(self) -> list[UserRoot[Shown]]:
        """Return the roots that were replaced since the last call."""
        with self._lock:
            replaced, self._replaced = self._replaced, []
        return replaced

    def of_user(self, user_id: int | None) -> list[UserRoot[Shown]]:
        """Return the roots of a user, or all for None."""
        roots = list(self._user_roots.values())
        return [user_root for user_root in roots if user_id is None or user_root.user_id == user_id]

    def of_unix_user(self, uid: int) -> UserRoot[Shown] | None:
        """Return the root of a Unix user, None if there is none."""
        return next((user_root for user_root in self.of_user(None) if user_root.account.uid == uid), None)

    def get(self, number: int) -> UserRoot[Shown] | None:
        """Return the root of that number, None if there is none (any more)."""
        return self._user_roots.get(number)
