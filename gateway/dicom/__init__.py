"""The DICOM door: associations of known peers, and what they are for, a service for each DIMSE operation.

    receiver     the listener: connections, their association requests, a thread for each association, stopping
    association  one association: the conversation; knows no service
    services     the seam between the two
    echo         C-ECHO
    storing      C-STORE: whatever known sources send, as received, into the gate's staging
    find         C-FIND: what nodes are granted
    retrieve     C-GET and C-MOVE of it
    commitment   storage commitment: requests of sources, reports to them
    requestor    associations that we ask for
    sending      the jobs of `archimed send` and of routes
    tls          what connections are held to that use TLS
    identifiers  queries as data sets
    heads        heads of stored files
    peers        who is at the other end
    negotiation  association requests and answers (pynetdicom's PDU classes)
    pdu          cutting PDUs out of a byte stream
    command      DIMSE command sets
    part10       the head of a stored file

pynetdicom has the rare and intricate part, the negotiation. The conversation is our own: an acceptor is small, and
pynetdicom's polling threads and command sets through data set objects bound it to some 150 files a second. Its acceptor beside
ours for the rest would make two ways in that had to be kept alike.

May live here: the protocol. Not: what a file means, where it lies, who may see it.
"""

from gateway.dicom.commitment import Commitment, Reporter
from gateway.dicom.echo import Echo
from gateway.dicom.find import Find
from gateway.dicom.peers import KnownPeers
from gateway.dicom.receiver import Receiver, SecureListener, Settings, run
from gateway.dicom.requestor import Caller
from gateway.dicom.retrieve import Get, Move
from gateway.dicom.sending import Sender
from gateway.dicom.storing import Store
from gateway.dicom.tls import TLSFiles, client_context, server_context

__all__ = [
    "Caller", "Commitment", "Echo", "Find", "Get", "KnownPeers", "Move", "Receiver", "Reporter", "SecureListener", "Sender",
    "Settings", "Store", "TLSFiles", "client_context", "run", "server_context",
]  # fmt: skip
