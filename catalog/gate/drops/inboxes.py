"""What inboxes are made from: the one thing that a face of staging is handed."""

from collections.abc import Callable

from catalog.database import Database
from catalog.gate.drops.exams import Exams
from catalog.gate.drops.inbox import Inbox
from catalog.gate.drops.quota import Limits, Quota
from catalog.gate.staged.area import Staging
from catalog.pure.access import Principal
from catalog.pure.capacity import Capacity, capacity


class Inboxes:
    """The staging folder and the catalogue together: one a process, shared by its threads.

    Args:
        guard: raises while no batch may be begun.
    """

    def __init__(self, database: Database, staging: Staging, limits: Limits, guard: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._staging = staging
        self._quota = Quota(database, limits)
        self._guard = guard

    def of(self, principal: Principal) -> Inbox:
        """Return the staging tree as this principal sees and changes it."""
        return Inbox(self._staging, Exams(self._database, principal), self._quota, principal, self._guard)

    def capacity(self) -> Capacity:
        """Return size and free space for nobody in particular."""
        return capacity(self._staging.capacity())

    def close(self) -> None:
        """Write the last sums to the catalogue."""
        self._quota.close()
