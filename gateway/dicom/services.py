"""The seam between an association and what it is for: one service for each DIMSE operation (PS3.7, PS3.4).

A `Service` says which presentation contexts it takes in which roles, and opens a `Session` for each association; a session
begins an `Operation` for each request of its command fields. `Association` knows no service: it dispatches by command field.
A new service is a module here and a line in `gateway.wiring.open_dicom_services`.

May live here: the seam. Not: a service.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from gateway.dicom.command import Command, Counters, Status
from gateway.dicom.negotiation import Context, Proposed, Roles
from gateway.dicom.peers import Peer


class Replies(Protocol):
    """How an operation answers its request, and what it may do on the association meanwhile."""

    def respond(self, command: Command, status: Status, *, identifier: bytes = b"", counters: Counters | None = None) -> None:
        """Send a response, with an identifier if there is one, encoded as its presentation context has it.

        Raises:
            OSError: the peer is gone.
        """

    def is_cancelled(self, command: Command) -> bool:
        """Whether the peer has cancelled a request by now (C-CANCEL), or we are about to stop.

        Raises:
            PeerError, OSError: the peer broke the protocol, or is gone.
        """

    def store(self, context: int, sop_class: str, sop_instance: str, data: Iterable[bytes]) -> int:
        """Send a file on this association (a sub-operation of a C-GET) and return the status that it is answered with.

        Raises:
            PeerError, OSError: the peer broke the protocol, or is gone.
        """


class Operation(Protocol):
    """One request under way, from its command set on; one thread."""

    def take(self, data: memoryview) -> None:
        """Take the next bytes of the data set; they stay as they are until `flush`."""

    def flush(self) -> None:
        """Do with what was taken whatever needs doing: its place is used again."""

    def finish(self, replies: Replies) -> None:
        """Answer: the data set is complete, or there is none.

        Raises:
            OSError: the peer is gone.
        """

    def discard(self) -> None:
        """Leave nothing behind: the association is over. Harmless after `finish`."""


class Answered:
    """A request whose answer is known before its data set comes, which is read and forgotten."""

    def __init__(self, command: Command, status: Status) -> None:
        self._command = command
        self._status = status

    def take(self, data: memoryview) -> None:
        """Forget it."""

    def flush(self) -> None:
        """Nothing was kept."""

    def finish(self, replies: Replies) -> None:
        """Answer."""
        replies.respond(self._command, self._status)

    def discard(self) -> None:
        """Nothing was kept."""


class Session(ABC):
    """A service's part in one association; one thread."""

    @abstractmethod
    def begin(self, context: Context, command: Command) -> Operation:
        """Begin a request of this service before its data set comes."""

    def summary(self) -> str:
        """Return what was done, for the log line of the association's end; "" for nothing worth one."""
        return ""


class Service(ABC):
    """A DICOM service. One a process, shared by its threads."""

    fields: Sequence[int]
    """The command fields of the requests that it serves (PS3.7 table E.1-1)."""

    @abstractmethod
    def roles(self, peer: Peer, proposed: Proposed) -> Roles:
        """Return the roles that a peer may take in a proposed context; `Roles.NONE`: it is not for this service."""

    @abstractmethod
    def transfer_syntax(self, proposed: Proposed) -> str:
        """Return which of the syntaxes that are offered for a context is taken."""

    @abstractmethod
    def open(self, peer: Peer, contexts: Mapping[int, Context]) -> Session:
        """Begin an association with these accepted contexts."""

    def still_open(self, peer: Peer) -> None:  # noqa: B027 - most services have nothing to do then
        """Note that an association of this peer is open; called several times within the quiet time.

        Raises:
            ArchimedError: it could not be noted.
        """
