"""What the operations work on, and one call of an operation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.audit import Actor, Face
from catalog.database import Database
from catalog.gate.drops.inbox import Inbox
from catalog.gate.review.decisions import Review
from catalog.lifecycle.bin import Bin
from catalog.pure.access import Action, Principal
from catalog.pure.errors import Refused
from catalog.store import Store
from catalog.view import Archive, View
from gateway.http.files import Files
from gateway.http.requests import Request

if TYPE_CHECKING:
    from catalog.jobs import Worker


@dataclass(frozen=True, slots=True)
class ApiServices:
    """What the operations work on.

    `review`, `bin` and `inbox` are the gate, the bin and the staging tree as a principal sees them; `worker` knows how each
    kind of job is given up; `files` sends bytes.
    """

    database: Database
    archive: Archive
    store: Store
    review: Callable[[Principal], Review]
    bin: Callable[[Principal], Bin]
    worker: "Callable[[], Worker]"
    files: Files
    inbox: Callable[[Principal], Inbox]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation."""

    services: ApiServices
    request: Request

    @property
    def database(self) -> Database:
        """The catalogue."""
        return self.services.database

    @property
    def principal(self) -> Principal:
        """Who asks."""
        return self.request.principal

    @property
    def actor(self) -> Actor:
        """As whom changes are made and audited: the role is asked again in the change's transaction."""
        return Actor(self.principal.login, self.principal.login)

    @property
    def view(self) -> View:
        """The archive as who asks may see it."""
        return self.services.archive.view(self.principal, Face.API)

    @property
    def review(self) -> Review:
        """The gate as who asks may see it."""
        return self.services.review(self.principal)

    @property
    def inbox(self) -> Inbox:
        """The staging tree as who asks may see and change it."""
        return self.services.inbox(self.principal)

    @property
    def bin(self) -> Bin:
        """The bin as who asks may see it."""
        return self.services.bin(self.principal)

    def require(self, action: Action) -> None:
        """Check that the role allows what is no study's affair.

        Raises:
            Refused: it does not.
        """
        if not self.principal.may(action):
            raise Refused(f"the role {self.principal.role} may not do that; ask an administrator")
