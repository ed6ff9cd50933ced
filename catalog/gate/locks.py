"""Locks on staged files and folders, kept in the catalogue: every process and every machine sees the same.

The names of staged files are identities and stay out of the catalogue, so a lock's root is a chain of keyed digests, one a
name: enough to tell what is the same, above or below. Whoever asks knows the names already.

A lock is its holder's and belongs to a study: it goes with the grant, and so with the user. May live here: keeping and finding.
Which lock is in whose way is `catalog.pure.locks`.
"""

import secrets
from collections.abc import Callable, Collection, Sequence
from typing import Any

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import locks
from catalog.pure.errors import Conflict, Invalid, NotFound, Refused
from catalog.pure.locks import Lock, barring_write, bars_lock, granted_seconds

MOST_LOCKS = 2_000
LONGEST_OWNER = 1_024
_DEEPEST = 100
_COLUMNS = (
    locks.c.token, locks.c.user_id, locks.c.root, locks.c.exclusive, locks.c.deep, locks.c.owner, locks.c.expires,
)  # fmt: skip
_OTHERS = "it is locked: somebody else has it open; try again later"


class Locks:
    """All locks. Safe to share between threads; paths are the names from the top of the staging area down.

    Args:
        database: the catalogue.
        digest: the keyed digest of the staging folder, for names.
    """

    def __init__(self, database: Database, digest: Callable[[str], bytes]) -> None:
        self._database = database
        self._digest = digest

    def key(self, path: Sequence[str]) -> str:
        """Return a path as the catalogue knows it.

        Raises:
            Invalid: it is deeper than anything that is locked.
        """
        if not 0 < len(path) <= _DEEPEST:
            raise Invalid("what is locked lies in a study, and not more than a hundred folders deep")
        return "/".join(self._digest("/".join(path[: level + 1])).hex()[:16] for level in range(len(path)))

    def acquire(
        self, user_id: int, study_id: int, path: Sequence[str], *, exclusive: bool, deep: bool, owner: str, seconds: int | None
    ) -> Lock:
        """Take a lock, and return it.

        Args:
            user_id: who takes it.
            study_id: the study that the path lies in, which is granted to them.
            path: what is locked.
            exclusive: nobody else may have one.
            deep: it reaches to everything below.
            owner: what the client says of its holder; kept if it is short.
            seconds: for how long; -1: as long as possible; None: the client did not say.

        Raises:
            Conflict: another lock is in the way.
            NotFound: the study is not granted (any more).
            Refused: this user has too many.
        """
        key, now = self.key(path), clock.now()
        new = Lock(
            token=f"opaquelocktoken:{secrets.token_hex(16)}", user_id=user_id, root=key, exclusive=exclusive, deep=deep,
            owner=owner if len(owner) <= LONGEST_OWNER else "", expires=now + granted_seconds(seconds),
        )  # fmt: skip
        try:
            with self._database.write() as connection:
                if not self._database.is_sqlite:
                    # Two that ask at once, for different rows that clash: one waits. SQLite has one writer anyhow.
                    connection.execute(sa.text("lock table locks in share row exclusive mode"))
                connection.execute(sa.delete(locks).where(locks.c.expires <= now))
                held = [_lock(row) for row in connection.execute(_related(key, now))]
                if any(bars_lock(lock, key, exclusive=exclusive, deep=deep) for lock in held):
                    raise Conflict(_OTHERS)
                count = connection.execute(sa.select(sa.func.count()).where(locks.c.user_id == user_id)).scalar_one()
                if count >= MOST_LOCKS:
                    raise Refused("you hold too many locks; they end by themselves within an hour")
                connection.execute(sa.insert(locks), _values(new) | {"study_id": study_id})
        except sa.exc.IntegrityError:
            raise NotFound("there is no such file or folder") from None
        return new

    def refresh(self, token: str, user_id: int, seconds: int | None) -> Lock | None:
        """Give a lock more time, and return it; None if this user holds no such lock."""
        now = clock.now()
        statement = (
            sa.update(locks)
            .where(locks.c.token == token, locks.c.user_id == user_id, locks.c.expires > now)
            .values(expires=now + granted_seconds(seconds))
            .returning(*_COLUMNS)
        )
        with self._database.write() as connection:
            row = connection.execute(statement).first()
            return _lock(row) if row else None

    def release(self, token: str, user_id: int) -> bool:
        """Give a lock up; return whether this user held it."""
        statement = sa.delete(locks).where(locks.c.token == token, locks.c.user_id == user_id).returning(locks.c.token)
        with self._database.write() as connection:
            return connection.execute(statement).first() is not None

    def related(self, path: Sequence[str]) -> list[Lock]:
        """Return what is held on a path, above and below it."""
        return [_lock(row) for row in self._database.rows(_related(self.key(path), clock.now()))]

    def check(self, user_id: int, path: Sequence[str], tokens: Collection[str], *, deep: bool) -> None:
        """Check that no lock forbids a change, see `barring_write`.

        Raises:
            Conflict: one does.
        """
        if barring_write(self.related(path), self.key(path), user_id, tokens, deep=deep):
            raise Conflict(_OTHERS)

    def forget(self, path: Sequence[str]) -> None:
        """Drop the locks on a path and below it: it is gone."""
        if len(self.related(path)) == 0:
            return
        key = self.key(path)
        with self._database.write() as connection:
            connection.execute(sa.delete(locks).where(sa.or_(locks.c.root == key, _below(key))))


def _related(key: str, now: int) -> sa.Select[Any]:
    names = key.split("/")
    at_or_above = ["/".join(names[: level + 1]) for level in range(len(names))]
    of_path = sa.or_(locks.c.root.in_(at_or_above), _below(key))
    return sa.select(*_COLUMNS).where(of_path, locks.c.expires > now).order_by(locks.c.root, locks.c.token)


def _below(key: str) -> sa.ColumnElement[bool]:
    # "0" is what follows "/": both databases sort this column by code point.
    return sa.and_(locks.c.root > key + "/", locks.c.root < key + "0")


def _lock(row: sa.Row[Any]) -> Lock:
    return Lock(row.token, row.user_id, row.root, bool(row.exclusive), bool(row.deep), row.owner, row.expires)


def _values(lock: Lock) -> dict[str, object]:
    return {
        "token": lock.token, "user_id": lock.user_id, "root": lock.root, "exclusive": int(lock.exclusive),
        "deep": int(lock.deep), "owner": lock.owner, "expires": lock.expires,
    }  # fmt: skip
