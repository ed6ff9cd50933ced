"""What inboxes are made from: the one thing that a face of staging is handed."""

from catalog.database import Database
from catalog.gate.drops.exams import Exams
from catalog.gate.drops.inbox import Inbox
from catalog.gate.drops.quota import Limits, Quota
from catalog.gate.staged.area import Staging
from catalog.pure.access import Principal
from catalog.pure.capacity import Capacity, capacity


class Inboxes:
    """The staging folder and the catalogue together: one a process, shared by its threads."""

    def __init__(self, database: Database, staging: Staging, limits: Limits) -> None:
        self._database = database
        self._staging = staging
        self._quota = Quota(database, limits)

    def of(self, principal: Principal) -> Inbox:
        """Return the staging tree as this principal sees and changes it."""
        return Inbox(self._staging, Exams(self._database, principal), self._quota, principal)

    def capacity(self) -> Capacity:
        """Return size and free space for nobody in particular."""
        return capacity(self._staging.capacity())

    def close(self) -> None:
        """Tell the catalogue the last sums."""
        self._quota.close()
