"""Sending archived files to nodes: the jobs that do it, each file accounted for.

A job sends on one association after the other, some files each, and notes what became of them; killed, it goes on behind them.
A node that is away is tried again, ever less often, for a week. What it refuses for good is not sent again. What it cannot
take as it is stored, or in the other uncompressed little endian syntax, is not converted and not left out silently: it is
named with its reason.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import sqlalchemy as sa

from catalog.administration import DicomNode, list_nodes
from catalog.audit import Face, record
from catalog.database import Database
from catalog.exchange import (
    Delivery,
    Waiting,
    count_try,
    find_delivery,
    pause_before,
    settle,
    try_failed_again,
    waiting_files,
    whose,
)
from catalog.jobs import Job, Queue, Stop
from catalog.pure.errors import ArchimedError, Away, Conflict, Invalid, Unavailable, Unreadable
from catalog.pure.nodes import Kind as NodeKind
from catalog.pure.nodes import Node, NodeId
from catalog.view import Archive, OpenFile, View
from gateway.dicom import heads
from gateway.dicom.command import Status
from gateway.dicom.pdu import PeerError
from gateway.dicom.requestor import Caller, Requestor
from gateway.dicom.retrieve import data_of, kind_for, proposed_for

FILES_AT_ONCE = 1000
"""Files of one association; before it, each is looked at for what has to be proposed."""

_FINAL = (0x0100, 0x0200), (0xA900, 0xB000), (0xC000, 0xD000)
"""Statuses that will be the same another time: refused by its kind, its class or its content (PS3.4 table B.2-1)."""
_WARNINGS = range(0xB000, 0xC000)
_NOTED_AT_ONCE = 50


def files_below(view: View, path: str) -> Iterator[tuple[str, Node]]:
    """Yield the files at and below a place, each with its path.

    Raises:
        NotFound, NotADirectory: it is not there.
    """
    node = view.resolve(path)
    clean = "/".join(filter(None, path.split("/")))
    if not node.is_folder:
        yield clean, node
        return
    for child in view.walk(node.id):
        below = f"{clean}/{child.name}" if clean else child.name
        if child.is_folder:
            yield from files_below(view, below)
        else:
            yield below, child


@dataclass(slots=True)
class _Outcomes:
    """What became of files since it was noted last, by their rows."""

    sent: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sent) + len(self.failed)


_Known = tuple[int, tuple[str, str]]
"""A file's row with its SOP class and transfer syntax."""


class Sender:
    """Runs the jobs that send files to nodes.

    Args:
        database: the catalogue.
        archive: opens files, as the user whose grants count.
        queue: the queue of this worker.
        caller: makes associations.
    """

    def __init__(self, database: Database, archive: Archive, queue: Queue, caller: Caller) -> None:
        self._database = database
        self._archive = archive
        self._queue = queue
        self._caller = caller

    def run(self, job: Job, stop: Stop) -> None:
        """Send what is still to be sent.

        Raises:
            Conflict: another worker took the job over.
            Invalid: files cannot be sent, now or ever; the receipt names them.
            Away: the node does not take them now.
        """
        delivery = find_delivery(self._database, job.delivery_id)
        node = next((node for node in list_nodes(self._database) if node.id == delivery.node_id), None)
        user = whose(self._database, delivery)
        if node is None or user is None:
            raise Invalid(f"the {'node' if node is None else 'user whose files they are'} is no more")
        sending = _Sending(self, job, delivery, node, self._archive.view(user, Face.DICOM), stop)
        sending.send_all()
        done = find_delivery(self._database, delivery.id)
        if done.failed:
            self._audit(done, node)
            raise Invalid(f"{done.failed} of {done.total} files were not sent; `archimed job show {job.id}` names them")
        with self._database.write() as connection:
            self._queue.finish(connection, job)
            self._record(connection, done, node)

    def give_up(self, connection: sa.Connection, job: Job, reason: str) -> None:
        """Leave what was not sent as it is, in the transaction that gives up its job: the receipt names it."""

    def note(self, job: Job, outcomes: _Outcomes) -> None:
        """Note what became of files.

        Raises:
            Conflict: another worker took the job over.
        """
        if not outcomes:
            return
        with self._database.write() as connection:
            done = settle(connection, job.delivery_id, outcomes.sent, outcomes.failed)
            self._queue.progress(connection, job, done)
        outcomes.sent.clear()
        outcomes.failed.clear()

    def call(self, node: DicomNode, pairs: Sequence[tuple[str, str]]) -> Requestor:
        """Return an association with a node for files of these SOP classes and transfer syntaxes.

        Raises:
            Unavailable: it does not answer.
        """
        return self._caller.call(node.host, node.port, node.ae_title, proposed_for(pairs), tls=node.tls)

    def put_off(self, delivery: Delivery, why: str) -> None:
        """Give up for now.

        Raises:
            Away: always; or
            Invalid: it was tried for a week.
        """
        if delivery.is_given_up:
            raise Invalid(f"{why}; given up after a week")
        raise Away(why, pause_before(count_try(self._database, delivery.id)))

    def waiting(self, delivery: Delivery) -> list[Waiting]:
        """Return what is to be sent: where nothing waits, what was not taken before, for somebody asked for another try."""
        found = waiting_files(self._database, delivery.id)
        if not found and delivery.failed:
            try_failed_again(self._database, delivery.id)
            found = waiting_files(self._database, delivery.id)
        return found

    def _audit(self, delivery: Delivery, node: DicomNode) -> None:
        with self._database.write() as connection:
            self._record(connection, delivery, node)

    def _record(self, connection: sa.Connection, delivery: Delivery, node: DicomNode) -> None:
        detail = {"sent": delivery.sent, "failed": delivery.failed, "delivery": delivery.id}
        record(connection, actor=delivery.asked_by, action="dicom.send", subject=node.name, detail=detail)


