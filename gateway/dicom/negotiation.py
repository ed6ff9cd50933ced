"""Association requests and our answers (DICOM PS3.8 section 9.3.2, PS3.7 annex D), through pynetdicom's PDU classes.

Bytes in, bytes out; no I/O. What is accepted is decided by the services (`gateway.dicom.services`), context by context; of
several transfer syntaxes in one context a service takes one. Roles are answered where they are proposed (PS3.7 D.3.3.4).
Asynchronous operations and user identity are not answered, which the standard reads as: the defaults.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
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

from gateway.dicom.pdu import MAX_PDU, PeerError

IMPLEMENTATION_UID = "2.25.10891154314071600052501891694950519874"
IMPLEMENTATION_VERSION = "ARCHIMED_1"

VERIFICATION = "1.2.840.10008.1.1"
UNCOMPRESSED = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
"""The transfer syntaxes that data sets of ours are written in, the better one first."""

# Of an A-ASSOCIATE-RQ (PS3.8 9.3.2): where the titles stand, where its items begin, and those that are looked at.
_CALLED, _CALLING, _ITEMS, _TITLES = slice(10, 26), slice(26, 42), 74, 32
_CONTEXT, _USER_INFORMATION = 0x20, 0x50
_KNOWN_ITEMS = frozenset({0x10, _CONTEXT, _USER_INFORMATION})
UNUSABLE = "0"
"""Stands for a class or syntax that is no UID: nothing has this one."""

_KNOWN_INFORMATION = frozenset({0x51, 0x54})  # longest PDU, roles

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
    titles: bytes = bytes(_TITLES)
    """Called and calling title as they were sent, padding and all: an acceptance repeats them."""


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
        request.decode(_readable(pdu))
        user = request.user_information
        roles = user.role_selection if user else {}
        proposed = {found.number: found for found in (_proposed(item, roles) for item in request.presentation_context)}
        return Request(
            calling=_title(pdu[_CALLING]),
            called=_title(pdu[_CALLED]),
            understood=bool(request.protocol_version & 1) and request.application_context_name == APPLICATION_CONTEXT,
            proposed=tuple(proposed.values()),
            longest=(user.maximum_length or 0) if user else 0,
            titles=pdu[_CALLED] + pdu[_CALLING],
        )
    except Exception:  # noqa: BLE001 - pynetdicom's decoder lets out whatever the bytes provoke, and its text quotes them
        raise PeerError("an association request cannot be read", PeerError.INVALID_PARAMETER) from None


def _title(raw: bytes) -> str:
    """Return an AE title: some devices pad it with NUL, leave it blank, or write it in Latin-1."""
    text = raw.partition(b"\0")[0].decode("latin-1").strip()
    return "".join(character if character.isprintable() else "?" for character in text)


def _readable(request: bytes) -> bytes:
    """Return a request as pynetdicom can read it: with plain titles, and of what is optional only what is looked at here."""
    if len(request) < _ITEMS:
        raise ValueError
    items = [item for kind, item in _items(request[_ITEMS:]) if kind in _KNOWN_ITEMS]
    body = request[6:10] + b"X".ljust(_TITLES // 2) * 2 + request[42:_ITEMS] + b"".join(map(_without_unknown, items))
    return request[:2] + len(body).to_bytes(4, "big") + body


def _without_unknown(item: bytes) -> bytes:
    if item[0] == _CONTEXT:
        inner = b"".join(_usable(kind, inner) for kind, inner in _items(item[8:]))
        return item[:2] + (len(inner) + 4).to_bytes(2, "big") + item[4:8] + inner
    if item[0] != _USER_INFORMATION:
        return item
    kept = b"".join(inner for kind, inner in _items(item[4:]) if kind in _KNOWN_INFORMATION)
    return item[:2] + len(kept).to_bytes(2, "big") + kept


def _usable(kind: int, item: bytes) -> bytes:
    """Return an abstract or transfer syntax of a context; `UNUSABLE` for one that is no UID at all."""
    value = item[4:].rstrip(b"\0 ")
    if _is_uid(value.decode("latin-1")):
        return item
    return bytes((kind, 0, 0, len(UNUSABLE))) + UNUSABLE.encode()


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the items of a request, each with its type; what is cut short raises ValueError."""
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end > len(data):
            raise ValueError
        yield data[at], data[at:end]
        at = end


def _proposed(item: PresentationContextItemRQ, roles: Mapping[UID, SCP_SCU_RoleSelectionSubItem]) -> Proposed:
    number, sop_class = item.context_id, item.abstract_syntax
    if number is None or number % 2 == 0:
        raise ValueError
    if sop_class is None or sop_class == UNUSABLE or not _is_uid(sop_class):
        return Proposed(number, UNUSABLE, ())  # for no service; the others of the request are none the worse
    offered = tuple(str(syntax) for syntax in item.transfer_syntax if _is_uid(syntax) and syntax != UNUSABLE)
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
    answer.calling_ae_title = answer.called_ae_title = "X"
    answer.presentation_context_definition_results_list = [_result(context) for context in contexts]
    named = {context.sop_class: context for context in contexts if context.accepted and context.names_roles}
    answer.user_information = [*user_information(), *(role(context.sop_class, context.roles) for context in named.values())]
    data = A_ASSOCIATE_AC(answer).encode()
    return bytes(data[: _CALLED.start] + request.titles + data[_CALLING.stop :])


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


def role(sop_class: str, roles: Roles) -> SCP_SCU_RoleSelectionNegotiation:
    """Return the item that says what the requestor of an association is for a SOP class (PS3.7 D.3.3.4)."""
    item = SCP_SCU_RoleSelectionNegotiation()
    item.sop_class_uid = UID(sop_class)
    item.scu_role = Roles.REQUESTOR_IS_SCU in roles
    item.scp_role = Roles.REQUESTOR_IS_SCP in roles
    return item


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
