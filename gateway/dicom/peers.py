"""Who is at the other end of an association, as far as the archive knows.

An AE title is no credential: anybody may claim one. What a peer may do is bound to its address too, where one is given, and a
node that asks always has one.
"""

import logging
from dataclasses import dataclass
from typing import Protocol

from catalog.administration import DicomNode, calling_node
from catalog.database import Database
from catalog.gate.receive.intake import Intake, SourceRef

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer that is known: its AE title and address, and what it may be; `source`: it may send, `node`: it may ask."""

    title: str
    address: str
    source: SourceRef | None = None
    node: DicomNode | None = None

    @property
    def name(self) -> str:
        """What log lines call it."""
        if self.source is not None:
            return self.source.name
        return self.node.name if self.node is not None else "an unknown peer"


class Peers(Protocol):
    """Knows the peers of this archive."""

    def find(self, title: str, address: str, certificate: str | None = None) -> Peer | None:
        """Return the peer that calls itself `title` from that IP address; None if it is not known, or must connect otherwise.

        Args:
            title: its AE title.
            address: its IP address.
            certificate: SHA-256 of the certificate that it has shown; None: it does not use TLS.

        Raises:
            ArchimedError: it cannot be found out at the moment.
        """

    def refuse(self, title: str, address: str) -> None:
        """Note for the audit that somebody unknown was refused."""


def _connects_so(known: SourceRef | DicomNode, certificate: str | None) -> bool:
    """Whether a peer that is known connects as it must."""
    if not known.tls:
        return True
    if certificate is None or (known.certificate and known.certificate != certificate):
        log.warning("%s was refused: it must use TLS with its own certificate", known.name)
        return False
    return True


class KnownPeers:
    """The sources and nodes of the catalogue; one peer may be both."""

    def __init__(self, intake: Intake, database: Database) -> None:
        self._intake = intake
        self._database = database

    def find(self, title: str, address: str, certificate: str | None = None) -> Peer | None:
        """Return a known peer; see `Peers`."""
        # Nobody can be registered under a title that is blank or not ASCII: a device that sends one is known by its address.
        source = self._intake.source_for(title, address) if title.isascii() and title else self._intake.source_at(address)
        node = calling_node(self._database, title, address)
        self._database.drop_reader()  # the thread is an association's, which may never ask again
        source = source if source is not None and _connects_so(source, certificate) else None
        node = node if node is not None and _connects_so(node, certificate) else None
        return Peer(title, address, source, node) if source is not None or node is not None else None

    def refuse(self, title: str, address: str) -> None:
        """Note a refusal; see `Peers`."""
        self._intake.refuse(title, address)
