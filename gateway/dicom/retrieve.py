"""C-GET and C-MOVE, the Retrieve service class (PS3.4 annex C): files to the node itself, or to another known node.

Files are sent as they are stored, or written anew in the other of the two uncompressed little endian syntaxes, losing nothing.
What was not accepted so, or is not there any more, counts as failed and is named at the end: nothing is left out silently. The
grant is asked again for each file.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from catalog.administration import DicomNode, destination
from catalog.database import Database
from catalog.pure.errors import ArchimedError, Invalid, Unavailable, Unreadable
from catalog.retrieve import Instance, Level, instances
from catalog.retrieve.matching import require_keys
from catalog.view import Archive, OpenFile
from gateway.dicom import heads, identifiers
from gateway.dicom.command import C_GET_RQ, C_MOVE_RQ, Command, Counters, Status
from gateway.dicom.find import WithIdentifier, identifier_syntax, query_roles, scope_of, view_of
from gateway.dicom.heads import Stored
from gateway.dicom.negotiation import UNCOMPRESSED, Context, Proposed, Roles
from gateway.dicom.pdu import PeerError
from gateway.dicom.peers import Peer
from gateway.dicom.requestor import MOST_CONTEXTS, Caller, Kind, Requestor
from gateway.dicom.services import Answered, Operation, Replies, Service, Session
from gateway.dicom.storing import is_storage

log = logging.getLogger(__name__)

GET_ROOTS = {"1.2.840.10008.5.1.4.1.2.1.3": Level.PATIENT, "1.2.840.10008.5.1.4.1.2.2.3": Level.STUDY}
MOVE_ROOTS = {"1.2.840.10008.5.1.4.1.2.1.2": Level.PATIENT, "1.2.840.10008.5.1.4.1.2.2.2": Level.STUDY}
"""The information models: SOP class of Patient Root and Study Root GET and MOVE -> the level they begin with."""

_WARNINGS = range(0xB000, 0xC000)

Send = Callable[[OpenFile, Stored], int | None]
"""Sends an open file; returns the status that it was answered with, None where it cannot be sent as what was agreed on."""


class Get(Service):
    """Sends what a node asks for on its own association.

    Args:
        database: the catalogue.
        archive: opens files.
    """

    fields = (C_GET_RQ,)

    def __init__(self, database: Database, archive: Archive) -> None:
        self._database = database
        self._archive = archive

    def roles(self, peer: Peer, proposed: Proposed) -> Roles:
        """Take the information models, and storage classes for which the node is the provider."""
        if peer.node is not None and peer.node.principal is not None and is_storage(proposed.sop_class):
            return Roles.REQUESTOR_IS_SCP
        return query_roles(peer, proposed, GET_ROOTS)

    def transfer_syntax(self, proposed: Proposed) -> str:
        """Take what the node likes best: explicit little endian before implicit, a compressed syntax if it comes first."""
        if proposed.sop_class in GET_ROOTS or proposed.transfer_syntaxes[0] in UNCOMPRESSED:
            return identifier_syntax(proposed)
        return proposed.transfer_syntaxes[0]

    def open(self, peer: Peer, contexts: Mapping[int, Context]) -> Session:
        """Begin an association."""
        return _Retrievals(self._database, self._archive, peer, contexts, GET_ROOTS, _Getting)


class Move(Service):
    """Sends what a node asks for to a known node.

    Args:
        database: the catalogue.
        archive: opens files.
        caller: makes associations.
    """

    fields = (C_MOVE_RQ,)

    def __init__(self, database: Database, archive: Archive, caller: Caller) -> None:
        self._database = database
        self._archive = archive
        self._caller = caller

    def roles(self, peer: Peer, proposed: Proposed) -> Roles:
        """Take the two information models."""
        return query_roles(peer, proposed, MOVE_ROOTS)

    def transfer_syntax(self, proposed: Proposed) -> str:
        """Take explicit little endian, else what is offered first."""
        return identifier_syntax(proposed)

    def open(self, peer: Peer, contexts: Mapping[int, Context]) -> Session:
        """Begin an association."""
        return _Retrievals(self._database, self._archive, peer, contexts, MOVE_ROOTS, _Moving, self._caller)


@dataclass(slots=True)
class _Outcome:
    """What became of the files so far."""

    total: int
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)
    unnamed: int = 0

    @property
    def counters(self) -> Counters:
        bad = len(self.failed) + self.unnamed
        return Counters(self.total - self.completed - self.warning - bad, self.completed, bad, self.warning)

    def note(self, sop_instance: str, status: int | None) -> None:
        """Count a file by the status that it was answered with; None: it was not sent."""
        if status == Status.SUCCESS:
            self.completed += 1
        elif status is not None and status in _WARNINGS:
            self.warning += 1
        elif sop_instance:
            self.failed.append(sop_instance)
        else:
            self.unnamed += 1

    def status(self) -> Status:
        """Return the status of all."""
        if self.failed or self.unnamed:
            return Status.SOME_NOT_SENT if self.completed or self.warning else Status.NOTHING_SENT
        return Status.SOME_NOT_SENT if self.warning else Status.SUCCESS


class _Retrievals(Session):
    """What one association retrieves."""

    def __init__(
        self,
        database: Database,
        archive: Archive,
        peer: Peer,
        contexts: Mapping[int, Context],
        roots: Mapping[str, Level],
        operation: "type[_Getting | _Moving]",
        caller: Caller | None = None,
    ) -> None:
        self.database = database
        self.archive = archive
        self.peer = peer
        self.contexts = contexts
        self.roots = roots
        self._caller = caller
        self._operation = operation
        self.sent = self.failed = 0

    def begin(self, context: Context, command: Command) -> Operation:
        """Begin a retrieval."""
        if context.sop_class not in self.roots:
            return Answered(command, Status.UNRECOGNISED_OPERATION)
        if not command.has_data_set:
            return Answered(command, Status.NOT_THE_MODEL)
        return self._operation(self, context, command)

    def associate(self, target: DicomNode, kinds: Sequence[Kind]) -> Requestor:
        """Call the destination of a C-MOVE.

        Raises:
            Unavailable: it does not answer.
        """
        if self._caller is None:
            raise RuntimeError("only a C-MOVE calls somebody")
        return self._caller.call(target.host, target.port, target.ae_title, kinds, tls=target.tls)

    def summary(self) -> str:
        """Return how many files went."""
        return f"{self.sent} files retrieved, {self.failed} not" if self.sent or self.failed else ""


class _Retrieving(WithIdentifier, ABC):
    """A C-GET or C-MOVE."""

    def __init__(self, retrievals: _Retrievals, context: Context, command: Command) -> None:
        super().__init__(context, command)
        self._all = retrievals

    def finish(self, replies: Replies) -> None:
        """Send the files, with a response for each; then answer."""
        try:
            query = self.query()
            require_keys(query, self._all.roots[self.context.sop_class], retrieve=True)
        except Invalid:
            replies.respond(self.command, Status.NOT_THE_MODEL)
            return
        try:
            chosen = list(instances(self._all.database, scope_of(self._all.peer), query))
            self.send_all(chosen, replies)
        except ArchimedError as error:
            if isinstance(error, PeerError):
                raise
            replies.respond(self.command, Status.NOT_NOW)
        finally:
            self._all.database.drop_reader()  # this thread may not ask again for long

    @abstractmethod
    def send_all(self, chosen: Sequence[Instance], replies: Replies) -> None:
        """Send the files and answer."""

    def go_through(self, chosen: Sequence[Instance], replies: Replies, send: Send) -> None:
        """Send file after file and answer; a C-CANCEL stops it behind the one that is under way."""
        outcome = _Outcome(len(chosen))
        for instance in chosen:
            if replies.is_cancelled(self.command):
                self._end(outcome, Status.CANCELLED, replies)
                return
            if outcome.counters.remaining < outcome.total:
                replies.respond(self.command, Status.PENDING, counters=outcome.counters)
            self._send_one(instance, outcome, send)
        self._end(outcome, outcome.status(), replies)

    def _send_one(self, instance: Instance, outcome: _Outcome, send: Send) -> None:
        name = ""
        try:
            with closing(heads.opened(view_of(self._all.archive, self._all.peer), instance, self._all.peer.name)) as file:
                head = heads.stored(file)
                name = head.sop_instance
                outcome.note(name, send(file, head))
        except ArchimedError as error:
            if isinstance(error, PeerError):
                raise
            outcome.note(name, None)

    def _end(self, outcome: _Outcome, status: Status, replies: Replies) -> None:
        counters = outcome.counters
        self._all.sent += counters.completed + counters.warning
        self._all.failed += counters.failed
        if counters.failed:
            log.warning(
                "%d of %d files that %s asked for could not be sent", counters.failed, outcome.total, self._all.peer.name
            )
        # What remains is said of a retrieval that was cancelled alone (PS3.4 C.4.2.1.6).
        identifier = identifiers.failed(outcome.failed, self.context.transfer_syntax)
        replies.respond(self.command, status, identifier=identifier, counters=counters)


class _Getting(_Retrieving):
    """A C-GET."""

    def send_all(self, chosen: Sequence[Instance], replies: Replies) -> None:
        """Send the files on this association."""

        def send(file: OpenFile, head: Stored) -> int | None:
            context = self._context_for(head)
            if context is None:
                return None
            data = data_of(file, head, context.transfer_syntax)
            return replies.store(context.number, head.sop_class, head.sop_instance, data)

        self.go_through(chosen, replies, send)

    def _context_for(self, head: Stored) -> Context | None:
        usable = [
            context
            for context in self._all.contexts.values()
            if context.sop_class == head.sop_class
            and Roles.REQUESTOR_IS_SCP in context.roles
            and heads.can_be_sent(head.transfer_syntax, context.transfer_syntax)
        ]
        usable.sort(key=lambda context: context.transfer_syntax != head.transfer_syntax)
        return usable[0] if usable else None


class _Moving(_Retrieving):
    """A C-MOVE."""

    def send_all(self, chosen: Sequence[Instance], replies: Replies) -> None:
        """Send the files on one association with the destination."""
        target = destination(self._all.database, self.command.destination)
        if target is None:
            log.warning("a C-MOVE of %s names a destination that is no node", self._all.peer.name)
            replies.respond(self.command, Status.UNKNOWN_DESTINATION)
            return
        if not chosen:
            replies.respond(self.command, Status.SUCCESS, counters=Counters(0, 0, 0))
            return
        try:
            association = self._all.associate(target, _kinds(self._all, chosen))
        except Unavailable as error:
            log.warning("the node %s cannot be sent to: %s", target.name, error)
            replies.respond(self.command, Status.NOTHING_SENT, counters=Counters(0, 0, len(chosen)))
            return
        try:
            self.go_through(chosen, replies, self._sender(association))
        except BaseException:
            association.abort()
            raise
        association.release()

    def _sender(self, association: Requestor) -> Send:
        gone = False

        def send(file: OpenFile, head: Stored) -> int | None:
            nonlocal gone
            kind = kind_for(association, head)
            if gone or kind is None:
                return None
            data = data_of(file, head, kind.transfer_syntax)
            try:
                return association.store(kind, head.sop_instance, data, self._all.peer.title, self.command.message)
            except (OSError, PeerError):
                gone = True  # the destination's fault: the one that asked gets it
                return None

        return send


def kind_for(association: Requestor, head: Stored) -> Kind | None:
    """Return what was accepted for a file: its own syntax before one that it can be written in without a loss."""
    syntaxes = [head.transfer_syntax, *UNCOMPRESSED]
    usable = (Kind(head.sop_class, syntax) for syntax in syntaxes if heads.can_be_sent(head.transfer_syntax, syntax))
    return next((kind for kind in usable if kind in association.accepted), None)


def proposed_for(pairs: Iterable[tuple[str, str]]) -> list[Kind]:
    """Return what to propose for files of these SOP classes and transfer syntaxes: as stored first, then what is possible."""
    stored = list(dict.fromkeys(Kind(*pair) for pair in pairs))
    plain = [Kind(kind.sop_class, syntax) for kind in stored if kind.transfer_syntax in UNCOMPRESSED for syntax in UNCOMPRESSED]
    return list(dict.fromkeys([*stored, *plain]))[:MOST_CONTEXTS]


def _kinds(retrievals: _Retrievals, chosen: Sequence[Instance]) -> list[Kind]:
    """Return what to propose; of a series whose files differ, each is looked at."""
    return proposed_for(_pairs(retrievals, chosen))


def _pairs(retrievals: _Retrievals, chosen: Sequence[Instance]) -> Iterator[tuple[str, str]]:
    view = view_of(retrievals.archive, retrievals.peer)
    for instance in chosen:
        if instance.sop_class and instance.transfer_syntax:
            yield instance.sop_class, instance.transfer_syntax
            continue
        try:
            with closing(heads.opened(view, instance, retrievals.peer.name)) as file:
                head = heads.stored(file)
        except ArchimedError:
            continue  # it is counted as failed when it is its turn
        yield head.sop_class, head.transfer_syntax


def data_of(file: OpenFile, head: Stored, syntax: str) -> Iterable[bytes]:
    """Return a file's data set in a transfer syntax, never without bytes.

    Raises:
        Unreadable: it has none, or cannot be written so.
    """
    if head.offset >= file.node.size:
        raise Unreadable("a stored file has no data set")
    return heads.pieces(file, head) if syntax == head.transfer_syntax else [b"".join(heads.converted(file, head, syntax))]
