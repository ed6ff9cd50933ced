"""Association requests and our answers (DICOM PS3.8 section 9.3.2, PS3.7 annex D), through pynetdicom's PDU classes.

Bytes in, bytes out; no I/O. What is accepted is decided by the services (`gateway.dicom.services`), context by context; of
several transfer syntaxes in one context a service takes one. Roles are answered where they are proposed (PS3.7 D.3.3.4).
Asynchronous operations and user identity are not answered, which the standard reads as: the defaults.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Flag
from typing import Any

from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_items import PresentationContextItemRQ, SCP_SCU_RoleSelectionSubItem
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext

from catalog.pure.addresses import check_ae_title
from gateway.dicom.pdu import MAX_PDU, PeerError

IMPLEMENTATION_UID = "2.25.10891154314071600052501891694950519874"
IMPLEMENTATION_VERSION = "ARCHIMED_1"

VERIFICATION = "1.2.840.10008.1.1"
UNCOMPRESSED = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
"""The transfer syntaxes that data sets of ours are written in, the better one first."""

_INFERIOR = (ImplicitVRLittleEndian, ExplicitVRBigEndian)
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_ACCEPTED, _ABSTRACT_SYNTAX_NOT_SUPPORTED, _TRANSFER_SYNTAXES_NOT_SUPPORTED = 0, 3, 4


class Roles(Flag):
    """What the requestor of an association is in a context: it asks (SCU, the default), it is asked (SCP), or both."""

    NONE = 0
    REQUESTOR_IS_SCU = 1
    REQUESTOR_IS_SCP = 2


@dataclass(frozen=True, slots=True)
class Proposed:
    """A presentation context as it is proposed: usable transfer syntaxes in the sender's order, perhaps none."""

    number: int
    sop_class: str
    transfer_syntaxes: tuple[str, ...]
    roles: Roles = Roles.REQUESTOR_IS_SCU
    names_roles: bool = False
    """Whether the roles were proposed by an item of their own, which is answered by one."""


@dataclass(frozen=True, slots=True)
class Context:
    """A presentation context after our decision; no roles: refused."""

    number: int
    sop_class: str
    transfer_syntax: str
    roles: Roles
    names_roles: bool = False
    result: int = _ACCEPTED

    @property
    def accepted(self) -> bool:
        """Whether messages may use it."""
        return self.result == _ACCEPTED


@dataclass(frozen=True, slots=True)
class Request:
    """An association request: who calls whom, what it wants, the longest PDU it takes (0: any)."""

    calling: str
    called: str
    understood: bool
    proposed: tuple[Proposed, ...]
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
        roles = user.role_selection if user else {}
        proposed = {found.number: found for found in (_proposed(item, roles) for item in request.presentation_context)}
        return Request(
            calling=check_ae_title(request.calling_ae_title),
            called=check_ae_title(request.called_ae_title),
            understood=bool(request.protocol_version & 1) and request.application_context_name == APPLICATION_CONTEXT,
            proposed=tuple(proposed.values()),
            longest=(user.maximum_length or 0) if user else 0,
        )
    except Exception:  # noqa: BLE001 - pynetdicom's decoder lets out whatever the bytes provoke, and its text quotes them
        raise PeerError("an association request cannot be read", PeerError.INVALID_PARAMETER) from None


def _proposed(item: PresentationContextItemRQ, roles: Mapping[UID, SCP_SCU_RoleSelectionSubItem]) -> Proposed:
    number, sop_class = item.context_id, item.abstract_syntax
    if number is None or number % 2 == 0 or sop_class is None or not _is_uid(sop_class):
        raise ValueError
    offered = tuple(str(syntax) for syntax in item.transfer_syntax if _is_uid(syntax))
    role = roles.get(sop_class)
    if role is None:
        return Proposed(number, str(sop_class), offered)
    named = Roles.REQUESTOR_IS_SCU if role.scu else Roles.NONE
    named |= Roles.REQUESTOR_IS_SCP if role.scp else Roles.NONE
    return Proposed(number, str(sop_class), offered, named, names_roles=True)


def accepted(proposed: Proposed, roles: Roles, transfer_syntax: Callable[[Proposed], str]) -> Context:
    """Return the decision on a proposed context: the roles that services take of those that are proposed."""
    roles &= proposed.roles
    if not roles:
        return Context(
            proposed.number, proposed.sop_class, ImplicitVRLittleEndian, roles, result=_ABSTRACT_SYNTAX_NOT_SUPPORTED
        )  # fmt: skip
    if not proposed.transfer_syntaxes:
        return Context(
            proposed.number, proposed.sop_class, ImplicitVRLittleEndian, roles, result=_TRANSFER_SYNTAXES_NOT_SUPPORTED
        )  # fmt: skip
    return Context(proposed.number, proposed.sop_class, transfer_syntax(proposed), roles, proposed.names_roles)


def as_sent(proposed: Proposed) -> str:
    """Return the transfer syntax in which a sender holds its files.

    Senders put first what they hold (dcmsend a compressed file's own) or like best, and convert for any other. Only for the
    uncompressed ones is there a better choice than the first: explicit little endian, where it is offered too, for implicit
    loses the representation of private elements.
    """
    first = proposed.transfer_syntaxes[0]
    explicit = first in _INFERIOR and ExplicitVRLittleEndian in proposed.transfer_syntaxes
    return str(ExplicitVRLittleEndian) if explicit else first


def _is_uid(value: str) -> bool:
    """Whether a UID can be answered and written down; what devices really use is looser than the standard."""
    return 0 < len(value) <= 64 and value.isascii() and value.isprintable()


def accept(request: Request, contexts: Iterable[Context]) -> bytes:
    """Return the A-ASSOCIATE-AC for a request, with what was decided of each of its contexts."""
    contexts = tuple(contexts)
    answer = A_ASSOCIATE()
    answer.application_context_name = APPLICATION_CONTEXT
    answer.calling_ae_title, answer.called_ae_title = request.calling, request.called
    answer.presentation_context_definition_results_list = [_result(context) for context in contexts]
    named = {context.sop_class: context for context in contexts if context.accepted and context.names_roles}
    answer.user_information = [*user_information(), *map(_role, named.values())]
    return A_ASSOCIATE_AC(answer).encode()


def user_information() -> list[Any]:
    """Return what we say of ourselves in every association (PS3.7 D.3.3)."""
    longest, implementation, version = (
        MaximumLengthNotification(),
        ImplementationClassUIDNotification(),
        ImplementationVersionNameNotification(),
    )
    longest.maximum_length_received = MAX_PDU
    implementation.implementation_class_uid = UID(IMPLEMENTATION_UID)
    version.implementation_version_name = IMPLEMENTATION_VERSION
    return [longest, implementation, version]


def _role(context: Context) -> SCP_SCU_RoleSelectionNegotiation:
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid = UID(context.sop_class)
    role.scu_role = Roles.REQUESTOR_IS_SCU in context.roles
    role.scp_role = Roles.REQUESTOR_IS_SCP in context.roles
    return role


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
