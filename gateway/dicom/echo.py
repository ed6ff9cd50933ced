"""C-ECHO, the Verification service class (PS3.4 annex A): is anybody there?"""

from collections.abc import Mapping

from gateway.dicom.command import C_ECHO_RQ, Command, Status
from gateway.dicom.negotiation import VERIFICATION, Context, Proposed, Roles, as_sent
from gateway.dicom.peers import Peer
from gateway.dicom.services import Answered, Operation, Service, Session


class Echo(Service):
    """Answers every C-ECHO of a known peer."""

    fields = (C_ECHO_RQ,)

    def roles(self, _peer: Peer, proposed: Proposed) -> Roles:
        """Take Verification."""
        return Roles.REQUESTOR_IS_SCU if proposed.sop_class == VERIFICATION else Roles.NONE

    def transfer_syntax(self, proposed: Proposed) -> str:
        """Take any: there is no data set."""
        return as_sent(proposed)

    def open(self, _peer: Peer, _contexts: Mapping[int, Context]) -> Session:
        """Begin an association."""
        return _Echoes()


class _Echoes(Session):
    def begin(self, _context: Context, command: Command) -> Operation:
        return Answered(command, Status.SUCCESS)
