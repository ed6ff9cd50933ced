"""Logins that were refused, counted in memory: a flood of them becomes a few entries a minute, not a full disk."""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from catalog.audit.reads import SEVERAL, UNKNOWN

_MOST = 8


class Refused(NamedTuple):
    """Whose login was refused, and from where. One that no user has is not kept: it may be a password in the wrong field."""

    login: str
    address: str


class Refusals:
    """The counts of one process. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Refused] = Counter()

    def note(self, login: str | None, address: str) -> None:
        """Count a refusal; `login` is None where no user has it."""
        refused = Refused(UNKNOWN if login is None else login, address or UNKNOWN)
        with self._lock:
            self._add(refused, 1)

    def take(self) -> dict[Refused, int]:
        """Return what was counted since the last call."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return dict(taken)

    def give_back(self, counts: Mapping[Refused, int]) -> None:
        """Count in again what could not be written down."""
        with self._lock:
            for refused, count in counts.items():
                self._add(refused, count)

    def _add(self, refused: Refused, count: int) -> None:
        if refused not in self._counts and len(self._counts) >= _MOST:
            refused = Refused(SEVERAL, SEVERAL)
        self._counts[refused] += count
