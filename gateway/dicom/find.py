"""C-FIND, the Query service class (PS3.4 annex C): what a node's user is granted, and nothing else.

A study that is not granted is no match, never an error. Attributes that the archive does not know are answered empty, and asked
for they match anything, which the status of the answers says (0xFF01), as the standard has it.
"""

from collections.abc import Iterator, Mapping

from catalog.audit import Face
from catalog.database import Database
from catalog.pure.errors import ArchimedError, Invalid
from catalog.retrieve import Answer, Level, Query, Scope, search
from catalog.retrieve.matching import require_keys
from catalog.view import Archive, View
from gateway.dicom import identifiers
from gateway.dicom.command import C_FIND_RQ, Command, Status
from gateway.dicom.heads import header_of
from gateway.dicom.negotiation import UNCOMPRESSED, Context, Proposed, Roles
from gateway.dicom.pdu import PeerError
from gateway.dicom.peers import Peer
from gateway.dicom.services import Answered, Operation, Replies, Service, Session

ROOTS = {"1.2.840.10008.5.1.4.1.2.1.1": Level.PATIENT, "1.2.840.10008.5.1.4.1.2.2.1": Level.STUDY}
"""The information models: SOP class of Patient Root and Study Root FIND -> the level they begin with."""

MOST_ANSWERS = 100_000
"""Answers to one query; who gets as many has forgotten a key."""


class Find(Service):
    """Answers queries of nodes.

    Args:
        database: the catalogue.
        archive: reads the headers of instances.
        own_title: our AE title.
    """

    fields = (C_FIND_RQ,)

    def __init__(self, database: Database, archive: Archive, own_title: str) -> None:
        self._database = database
        self._archive = archive
        self._own_title = own_title

    def roles(self, peer: Peer, proposed: Proposed) -> Roles:
        """Take the two information models from nodes that ask as somebody."""
        return query_roles(peer, proposed, ROOTS)

    def transfer_syntax(self, proposed: Proposed) -> str:
        """Take explicit little endian, else what is offered first."""
        return identifier_syntax(proposed)

    def open(self, peer: Peer, _contexts: Mapping[int, Context]) -> Session:
        """Begin an association."""
        return _Queries(self._database, self._archive, self._own_title, peer)


def query_roles(peer: Peer, proposed: Proposed, roots: Mapping[str, Level]) -> Roles:
    """Return whether a peer may use one of these information models."""
    asks = peer.node is not None and peer.node.principal is not None and proposed.sop_class in roots
    readable = any(syntax in UNCOMPRESSED for syntax in proposed.transfer_syntaxes)
    return Roles.REQUESTOR_IS_SCU if asks and readable else Roles.NONE


def identifier_syntax(proposed: Proposed) -> str:
    """Return how identifiers of a context are encoded: explicit little endian if it is offered."""
    offered = [syntax for syntax in UNCOMPRESSED if syntax in proposed.transfer_syntaxes]
    return offered[0] if offered else proposed.transfer_syntaxes[0]


def scope_of(peer: Peer) -> Scope:
    """Return what a node may see."""
    if peer.node is None or peer.node.principal is None:
        raise RuntimeError("only a node that asks as somebody gets here")
    return Scope(peer.node.principal.user_id, peer.node.study_rows)


def view_of(archive: Archive, peer: Peer) -> View:
    """Return the archive as a node may see it; what it opens is counted for the audit."""
    if peer.node is None or peer.node.principal is None:
        raise RuntimeError("only a node that asks as somebody gets here")
    return archive.view(peer.node.principal, Face.DICOM)


