"""The DICOM door: C-ECHO and C-STORE of whatever known sources send, as received, into the gate's staging.

    receiver     the listener: connections, their association requests, a thread for each association, stopping
    association  one association: the conversation
    storing      one C-STORE under way
    negotiation  association requests and answers (pynetdicom's PDU classes)
    pdu          cutting PDUs out of a byte stream
    command      DIMSE command sets
    part10       the head of a stored file

pynetdicom has the rare and intricate part, the negotiation. The conversation is our own: an acceptor that serves two
operations is small, and pynetdicom's polling threads and command sets through data set objects bound it to some 150 files a
second. Its acceptor beside ours for the rest would make two ways in that had to be kept alike.

May live here: the protocol. Not: what a file means, where it lies, who may see it; a data set is never decoded here.
"""

from gateway.dicom.receiver import Receiver, Settings, run

__all__ = ["Receiver", "Settings", "run"]
