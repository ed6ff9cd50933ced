"""Storage commitment (PS3.4 annex J): a source asks whether it may delete its own, and is called back with the answer.

An N-ACTION is answered with success once the request is durable. What is durable of the instances is found out, and reported by
an N-EVENT-REPORT, by a job of the queue: on an association of our own, to the address that the source is registered at, until
the source takes it (ADR 23). May live here: the two messages. Not: what counts as durable (`catalog.gate.receive.commitments`).
"""

from collections.abc import Mapping

import sqlalchemy as sa
from pydicom import Dataset

from catalog.administration import SourceAddress, address_of_source
from catalog.audit import record
from catalog.database import Database
from catalog.database.tables import deliveries
from catalog.exchange import Delivery, count_try, find_delivery, pause_before
from catalog.filetypes.part10 import quietly
from catalog.gate.receive.commitments import Commitments, Judged, Reference, Request
from catalog.jobs import Job, Queue, Stop
from catalog.pure.errors import ArchimedError, Away, Invalid, NotFound, Unavailable
from gateway.dicom import identifiers
from gateway.dicom.command import N_ACTION_RQ, Command, Status
from gateway.dicom.find import WithIdentifier, identifier_syntax
from gateway.dicom.negotiation import UNCOMPRESSED, Context, Proposed, Roles
from gateway.dicom.pdu import PeerError
from gateway.dicom.peers import Peer
from gateway.dicom.requestor import Caller, Kind, Requestor
from gateway.dicom.services import Answered, Operation, Replies, Service, Session

PUSH_MODEL = "1.2.840.10008.1.20.1"
WELL_KNOWN = "1.2.840.10008.1.20.1.1"
"""SOP class and SOP instance of the Storage Commitment Push Model (PS3.4 J.3.5)."""

_REQUEST_COMMITMENT = 1
_ALL_COMMITTED, _SOME_FAILED = 1, 2
_LONGEST = 16 << 20
"""Bytes of a request; one that names 100,000 instances has some 15 MB."""


class Commitment(Service):
    """Takes requests for storage commitment from sources.

    Args:
        database: the catalogue.
        commitments: keeps them.
    """

    fields = (N_ACTION_RQ,)

    def __init__(self, database: Database, commitments: Commitments) -> None:
        self._database = database
        self._commitments = commitments

    def roles(self, peer: Peer, proposed: Proposed) -> Roles:
        """Take the push model from sources: it stays the one that asks."""
        readable = any(syntax in UNCOMPRESSED for syntax in proposed.transfer_syntaxes)
        asks = peer.source is not None and proposed.sop_class == PUSH_MODEL and readable
        return Roles.REQUESTOR_IS_SCU if asks else Roles.NONE

    def transfer_syntax(self, proposed: Proposed) -> str:
        """Take explicit little endian, else implicit."""
        return identifier_syntax(proposed)

    def open(self, peer: Peer, _contexts: Mapping[int, Context]) -> Session:
        """Begin an association."""
        return _Asked(self._database, self._commitments, peer)


class _Asked(Session):
    def __init__(self, database: Database, commitments: Commitments, peer: Peer) -> None:
        self._database = database
        self._commitments = commitments
        self._peer = peer
        self._requests = 0

    def begin(self, context: Context, command: Command) -> Operation:
        """Begin a request."""
        status = self._objection(context, command)
        if status is not Status.SUCCESS:
            return Answered(command, status)
        return _Asking(self, context, command)

    def _objection(self, context: Context, command: Command) -> Status:
        if context.sop_class != PUSH_MODEL or command.sop_class != PUSH_MODEL.encode():
            return Status.SOP_CLASS_NOT_SUPPORTED
        if command.sop_instance != WELL_KNOWN.encode():
            return Status.NO_SUCH_INSTANCE
        if command.action != _REQUEST_COMMITMENT:
            return Status.NO_SUCH_ACTION
        return Status.SUCCESS if command.has_data_set else Status.INVALID_ARGUMENT

    def keep(self, request: Request) -> Status:
        """Queue a request; return the status of its answer."""
        source = self._peer.source
        try:
            if source is None or address_of_source(self._database, source.id) is None:
                return Status.NOT_AUTHORIZED
            self._commitments.keep(source, request)
        except ArchimedError:
            return Status.RESOURCE_LIMITATION
        finally:
            self._database.drop_reader()  # this thread may not ask again for long
        self._requests += 1
        return Status.SUCCESS

    def summary(self) -> str:
        """Return how many requests came."""
        return f"{self._requests} requests for storage commitment" if self._requests else ""


class _Asking(WithIdentifier):
    longest = _LONGEST

    def __init__(self, asked: _Asked, context: Context, command: Command) -> None:
        super().__init__(context, command)
        self._asked = asked

    def finish(self, replies: Replies) -> None:
        """Keep the request, and answer."""
        if self.is_too_long:
            replies.respond(self.command, Status.RESOURCE_LIMITATION)
            return
        try:
            status = self._asked.keep(read_request(self.data(), self.context.transfer_syntax))
        except Invalid:
            status = Status.INVALID_ARGUMENT
        replies.respond(self.command, status)


