"""Command sets (DICOM PS3.7 chapter 6 and annex E): those a provider reads and answers, and its statuses.

Bytes in, values out; no I/O. A command set is implicit little endian, short and flat, so that it is read here directly:
through pydicom it was most of what receiving a file cost.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from gateway.dicom.pdu import PeerError

LONGEST = 16 * 1024
"""Bytes a command set may have; real ones have 200."""

_LONGEST_INSTANCE = 128
"""Bytes of a SOP instance UID: some devices make longer ones than the 64 of the standard, and the archive maps them anyway."""

C_STORE_RQ = 0x0001
C_GET_RQ = 0x0010
C_FIND_RQ = 0x0020
C_MOVE_RQ = 0x0021
C_ECHO_RQ = 0x0030
N_EVENT_REPORT_RQ = 0x0100
N_ACTION_RQ = 0x0130
C_CANCEL_RQ = 0x0FFF
RESPONSE = 0x8000
"""Added to a request's field, it is its response's."""

_DATA_SET = 0x0001
_NO_DATA_SET = 0x0101
_MEDIUM_PRIORITY = 0

_ELEMENT = struct.Struct("<HHI")
_SHORT_ELEMENT = struct.Struct("<HHIH")
_GROUP_LENGTH = struct.Struct("<HHII")

_SOP_CLASS, _FIELD, _MESSAGE, _ANSWERS, _DATA_SET_TYPE = 0x0002, 0x0100, 0x0110, 0x0120, 0x0800
_REQUESTED_CLASS, _REQUESTED_INSTANCE, _EVENT_TYPE, _ACTION_TYPE = 0x0003, 0x1001, 0x1002, 0x1008
_DESTINATION, _PRIORITY, _STATUS, _COMMENT, _SOP_INSTANCE = 0x0600, 0x0700, 0x0900, 0x0902, 0x1000
_COUNTERS = (0x1020, 0x1021, 0x1022, 0x1023)
_ORIGINATOR, _ORIGINATOR_MESSAGE = 0x1030, 0x1031


class Status(IntEnum):
    """Answers this provider gives (PS3.7 annex C, PS3.4 tables B.2-1, C.4-1, C.4-2, C.4-3)."""

    SUCCESS = 0x0000
    NO_SUCH_INSTANCE = 0x0112
    INVALID_ARGUMENT = 0x0115
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NO_SUCH_ACTION = 0x0123
    NOT_AUTHORIZED = 0x0124
    UNRECOGNISED_OPERATION = 0x0211
    RESOURCE_LIMITATION = 0x0213
    OUT_OF_RESOURCES = 0xA700
    TOO_MANY_MATCHES = 0xA701
    NOTHING_SENT = 0xA702
    UNKNOWN_DESTINATION = 0xA801
    NOT_THE_MODEL = 0xA900
    SOME_NOT_SENT = 0xB000
    NO_INSTANCE = 0xC000
    NO_DATA_SET = 0xC001
    NOT_NOW = 0xC002
    CANCELLED = 0xFE00
    PENDING = 0xFF00
    PENDING_UNMATCHED = 0xFF01

    @property
    def comment(self) -> str:
        """The sentence for the operator of the sending device; at most 64 characters."""
        return _COMMENTS.get(self, "")


_COMMENTS = {
    Status.NO_SUCH_INSTANCE: "commitment has the well-known instance alone",
    Status.INVALID_ARGUMENT: "the request names no transaction or no instances",
    Status.NO_SUCH_ACTION: "this class knows the action type 1 alone",
    Status.NOT_AUTHORIZED: "the archive has no address and port to report to",
    Status.RESOURCE_LIMITATION: "too much in one request, or not now; ask again later",
    Status.SOP_CLASS_NOT_SUPPORTED: "SOP class is not the presentation context's",
    Status.UNRECOGNISED_OPERATION: "this operation is not served here",
    Status.OUT_OF_RESOURCES: "the archive cannot keep it now; send again later",
    Status.TOO_MANY_MATCHES: "too many matches; ask for less",
    Status.NOTHING_SENT: "nothing could be sent",
    Status.UNKNOWN_DESTINATION: "no node has the destination's AE title",
    Status.NOT_THE_MODEL: "level or unique keys do not fit the information model",
    Status.SOME_NOT_SENT: "not all could be sent",
    Status.NOT_NOW: "the archive cannot answer now; ask again later",
    Status.NO_INSTANCE: "the request names no valid SOP instance",
    Status.NO_DATA_SET: "the request carries no data set",
}


@dataclass(frozen=True, slots=True)
class Counters:
    """The sub-operations of a C-GET or C-MOVE: how many are left, and what became of the others."""

    remaining: int
    completed: int
    failed: int
    warning: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """A command set as it came; UIDs as sent, without padding, None where they are missing or cannot be one.

    `message` is a request's own number, or that of the request that a response or C-CANCEL is about. `status` is a response's.
    `destination` is the AE title that a C-MOVE names; `action` the type of an N-ACTION.
    """

    field: int
    message: int
    has_data_set: bool
    sop_class: bytes | None
    sop_instance: bytes | None
    destination: str = ""
    status: int = 0
    action: int = 0

    @property
    def is_response(self) -> bool:
        """Whether it answers a request."""
        return bool(self.field & RESPONSE)


def parse(data: bytes | bytearray) -> Command:
    """Read a command set.

    Raises:
        PeerError: it is none, or lacks what every one has.
    """
    elements = _elements(data)
    field = _number(elements, _FIELD)
    answers = field == C_CANCEL_RQ or bool(field & RESPONSE)
    acts = field == N_ACTION_RQ
    return Command(
        field=field,
        message=_number(elements, _ANSWERS if answers else _MESSAGE),
        has_data_set=_number(elements, _DATA_SET_TYPE) != _NO_DATA_SET,
        sop_class=_uid(elements.get(_REQUESTED_CLASS if acts else _SOP_CLASS)),
        sop_instance=_uid(elements.get(_REQUESTED_INSTANCE if acts else _SOP_INSTANCE), _LONGEST_INSTANCE),
        destination=elements.get(_DESTINATION, b"").decode("ascii", "replace").strip(" \0"),
        status=_number(elements, _STATUS) if field & RESPONSE else 0,
        action=_number(elements, _ACTION_TYPE) if acts else 0,
    )


def _elements(data: bytes | bytearray) -> dict[int, bytes]:
    elements = {}
    offset, end = 0, len(data)
    while offset < end:
        if offset + _ELEMENT.size > end:
            raise PeerError("a command set is cut short", PeerError.INVALID_PARAMETER)
        group, element, length = _ELEMENT.unpack_from(data, offset)
        offset += _ELEMENT.size
        if group != 0 or length > end - offset:
            raise PeerError("a command set cannot be read", PeerError.INVALID_PARAMETER)
        elements[element] = bytes(data[offset : offset + length])
        offset += length
    return elements


def _number(elements: dict[int, bytes], element: int) -> int:
    value = elements.get(element, b"")
    if len(value) != 2:
        raise PeerError("a command set lacks what it must have", PeerError.INVALID_PARAMETER)
    return int.from_bytes(value, "little")


def _uid(value: bytes | None, longest: int = 64) -> bytes | None:
    """Return a UID without padding. Odd ones of real devices pass; what could not be written down again does not."""
    if value is None:
        return None
    value = value.rstrip(b"\0 ")
    if not 0 < len(value) <= longest or not value.isascii() or not value.decode("ascii").isprintable():
        return None
    return value


def response(command: Command, status: Status, *, has_identifier: bool = False, counters: Counters | None = None) -> bytes:
    """Return the command set that answers a request."""
    body = b"".join(
        (
            _padded(_SOP_CLASS, command.sop_class or b"", b"\0"),
            _SHORT_ELEMENT.pack(0, _FIELD, 2, command.field | RESPONSE),
            _SHORT_ELEMENT.pack(0, _ANSWERS, 2, command.message),
            _SHORT_ELEMENT.pack(0, _DATA_SET_TYPE, 2, _DATA_SET if has_identifier else _NO_DATA_SET),
            _SHORT_ELEMENT.pack(0, _STATUS, 2, status),
            _padded(_COMMENT, status.comment.encode("ascii"), b" "),
            _padded(_SOP_INSTANCE, command.sop_instance or b"", b"\0"),
            _SHORT_ELEMENT.pack(0, _ACTION_TYPE, 2, command.action) if command.field == N_ACTION_RQ else b"",
            _counted(counters) if counters is not None else b"",
        )
    )
    return _GROUP_LENGTH.pack(0, 0, 4, len(body)) + body


def _counted(counters: Counters) -> bytes:
    numbers = (counters.remaining, counters.completed, counters.failed, counters.warning)
    return b"".join(
        _SHORT_ELEMENT.pack(0, element, 2, min(number, 0xFFFF)) for element, number in zip(_COUNTERS, numbers, strict=True)
    )


def store_request(message: int, sop_class: str, sop_instance: str, originator: str = "", originator_message: int = 0) -> bytes:
    """Return the command set of a C-STORE request.

    Args:
        message: its number.
        sop_class: the SOP class.
        sop_instance: the SOP instance.
        originator: who asked for it by a C-MOVE; "" where nobody did.
        originator_message: the number of that C-MOVE.
    """
    parts = [
        _padded(_SOP_CLASS, sop_class.encode("ascii"), b"\0"),
        _SHORT_ELEMENT.pack(0, _FIELD, 2, C_STORE_RQ),
        _SHORT_ELEMENT.pack(0, _MESSAGE, 2, message),
        _SHORT_ELEMENT.pack(0, _PRIORITY, 2, _MEDIUM_PRIORITY),
        _SHORT_ELEMENT.pack(0, _DATA_SET_TYPE, 2, _DATA_SET),
        _padded(_SOP_INSTANCE, sop_instance.encode("ascii"), b"\0"),
    ]
    if originator:
        parts.append(_padded(_ORIGINATOR, originator.encode("ascii"), b" "))
        parts.append(_SHORT_ELEMENT.pack(0, _ORIGINATOR_MESSAGE, 2, originator_message))
    body = b"".join(parts)
    return _GROUP_LENGTH.pack(0, 0, 4, len(body)) + body


def event_report(message: int, sop_class: str, sop_instance: str, event: int) -> bytes:
    """Return the command set of an N-EVENT-REPORT request (PS3.7 table 10.3-1); `event`: its type."""
    body = b"".join(
        (
            _padded(_SOP_CLASS, sop_class.encode("ascii"), b"\0"),
            _SHORT_ELEMENT.pack(0, _FIELD, 2, N_EVENT_REPORT_RQ),
            _SHORT_ELEMENT.pack(0, _MESSAGE, 2, message),
            _SHORT_ELEMENT.pack(0, _DATA_SET_TYPE, 2, _DATA_SET),
            _padded(_SOP_INSTANCE, sop_instance.encode("ascii"), b"\0"),
            _SHORT_ELEMENT.pack(0, _EVENT_TYPE, 2, event),
        )
    )
    return _GROUP_LENGTH.pack(0, 0, 4, len(body)) + body


def _padded(element: int, value: bytes, padding: bytes) -> bytes:
    """Encode a text element; nothing where there is no value."""
    if not value:
        return b""
    value += padding * (len(value) % 2)
    return _ELEMENT.pack(0, element, len(value)) + value
