"""Locks that a client holds on a staged file or folder: which of them stands in the way of what.

Everybody has a staging tree of their own, so those who hold and meet locks there are the clients of one user: whoever shows a
lock's token may use it. After RFC 4918, sections 6 and 7. A lock has a root and may reach down to everything below it (deep);
it is exclusive or shared. Where things are is said by keys: one of the tree, then one for each name, joined by `/`. Names
themselves stay out of it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

LONGEST_SECONDS = 3600
DEFAULT_SECONDS = 600
_FOREVER = -1


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock: `root` is the key of what it was taken on, `expires` a time, `owner` what the client said of its holder."""

    token: str
    root: str
    exclusive: bool
    deep: bool
    owner: str
    expires: int

    @property
    def levels(self) -> int:
        """How many names lead to its root; a key begins with that of the tree."""
        return self.root.count("/")

    def reaches(self, key: str) -> bool:
        """Whether it holds for what is at `key`."""
        return self.root == key or (self.deep and key.startswith(self.root + "/"))


def granted_seconds(asked: int | None) -> int:
    """Return for how long a lock is given; None or nothing sensible: the default, for ever: the longest there is."""
    if asked == _FOREVER:
        return LONGEST_SECONDS
    return min(asked, LONGEST_SECONDS) if asked is not None and asked > 0 else DEFAULT_SECONDS


def bars_lock(held: Lock, key: str, *, exclusive: bool, deep: bool) -> bool:
    """Whether a held lock stands in the way of a new one on `key`."""
    return _concerns(held, key, deep=deep) and (held.exclusive or exclusive)


def barring_write(locks: Iterable[Lock], key: str, tokens: Collection[str], *, deep: bool) -> list[Lock]:
    """Return which of the locks stand in the way of a change at `key` by a client that shows these tokens.

    Args:
        locks: what is held on `key`, above and below it.
        key: what is to be changed.
        tokens: the tokens shown.
        deep: whether what lies below changes too, as in a removal.
    """
    reaching = [lock for lock in locks if _concerns(lock, key, deep=deep)]
    # Of several shared locks on one root, one will do.
    opened = {lock.root for lock in reaching if lock.token in tokens}
    return [lock for lock in reaching if lock.root not in opened]


def _concerns(held: Lock, key: str, *, deep: bool) -> bool:
    return held.reaches(key) or (deep and held.root.startswith(key + "/"))
