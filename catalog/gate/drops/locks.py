"""Locks on staged files and folders, kept in the catalogue: every process and every machine sees the same.

The names of staged files are identities and stay out of the catalogue, so a lock's root is a chain of keyed digests, one a
name: enough to see what is the same, above or below. Whoever asks knows the names already.

A lock belongs to a user and a study: it goes with the grant, and so with the user. May live here: keeping and finding. Which
lock stands in the way of what is `catalog.pure.locks`.
"""

import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Any

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import locks, studies
from catalog.pure.access import Principal
from catalog.pure.errors import Conflict, Invalid, NotFound, Refused
from catalog.pure.locks import Lock, barring_write, bars_lock, granted_seconds

MOST_LOCKS = 2_000
LONGEST_OWNER = 1_024
_DEEPEST = 100  # names; what lies deeper is reached by locks from above only
_COLUMNS = (
    locks.c.token, locks.c.root, locks.c.exclusive, locks.c.deep, locks.c.owner, locks.c.expires,
)  # fmt: skip
_ANY = sa.select(locks.c.token).where(locks.c.user_id == sa.bindparam("user", type_=sa.BigInteger)).limit(1)
_OTHERS = "it is locked: another program has it open; try again later"


class Locks:
    """The locks in one principal's staging tree. Safe to share between threads; a place is the names from the tree's root down.

    Args:
        database: the catalogue.
        digest: the keyed digest of the staging folder, for names.
        principal: whose tree it is.
    """

    def __init__(self, database: Database, digest: Callable[[str], bytes], principal: Principal) -> None:
        self._database = database
        self._digest = digest
        self._user = principal.user_id

    def acquire(self, place: Sequence[str], *, exclusive: bool, deep: bool, owner: str, seconds: int | None) -> Lock:
        """Take a lock, and return it.

        Args:
            place: what is locked.
            exclusive: nobody else may have one.
            deep: it reaches to everything below.
            owner: what the client says of its holder; kept if it is short.
            seconds: for how long; -1: as long as possible; None: the client did not say.

        Raises:
            Conflict: another lock is in the way.
            NotFound: the study is not granted (any more).
            Invalid: it is no place for a lock.
            Refused: this user has too many.
        """
        key, now = self._key(place), clock.now()
        new = Lock(
            token=f"opaquelocktoken:{uuid.uuid4()}", root=key, exclusive=exclusive, deep=deep,
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
                count = connection.execute(sa.select(sa.func.count()).where(locks.c.user_id == self._user)).scalar_one()
                if count >= MOST_LOCKS:
                    raise Refused("you hold too many locks; they end by themselves within an hour")
                study = connection.execute(sa.select(studies.c.id).where(studies.c.code == place[0])).scalar()
                connection.execute(sa.insert(locks), _values(new) | {"user_id": self._user, "study_id": study})
        except sa.exc.IntegrityError:
            raise NotFound("there is no such file or folder") from None
        return new

    def refresh(self, token: str, seconds: int | None) -> Lock | None:
        """Give a lock more time, and return it; None if there is no such lock in this tree."""
        now = clock.now()
        statement = (
            sa.update(locks)
            .where(locks.c.token == token, locks.c.user_id == self._user, locks.c.expires > now)
            .values(expires=now + granted_seconds(seconds))
            .returning(*_COLUMNS)
        )
        with self._database.write() as connection:
            row = connection.execute(statement).first()
            return _lock(row) if row else None

    def release(self, token: str) -> None:
        """Give a lock up, if there is one in this tree."""
        with self._database.write() as connection:
            connection.execute(sa.delete(locks).where(locks.c.token == token, locks.c.user_id == self._user))

    def on(self, place: Sequence[str]) -> list[Lock]:
        """Return the locks that hold for a place: its own, and those from above that reach it."""
        if not place:
            return []
        key = self._key(place[:_DEEPEST])
        return [lock for lock in self._related(key) if lock.reaches(key)]

    def check(self, place: Sequence[str], tokens: Collection[str], *, deep: bool, new: bool = False) -> None:
        """Check that no lock forbids a change, see `barring_write`.

        Args:
            place: what is to be changed.
            tokens: the tokens shown.
            deep: whether what lies below changes too.
            new: whether its folder gets or loses it, which a lock on the folder alone forbids, too.

        Raises:
            Conflict: a lock does.
        """
        key = self._key(place[:_DEEPEST])
        held = self._related(key)
        folder = key.rpartition("/")[0]
        if barring_write(held, key, tokens, deep=deep) or (new and barring_write(held, folder, tokens, deep=False)):
            raise Conflict(_OTHERS)

    def forget(self, place: Sequence[str]) -> None:
        """Drop the locks on a place and below it: it is gone."""
        key = self._key(place[:_DEEPEST])
        if self._related(key):
            with self._database.write() as connection:
                connection.execute(sa.delete(locks).where(sa.or_(locks.c.root == key, _below(key))))

    def _related(self, key: str) -> list[Lock]:
        # Most who bring files hold none, and each file asks twice.
        if self._database.cached_row(_ANY, {"user": self._user}) is None:
            return []
        return [_lock(row) for row in self._database.rows(_related(key, clock.now()))]

    def _key(self, place: Sequence[str]) -> str:
        """Return a place as the catalogue knows it: a digest for the user's tree, and one for each name with those above."""
        if not 0 < len(place) <= _DEEPEST:
            raise Invalid("locks are for what lies in a study, not more than a hundred folders deep")
        names = [str(self._user), *place]
        return "/".join(self._digest("/".join(names[: level + 1])).hex()[:16] for level in range(len(names)))


def _related(key: str, now: int) -> sa.Select[Any]:
    names = key.split("/")
    at_or_above = ["/".join(names[: level + 1]) for level in range(len(names))]
    of_path = sa.or_(locks.c.root.in_(at_or_above), _below(key))
    return sa.select(*_COLUMNS).where(of_path, locks.c.expires > now).order_by(locks.c.root, locks.c.token)


def _below(key: str) -> sa.ColumnElement[bool]:
    # "0" is what follows "/": both databases sort this column by code point.
    return sa.and_(locks.c.root > key + "/", locks.c.root < key + "0")


def _lock(row: sa.Row[Any]) -> Lock:
    return Lock(row.token, row.root, bool(row.exclusive), bool(row.deep), row.owner, row.expires)


def _values(lock: Lock) -> dict[str, object]:
    return {
        "token": lock.token, "root": lock.root, "exclusive": int(lock.exclusive),
        "deep": int(lock.deep), "owner": lock.owner, "expires": lock.expires,
    }  # fmt: skip