def read_request(data: bytes, transfer_syntax: str) -> Request:
    """Return the request that an N-ACTION's data set is (PS3.4 table J.3-1).

    Raises:
        Invalid: it cannot be read, or names no transaction or no instances.
    """
    try:
        with quietly():
            found = identifiers.decoded(data, transfer_syntax)
            references = tuple(
                Reference(_uid(item.ReferencedSOPClassUID), _uid(item.ReferencedSOPInstanceUID))
                for item in found.ReferencedSOPSequence
            )
            transaction = _uid(found.TransactionUID)
    except Exception:  # noqa: BLE001 - pydicom lets out whatever the bytes provoke, and its text quotes them
        raise Invalid("the request for storage commitment cannot be read") from None
    if not references:
        raise Invalid("the request for storage commitment names no instances")
    return Request(transaction, references)


def _uid(value: object) -> str:
    text = str(value).strip(" \0")
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError
    return text


class Reporter:
    """Runs the jobs that report on storage commitments.

    Args:
        database: the catalogue.
        commitments: what was asked, and what is durable of it.
        queue: the queue of this worker.
        caller: makes associations.
    """

    def __init__(self, database: Database, commitments: Commitments, queue: Queue, caller: Caller) -> None:
        self._database = database
        self._commitments = commitments
        self._queue = queue
        self._caller = caller

    def run(self, job: Job, _stop: Stop) -> None:
        """Find out what is durable, and report it.

        Raises:
            Conflict: another worker took the job over.
            Invalid: it can never be reported.
            Away: the source does not take it now.
        """
        delivery = find_delivery(self._database, job.delivery_id)
        address = address_of_source(self._database, delivery.source_id) if delivery.source_id is not None else None
        if delivery.source_id is None or address is None:
            raise Invalid("the source is no more, or has no address and port to report to; see `archimed source set`")
        try:
            request = self._commitments.read(delivery.request)
        except NotFound as error:
            raise Invalid(str(error)) from None
        judged = self._commitments.judge(delivery.source_id, request)
        try:
            self._report(address, request, judged)
        except (OSError, PeerError, Unavailable) as error:
            self._put_off(delivery, error)
        with self._database.write() as connection:
            self._queue.finish(connection, job)
            self._note(connection, delivery, judged)
        self._commitments.erase(delivery.request)

    def give_up(self, connection: sa.Connection, job: Job, reason: str) -> None:
        """Leave the request in the catalogue, in the transaction that gives up its job: it failed, and why."""

    def _put_off(self, delivery: Delivery, error: Exception) -> None:
        why = str(error) if isinstance(error, ArchimedError) else f"the connection was lost: {type(error).__name__}"
        if delivery.is_given_up:
            raise Invalid(f"{why}; given up after a week")
        raise Away(why, pause_before(count_try(self._database, delivery.id)))

    def _report(self, address: SourceAddress, request: Request, judged: Judged) -> None:
        kinds = [Kind(PUSH_MODEL, syntax) for syntax in UNCOMPRESSED]
        association = self._caller.call(address.host, address.port, address.ae_title, kinds, tls=address.tls, provides=True)
        try:
            status = _send_report(association, kinds, request, judged)
        except BaseException:
            association.abort()
            raise
        association.release()
        if status != Status.SUCCESS:
            raise Unavailable(f"the source refuses the report (0x{status:04X})")

    def _note(self, connection: sa.Connection, delivery: Delivery, judged: Judged) -> None:
        numbers = {"sent": len(judged.committed), "failed": len(judged.failed)}
        connection.execute(deliveries.update().where(deliveries.c.id == delivery.id).values(numbers))
        detail = {"committed": len(judged.committed), "not committed": len(judged.failed)}
        record(connection, actor="dicom", action="dicom.commitment", subject=delivery.peer, detail=detail)


def _send_report(association: Requestor, kinds: list[Kind], request: Request, judged: Judged) -> int:
    kind = next((kind for kind in kinds if kind in association.accepted), None)
    if kind is None:
        raise Unavailable("the source takes no reports on storage commitment")
    event = _SOME_FAILED if judged.failed else _ALL_COMMITTED
    return association.report(kind, WELL_KNOWN, event, report_data(request, judged, kind.transfer_syntax))


def report_data(request: Request, judged: Judged, transfer_syntax: str) -> bytes:
    """Return the data set of a report (PS3.4 table J.3-2)."""
    answer = Dataset()
    with quietly():
        answer.TransactionUID = request.transaction
        if judged.committed:
            answer.ReferencedSOPSequence = [_item(reference) for reference in judged.committed]
        if judged.failed:
            failed = [(_item(reference), reason) for reference, reason in judged.failed]
            for item, reason in failed:
                item.FailureReason = int(reason)
            answer.FailedSOPSequence = [item for item, _ in failed]
        return identifiers.encoded(answer, transfer_syntax)


def _item(reference: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class
    item.ReferencedSOPInstanceUID = reference.sop_instance
    return item
