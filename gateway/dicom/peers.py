"""Who is at the other end of an association, as far as the archive knows.

An AE title is no credential: anybody may claim one. What a peer may do is bound to its address too, where one is given.
"""

from dataclasses import dataclass
from typing import Protocol

from catalog.gate.receive.intake import Intake, SourceRef


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer that is known: its AE title and address, and what it may be; `source`: it may send."""

    title: str
    address: str
    source: SourceRef | None = None

    @property
    def name(self) -> str:
        """What log lines call it."""
        return self.source.name if self.source is not None else "an unknown source"


class Peers(Protocol):
    """Knows the peers of this archive."""

    def find(self, title: str, address: str) -> Peer | None:
        """Return the peer that calls itself `title` from that IP address; None if it is not known.

        Raises:
            ArchimedError: it cannot be found out at the moment.
        """

    def refuse(self, title: str, address: str) -> None:
        """Note for the audit that somebody unknown was refused."""


class Sources:
    """The sources of the catalogue as peers."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def find(self, title: str, address: str) -> Peer | None:
        """Return a known peer; see `Peers`."""
        source = self._intake.source_for(title, address)
        return Peer(title, address, source) if source is not None else None

    def refuse(self, title: str, address: str) -> None:
        """Note a refusal; see `Peers`."""
        self._intake.refuse(title, address)
