"""C-STORE, the Storage service class (PS3.4 annex B): what known sources send goes into staging as it comes.

The bytes of a data set go from the socket's buffer to the file, behind a file head of ours, and nowhere else; a request is
answered with success after `Incoming.commit` and not before. A data set is never decoded here.
"""

import logging
import os
from collections.abc import Mapping, Sequence

from pydicom.uid import UID

from catalog import durable
from catalog.gate.receive.intake import Incoming, Intake
from catalog.pure.errors import ArchimedError
from gateway.dicom.command import C_STORE_RQ, Command, Status
from gateway.dicom.negotiation import UNUSABLE, VERIFICATION, Context, Proposed, Roles, as_sent
from gateway.dicom.part10 import FileHead
from gateway.dicom.peers import Peer
from gateway.dicom.services import Answered, Operation, Replies, Service, Session

log = logging.getLogger(__name__)

_MOST_PIECES = 512
"""writev(2) takes 1,024 pieces; a peer may send fragments of one byte."""


class Store(Service):
    """Receives from sources: every storage SOP class, known or private, in every transfer syntax.

    Args:
        intake: where files go.
    """

    fields = (C_STORE_RQ,)

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def roles(self, peer: Peer, proposed: Proposed) -> Roles:
        """Take storage classes of sources."""
        return Roles.REQUESTOR_IS_SCU if peer.source is not None and is_storage(proposed.sop_class) else Roles.NONE

    def transfer_syntax(self, proposed: Proposed) -> str:
        """Take what the sender likes best."""
        return as_sent(proposed)

    def open(self, peer: Peer, contexts: Mapping[int, Context]) -> Session:
        """Begin an association."""
        return _Reception(self._intake, peer, contexts)

    def still_open(self, peer: Peer) -> None:
        """Keep the source's batch from being sealed."""
        if peer.source is not None:
            self._intake.touch(peer.source)


def is_storage(sop_class: str) -> bool:
    """Whether a SOP class stores something: what the standard does not know is taken for storage."""
    if sop_class == UNUSABLE:
        return False
    known = UID(sop_class)
    if known.name == known:
        return True
    return known.type == "SOP Class" and "Storage" in known.name and "Commitment" not in known.name


class _Reception(Session):
    """What one association sends."""

    def __init__(self, intake: Intake, peer: Peer, contexts: Mapping[int, Context]) -> None:
        self._intake = intake
        self._name = peer.name
        self._source = peer.source
        self._heads = {
            context.number: FileHead.of(context.sop_class, context.transfer_syntax, peer.title) for context in contexts.values()
        }
        self._kept = self._refused = 0

    def begin(self, context: Context, command: Command) -> Operation:
        """Decide on a request before its data set comes."""
        status = _objection(context, command)
        if status is not Status.SUCCESS or command.sop_instance is None or self._source is None:
            return _Refused(self, command, status)
        try:
            incoming = self._intake.begin(self._source)
        except ArchimedError:
            return _Refused(self, command, Status.OUT_OF_RESOURCES)
        return _Storing(self, command, incoming, self._heads[context.number].bytes_for(command.sop_instance))

    def count(self, status: Status) -> None:
        """Count a file."""
        if status is Status.SUCCESS:
            self._kept += 1
        else:
            self._refused += 1
            log.warning("a file of %s was refused: %s", self._name, status.comment)

    def summary(self) -> str:
        """Return how many files came."""
        return f"{self._kept} files kept, {self._refused} refused"


def _objection(context: Context, command: Command) -> Status:
    """Return what is wrong with a request, or SUCCESS."""
    if context.sop_class == VERIFICATION or command.sop_class != context.sop_class.encode("ascii"):
        return Status.SOP_CLASS_NOT_SUPPORTED
    if Roles.REQUESTOR_IS_SCU not in context.roles:
        return Status.SOP_CLASS_NOT_SUPPORTED
    if command.sop_instance is None:
        return Status.NO_INSTANCE
    return Status.SUCCESS if command.has_data_set else Status.NO_DATA_SET


class _Refused(Answered):
    """A file that is not taken; its bytes are read and forgotten."""

    def __init__(self, reception: _Reception, command: Command, status: Status) -> None:
        super().__init__(command, status)
        self._reception = reception

    def finish(self, replies: Replies) -> None:
        """Answer."""
        self._reception.count(self._status)
        super().finish(replies)


class _Storing:
    """A data set that is being received.

    Once something is wrong the rest is read and forgotten, so that the association goes on after our answer.
    """

    def __init__(self, reception: _Reception, command: Command, incoming: Incoming, head: bytes) -> None:
        self._command = command
        self._reception = reception
        self._status = Status.SUCCESS
        self._incoming: Incoming | None = incoming
        self._pieces: list[bytes | memoryview] = [head]

    def take(self, data: memoryview) -> None:
        """Take the next bytes; they must stay as they are until `flush`."""
        if self._incoming is not None:
            self._pieces.append(data)
            if len(self._pieces) >= _MOST_PIECES:
                self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        if self._incoming is None or not self._pieces:
            return
        try:
            with durable.translated("the staging folder cannot be written"):
                _write(self._incoming.fd, self._pieces)
        except ArchimedError:
            self._fail()
        self._pieces.clear()

    def finish(self, replies: Replies) -> None:
        """Make the file durable, and answer."""
        self.flush()
        if self._incoming is not None and self._command.sop_instance is not None:
            incoming, self._incoming = self._incoming, None
            try:
                incoming.commit(self._command.sop_instance.decode("ascii"))
            except ArchimedError:
                # Whatever keeps it from being kept, the sender shall keep it and send it again.
                self._status = Status.OUT_OF_RESOURCES
        self._reception.count(self._status)
        replies.respond(self._command, self._status)

    def discard(self) -> None:
        """Leave nothing behind."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.discard()

    def _fail(self) -> None:
        self.discard()
        self._status = Status.OUT_OF_RESOURCES


def _write(fd: int, pieces: Sequence[bytes | memoryview]) -> None:
    written = os.writev(fd, pieces)
    if written < sum(map(len, pieces)):
        # The disk is about to be full: go on until it says so.
        rest = memoryview(b"".join(pieces))[written:]
        while rest:
            rest = rest[os.write(fd, rest) :]
