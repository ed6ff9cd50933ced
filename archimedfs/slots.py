"""Whose tree is shown where on a mount, and what of it may still be answered. Looks nothing up; tells the kernel nothing.

A slot is one user's part of the inode numbers, so no kernel object is shared by two users (DESIGN, law 9). The view asks the
catalogue about grants with every call; what is remembered here is what the catalogue cannot know: which answers are under way
and which files are open that were answered under a grant that has ended since.
"""

import pwd
from typing import Generic, NamedTuple, Protocol, TypeVar

from archimedfs.attributes import Attributes
from catalog.pure.errors import NotFound

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


def unix_account(login: str) -> Account | None:
    """Return the Unix user as this machine knows it."""
    try:
        entry = pwd.getpwnam(login)
    except KeyError:
        return None
    # A directory service may fold names: then it is somebody else's.
    return Account(entry.pw_uid, entry.pw_gid) if entry.pw_name == login else None


class Lease:
    """One user's leave to read one study, until it is over. What is over stays over, whatever is granted later."""

    __slots__ = ("is_over",)

    def __init__(self) -> None:
        self.is_over = False


class Slot(Generic[Shown]):
    """One user on one mount, and what they are shown.

    `epoch` grows with everything that this user lost: an answer that was begun in an earlier epoch must be asked again.
    `studies` are the studies that the kernel was told of, by row: their names, which it may have cached.
    """

    def __init__(self, number: int, user_id: int, login: str, view: Shown, account: Account) -> None:
        self.number = number
        self.user_id = user_id
        self.login = login
        self.view = view
        self.account = account
        self.attributes = Attributes(account.uid, account.gid)
        self.epoch = 0
        self.is_over = False
        self.studies: dict[int, str] = {}
        self._leases: dict[int, Lease] = {}

    def lease(self, study: int) -> Lease:
        """Return the running lease of a study that the view has just shown."""
        return self._leases.setdefault(study, Lease())

    def end(self, study: int) -> None:
        """Let nothing of a study be answered that was asked or opened until now."""
        self.epoch += 1
        lease = self._leases.pop(study, None)
        if lease is not None:
            lease.is_over = True

    def doubt(self) -> None:
        """Let nothing be answered that was asked until now: it may be told by a name that is gone."""
        self.epoch += 1

    def end_studies(self) -> None:
        """Let nothing of any study be answered that was asked or opened until now."""
        for study in list(self._leases):
            self.end(study)
        self.epoch += 1

    def end_all(self) -> None:
        """Let nothing of this user's tree be answered any more, for good."""
        self.is_over = True
        self.end_studies()


class Slots(Generic[Shown]):
    """The slots of a mount by number. Belongs to the thread of the event loop."""

    def __init__(self) -> None:
        self._slots: dict[int, Slot[Shown]] = {}
        self._replaced: list[Slot[Shown]] = []

    def __getitem__(self, number: int) -> Slot[Shown]:
        """Return the slot of that number.

        Raises:
            NotFound: there is none (any more).
        """
        slot = self._slots.get(number)
        if slot is None:
            raise NotFound("there is no such file or folder")
        return slot

    def add(self, slot: Slot[Shown]) -> None:
        """Add a slot."""
        self._slots[slot.number] = slot

    def remove(self, slot: Slot[Shown]) -> None:
        """End a slot and forget it; its number may be taken again by the same user."""
        slot.end_all()
        if self._slots.get(slot.number) is slot:
            del self._slots[slot.number]

    def replace(self, slot: Slot[Shown]) -> None:
        """End a slot for another to be added; `take_replaced` gives it to whoever clears up behind it."""
        self.remove(slot)
        self._replaced.append(slot)

    def take_replaced(self) -> list[Slot[Shown]]:
        """Return the slots that were replaced since the last call."""
        replaced, self._replaced = self._replaced, []
        return replaced

    def of_user(self, user_id: int | None) -> list[Slot[Shown]]:
        """Return the slots of a user, or all for None."""
        return [slot for slot in self._slots.values() if user_id is None or slot.user_id == user_id]

    def of_unix_user(self, uid: int) -> Slot[Shown] | None:
        """Return the slot of a Unix user, None if there is none."""
        return next((slot for slot in self._slots.values() if slot.account.uid == uid), None)

    def get(self, number: int) -> Slot[Shown] | None:
        """Return the slot of that number, None if there is none (any more)."""
        return self._slots.get(number)