class WithIdentifier:
    """A request whose data set is an identifier; what comes beyond the longest is forgotten, and makes it unreadable."""

    longest = identifiers.LONGEST

    def __init__(self, context: Context, command: Command) -> None:
        self.context = context
        self.command = command
        self._data = bytearray()

    def take(self, data: memoryview) -> None:
        """Take the next bytes."""
        if len(self._data) <= self.longest:
            self._data += data

    def flush(self) -> None:
        """All is taken already."""

    def discard(self) -> None:
        """Nothing lies anywhere."""

    @property
    def is_too_long(self) -> bool:
        """Whether more came than is taken."""
        return len(self._data) > self.longest

    def data(self) -> bytes:
        """Return what came."""
        return bytes(self._data)

    def query(self) -> Query:
        """Return the identifier.

        Raises:
            Invalid: it cannot be read.
        """
        if self.is_too_long:
            raise Invalid("the identifier is too long")
        return identifiers.read(self.data(), self.context.transfer_syntax)


class _Queries(Session):
    def __init__(self, database: Database, archive: Archive, own_title: str, peer: Peer) -> None:
        self._database = database
        self._archive = archive
        self._own_title = own_title
        self._peer = peer
        self._asked = 0

    def begin(self, context: Context, command: Command) -> Operation:
        """Begin a query."""
        self._asked += 1
        if context.sop_class not in ROOTS:
            return Answered(command, Status.UNRECOGNISED_OPERATION)
        if not command.has_data_set:
            return Answered(command, Status.NOT_THE_MODEL)
        return _Finding(self, context, command)

    def let_go(self) -> None:
        """Give the catalogue's connection back: this thread may not ask again for long."""
        self._database.drop_reader()

    def summary(self) -> str:
        """Return how many queries came."""
        return f"{self._asked} queries" if self._asked else ""

    def answers(self, query: Query) -> Iterator[Mapping[str, tuple[str, ...]]]:
        """Yield what answers a query, at level IMAGE with what the files themselves say.

        Raises:
            ArchimedError: it cannot be found out at the moment.
        """
        view = view_of(self._archive, self._peer)
        for answer in search(self._database, scope_of(self._peer), query):
            values = self._with_header(view, query, answer) if answer.instance is not None else answer.values
            if values is not None:
                yield values

    def _with_header(self, view: View, query: Query, answer: Answer) -> Mapping[str, tuple[str, ...]] | None:
        if answer.instance is None:
            return answer.values
        found = header_of(view, answer.instance, sorted({*query.keys, "SOPInstanceUID", "SOPClassUID"}), self._peer.name)
        if found is None:
            return None
        values = {**found, **answer.values}
        return values if query.matches(found) else None

    def written(self, query: Query, values: Mapping[str, tuple[str, ...]], context: Context) -> bytes:
        """Return an answer's identifier."""
        return identifiers.write(query, values, self._own_title, context.transfer_syntax)


class _Finding(WithIdentifier):
    def __init__(self, queries: _Queries, context: Context, command: Command) -> None:
        super().__init__(context, command)
        self._queries = queries

    def finish(self, replies: Replies) -> None:
        """Answer with a response for each match, then with the status of all."""
        try:
            query = self.query()
            require_keys(query, ROOTS[self.context.sop_class])
        except Invalid:
            replies.respond(self.command, Status.NOT_THE_MODEL)
            return
        try:
            status = self._send(query, replies)
        except PeerError:
            raise
        except ArchimedError:
            status = Status.NOT_NOW
        finally:
            self._queries.let_go()
        replies.respond(self.command, status)

    def _send(self, query: Query, replies: Replies) -> Status:
        for number, values in enumerate(self._queries.answers(query)):
            if replies.is_cancelled(self.command):
                return Status.CANCELLED
            if number >= MOST_ANSWERS:
                return Status.TOO_MANY_MATCHES
            unmatched = any(
                key.wanted and identifiers.is_key(keyword) and keyword not in values for keyword, key in query.keys.items()
            )
            replies.respond(
                self.command, Status.PENDING_UNMATCHED if unmatched else Status.PENDING,
                identifier=self._queries.written(query, values, self.context),
            )  # fmt: skip
        return Status.CANCELLED if replies.is_cancelled(self.command) else Status.SUCCESS
