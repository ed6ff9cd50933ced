"""Association requests and our answers (DICOM PS3.8 section 9.3.2, PS3.7 annex D), through pynetdicom's PDU classes.

Bytes in, bytes out; no I/O. What is proposed is accepted as it is: every storage SOP class, known or private, in every transfer
syntax; and Verification. Refused are the services the standard names that store nothing (query, worklist, print ...).

Of several transfer syntaxes in one presentation context the first is taken: senders put first what they hold (dcmsend a
compressed file's own) or like best, and convert for any other. Only for the uncompressed ones is there a better choice than the
first: explicit little endian, where it is offered too, for implicit loses the representation of private elements.

Roles, asynchronous operations and user identity are not answered, which the standard reads as: the defaults.
"""

from dataclasses import dataclass

from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_items import PresentationContextItemRQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import PresentationContext

from catalog.pure.addresses import check_ae_title
from gateway.dicom.pdu import MAX_PDU, PeerError

IMPLEMENTATION_UID = "2.25.10891154314071600052501891694950519874"
IMPLEMENTATION_VERSION = "ARCHIMED_1"

VERIFICATION = "1.2.840.10008.1.1"

_INFERIOR = (ImplicitVRLittleEndian, ExplicitVRBigEndian)
_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_ACCEPTED, _ABSTRACT_SYNTAX_NOT_SUPPORTED, _TRANSFER_SYNTAXES_NOT_SUPPORTED = 0, 3, 4


@dataclass(frozen=True, slots=True)
class Context:
    """A presentation context after our decision."""

    number: int
    sop_class: str
    transfer_syntax: str
    result: int

    @property
    def accepted(self) -> bool:
        """Whether messages may use it."""
        return self.result == _ACCEPTED


@dataclass(frozen=True, slots=True)
class Request:
    """An association request: who calls whom, what it wants to send, the longest PDU it takes (0: any)."""

    calling: str
    called: str
    understood: bool
    contexts: tuple[Context, ...]
    longest: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an association is rejected: result, source and reason of PS3.8 table 9-21."""

    result: int
    source: int
    reason: int


NOT_UNDERSTOOD = Rejection(1, 1, 2)
UNKNOWN_CALLER = Rejection(1, 1, 3)
UNKNOWN_CALLED = Rejection(1, 1, 7)
CONGESTED = Rejection(2, 3, 1)
TOO_MANY = Rejection(2, 3, 2)


def parse(pdu: bytes) -> Request:
    """Read an A-ASSOCIATE-RQ.

    Raises:
        PeerError: it cannot be read.
    """
    request = A_ASSOCIATE_RQ()
    try:
        request.decode(pdu)
        user = request.user_information
        contexts = {context.number: context for context in map(_decide, request.presentation_context)}
        return Request(
            calling=check_ae_title(request.calling_ae_title),
            called=check_ae_title(request.called_ae_title),
            understood=bool(request.protocol_version & 1) and request.application_context_name == _APPLICATION_CONTEXT,
            contexts=tuple(contexts.values()),
            longest=(user.maximum_length or 0) if user else 0,
        )
    except Exception:  # noqa: BLE001 - pynetdicom's decoder lets out whatever the bytes provoke, and its text quotes them
        raise PeerError("an association request cannot be read", PeerError.INVALID_PARAMETER) from None


def _decide(item: PresentationContextItemRQ) -> Context:
    number, sop_class = item.context_id, item.abstract_syntax
    if number is None or number % 2 == 0 or sop_class is None or not _is_uid(sop_class):
        raise ValueError
    offered = [syntax for syntax in item.transfer_syntax if _is_uid(syntax)]
    if not _serves(sop_class):
        return Context(number, sop_class, ImplicitVRLittleEndian, _ABSTRACT_SYNTAX_NOT_SUPPORTED)
    if not offered:
        return Context(number, sop_class, ImplicitVRLittleEndian, _TRANSFER_SYNTAXES_NOT_SUPPORTED)
    explicit = offered[0] in _INFERIOR and ExplicitVRLittleEndian in offered
    chosen = ExplicitVRLittleEndian if explicit else offered[0]
    return Context(number, sop_class, chosen, _ACCEPTED)


def _is_uid(value: str) -> bool:
    """Whether a UID can be answered and written down; what devices really use is looser than the standard."""
    return 0 < len(value) <= 64 and value.isascii() and value.isprintable()


def _serves(sop_class: UID) -> bool:
    """Whether a SOP class is taken: what the standard does not know is taken for storage."""
    if sop_class == VERIFICATION or sop_class.name == sop_class:
        return True
    return sop_class.type == "SOP Class" and "Storage" in sop_class.name and "Commitment" not in sop_class.name


def accept(request: Request) -> bytes:
    """Return the A-ASSOCIATE-AC for a request."""
    answer = A_ASSOCIATE()
    answer.application_context_name = _APPLICATION_CONTEXT
    answer.calling_ae_title, answer.called_ae_title = request.calling, request.called
    answer.presentation_context_definition_results_list = [_result(context) for context in request.contexts]
    longest, implementation, version = (
        MaximumLengthNotification(),
        ImplementationClassUIDNotification(),
        ImplementationVersionNameNotification(),
    )
    longest.maximum_length_received = MAX_PDU
    implementation.implementation_class_uid = UID(IMPLEMENTATION_UID)
    version.implementation_version_name = IMPLEMENTATION_VERSION
    answer.user_information = [longest, implementation, version]
    return A_ASSOCIATE_AC(answer).encode()


def _result(context: Context) -> PresentationContext:
    result = PresentationContext()
    result.context_id = context.number
    result.transfer_syntax = [context.transfer_syntax]
    result.result = context.result
    return result


def reject(why: Rejection) -> bytes:
    """Return an A-ASSOCIATE-RJ."""
    answer = A_ASSOCIATE_RJ()
    answer.result, answer.source, answer.reason_diagnostic = why.result, why.source, why.reason
    return answer.encode()