class _Sending:
    """One run of a job."""

    def __init__(self, sender: Sender, job: Job, delivery: Delivery, node: DicomNode, view: View, stop: Stop) -> None:
        self._sender = sender
        self._job = job
        self._delivery = delivery
        self._node = node
        self._view = view
        self._stop = stop
        self._outcomes = _Outcomes()
        self._later = 0

    def send_all(self) -> None:
        """Send all that waits, or as much as the node takes."""
        waiting = self._sender.waiting(self._delivery)
        try:
            for at in range(0, len(waiting), FILES_AT_ONCE):
                self._send(waiting[at : at + FILES_AT_ONCE])
        finally:
            self._sender.note(self._job, self._outcomes)
        if self._later:
            self._sender.put_off(self._delivery, "the node does not take it now")

    def _send(self, waiting: Sequence[Waiting]) -> None:
        known = list(self._known(waiting))
        if not known:
            return
        try:
            association = self._sender.call(self._node, [pair for _, pair in known])
        except Unavailable as error:
            self._sender.note(self._job, self._outcomes)
            self._sender.put_off(self._delivery, str(error))
            return
        try:
            for number, _ in known:
                self._stop()
                self._settle(number, association)
        except (OSError, PeerError) as error:
            association.abort()
            self._sender.note(self._job, self._outcomes)
            why = str(error) if isinstance(error, PeerError) else "the connection to the node was lost"
            self._sender.put_off(self._delivery, why)
        except BaseException:
            association.abort()
            raise
        association.release()

    def _known(self, waiting: Sequence[Waiting]) -> Iterator[_Known]:
        """Yield the files that are DICOM, with class and syntax; the others are noted."""
        for one in waiting:
            try:
                with closing(self._open(one.file_id)) as file:
                    head = heads.stored(file)
            except Unavailable:
                raise
            except Unreadable:
                self._outcomes.failed[one.file_id] = "it is not DICOM"
            except ArchimedError as error:
                self._outcomes.failed[one.file_id] = str(error)
            else:
                yield one.file_id, (head.sop_class, head.transfer_syntax)

    def _settle(self, number: int, association: Requestor) -> None:
        try:
            status = self._store(number, association)
        except (PeerError, Unavailable, Conflict):
            raise
        except ArchimedError as error:
            self._outcomes.failed[number] = str(error)
            return
        if status is None:
            self._outcomes.failed[number] = "the node takes this class or transfer syntax not at all"
        elif status == Status.SUCCESS or status in _WARNINGS:
            self._outcomes.sent.append(number)
        elif any(low <= status < high for low, high in _FINAL):
            self._outcomes.failed[number] = f"the node refuses it for good (0x{status:04X})"
        else:
            self._later += 1
        if len(self._outcomes) >= _NOTED_AT_ONCE:
            self._sender.note(self._job, self._outcomes)

    def _store(self, number: int, association: Requestor) -> int | None:
        with closing(self._open(number)) as file:
            head = heads.stored(file)
            kind = kind_for(association, head)
            if kind is None:
                return None
            return association.store(kind, head.sop_instance, data_of(file, head, kind.transfer_syntax))

    def _open(self, number: int) -> OpenFile:
        return self._view.open(NodeId(NodeKind.FILE, number), self._node.name)
