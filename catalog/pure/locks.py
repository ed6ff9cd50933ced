"""Locks that a client holds on a staged file or folder: which of them stands in the way of what.

After RFC 4918, sections 6 and 7. A lock has a root and may reach down to everything below it (deep); it is exclusive or shared.
Where things are is told by keys: names joined by `/`, each of which may be a digest. No name need be known here.
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
    user_id: int
    root: str
    exclusive: bool
    deep: bool
    owner: str
    expires: int

    @property
    def levels(self) -> int:
        """How many names lead to its root."""
        return self.root.count("/") + 1


def granted_seconds(asked: int | None) -> int:
    """Return for how long a lock is given; None or nothing sensible: the default, for ever: the longest there is."""
    if asked == _FOREVER:
        return LONGEST_SECONDS
    return min(asked, LONGEST_SECONDS) if asked is not None and asked > 0 else DEFAULT_SECONDS


def bars_lock(held: Lock, key: str, *, exclusive: bool, deep: bool) -> bool:
    """Whether a held lock stands in the way of a new one on `key`, whoever asks: two exclusive locks of one user clash too."""
    return _reaches(held, key, deep=deep) and (held.exclusive or exclusive)


def barring_write(locks: Iterable[Lock], key: str, user_id: int, tokens: Collection[str], *, deep: bool) -> list[Lock]:
    """Return which of the locks stand in the way of a change at `key` by a user who shows these tokens.

    Args:
        locks: what is held on `key`, above and below it.
        key: what is to be changed.
        user_id: who wants to; a token is good for whoever took it only.
        tokens: the tokens shown.
        deep: whether what lies below changes too, as in a removal.
    """
    reaching = [lock for lock in locks if _reaches(lock, key, deep=deep)]
    # Of several shared locks on one root, one will do.
    opened = {lock.root for lock in reaching if lock.user_id == user_id and lock.token in tokens}
    return [lock for lock in reaching if lock.root not in opened]


def _reaches(held: Lock, key: str, *, deep: bool) -> bool:
    if held.root == key:
        return True
    if key.startswith(held.root + "/"):
        return held.deep
    return deep and held.root.startswith(key + "/")
