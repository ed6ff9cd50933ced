"""Who was refused at a door, counted in memory: a flood becomes a few entries a minute, not a full disk."""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from catalog.audit.journal import record
from catalog.audit.reads import SEVERAL, UNKNOWN
from catalog.database import Database

REFUSALS_SECONDS = 60
_MOST = 8


class Refused(NamedTuple):
    """Whose login or AE title was refused, and from where."""

    who: str
    address: str


class Refusals:
    """The counts of one process. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Refused] = Counter()

    def note(self, who: str | None, address: str) -> None:
        """Count a refusal; `who` is None for a login that no user has: it may be a password in the wrong field."""
        refused = Refused(UNKNOWN if who is None else who, address or UNKNOWN)
        with self._lock:
            self._add(refused, 1)

    def take(self) -> dict[Refused, int]:
        """Return what was counted since the last call."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return dict(taken)

    def write(self, database: Database, actor: str, action: str) -> None:
        """Write down what was counted; what could not be written is counted again."""
        counts = self.take()
        if not counts:
            return
        try:
            with database.write() as connection:
                for (who, address), count in counts.items():
                    detail = {"address": address, "count": count}
                    record(connection, actor=actor, action=action, subject=who, detail=detail)
        except BaseException:
            self.give_back(counts)
            raise

    def give_back(self, counts: Mapping[Refused, int]) -> None:
        """Count in again what could not be written down."""
        with self._lock:
            for refused, count in counts.items():
                self._add(refused, count)

    def _add(self, refused: Refused, count: int) -> None:
        if refused not in self._counts and len(self._counts) >= _MOST:
            refused = Refused(SEVERAL, SEVERAL)
        self._counts[refused] += count
