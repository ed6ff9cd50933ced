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

C_STORE_RQ = 0x0001
C_ECHO_RQ = 0x0030
C_CANCEL_RQ = 0x0FFF
_RESPONSE = 0x8000
_NO_DATA_SET = 0x0101

_ELEMENT = struct.Struct("<HHI")
_SHORT_ELEMENT = struct.Struct("<HHIH")
_GROUP_LENGTH = struct.Struct("<HHII")

_SOP_CLASS, _FIELD, _MESSAGE, _ANSWERS, _DATA_SET_TYPE = 0x0002, 0x0100, 0x0110, 0x0120, 0x0800
_STATUS, _COMMENT, _SOP_INSTANCE = 0x0900, 0x0902, 0x1000


class Status(IntEnum):
    """Answers this provider gives (PS3.7 annex C, PS3.4 table B.2-1)."""

    SUCCESS = 0x0000
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    UNRECOGNISED_OPERATION = 0x0211
    OUT_OF_RESOURCES = 0xA700
    NO_INSTANCE = 0xC000
    NO_DATA_SET = 0xC001

    @property
    def comment(self) -> str:
        """The sentence for the operator of the sending device; at most 64 characters."""
        return _COMMENTS.get(self, "")


_COMMENTS = {
    Status.SOP_CLASS_NOT_SUPPORTED: "SOP class is not the presentation context's",
    Status.UNRECOGNISED_OPERATION: "this operation is not served here",
    Status.OUT_OF_RESOURCES: "the archive cannot keep it now; send again later",
    Status.NO_INSTANCE: "the request names no valid SOP instance",
    Status.NO_DATA_SET: "the request carries no data set",
}


@dataclass(frozen=True, slots=True)
class Command:
    """A request as it came; UIDs as sent, without padding, None where they are missing or cannot be one."""

    field: int
    message: int
    has_data_set: bool
    sop_class: bytes | None
    sop_instance: bytes | None


def parse(data: bytes | bytearray) -> Command:
    """Read a command set.

    Raises:
        PeerError: it is none, or lacks what every request has.
    """
    elements = _elements(data)
    field = _number(elements, _FIELD)
    if field & _RESPONSE:
        raise PeerError("a response came where nothing was asked", PeerError.UNEXPECTED_PARAMETER)
    return Command(
        field=field,
        message=_number(elements, _ANSWERS if field == C_CANCEL_RQ else _MESSAGE),
        has_data_set=_number(elements, _DATA_SET_TYPE) != _NO_DATA_SET,
        sop_class=_uid(elements.get(_SOP_CLASS)),
        sop_instance=_uid(elements.get(_SOP_INSTANCE)),
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


def _uid(value: bytes | None) -> bytes | None:
    """Return a UID without padding. Odd ones of real devices pass; what could not be written down again does not."""
    if value is None:
        return None
    value = value.rstrip(b"\0 ")
    if not 0 < len(value) <= 64 or not value.isascii() or not value.decode("ascii").isprintable():
        return None
    return value


def response(command: Command, status: Status) -> bytes:
    """Return the command set that answers a request."""
    body = b"".join(
        (
            _padded(_SOP_CLASS, command.sop_class or b"", b"\0"),
            _SHORT_ELEMENT.pack(0, _FIELD, 2, command.field | _RESPONSE),
            _SHORT_ELEMENT.pack(0, _ANSWERS, 2, command.message),
            _SHORT_ELEMENT.pack(0, _DATA_SET_TYPE, 2, _NO_DATA_SET),
            _SHORT_ELEMENT.pack(0, _STATUS, 2, status),
            _padded(_COMMENT, status.comment.encode("ascii"), b" "),
            _padded(_SOP_INSTANCE, command.sop_instance or b"", b"\0"),
        )
    )
    return _GROUP_LENGTH.pack(0, 0, 4, len(body)) + body


def _padded(element: int, value: bytes, padding: bytes) -> bytes:
    """Encode a text element; nothing where there is no value."""
    if not value:
        return b""
    value += padding * (len(value) % 2)
    return _ELEMENT.pack(0, element, len(value)) + value
