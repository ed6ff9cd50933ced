"""The head of a DICOM file (PS3.10 section 7.1) for a data set that came over the network; the rest is as it was sent.

No I/O. Group 2 is always explicit little endian; only the instance differs between files of a context, so it is put together
here from bytes instead of through a data set object.
"""

import struct
from dataclasses import dataclass

from gateway.dicom.negotiation import IMPLEMENTATION_UID, IMPLEMENTATION_VERSION

_PREAMBLE = bytes(128) + b"DICM"
_GROUP_LENGTH = struct.Struct("<HH2sHI")
_VERSION = struct.pack("<HH2sHI2s", 2, 1, b"OB", 0, 2, b"\x00\x01")


def _element(number: int, vr: bytes, value: bytes, padding: bytes = b"\0") -> bytes:
    value += padding * (len(value) % 2)
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


@dataclass(frozen=True, slots=True)
class FileHead:
    """What the heads of all files of one presentation context share."""

    before: bytes
    after: bytes

    @classmethod
    def of(cls, sop_class: str, transfer_syntax: str, sender: str) -> "FileHead":
        """Prepare the heads of one context; `sender` is the calling AE title."""
        return cls(
            before=_VERSION + _element(0x02, b"UI", sop_class.encode("ascii")),
            after=_element(0x10, b"UI", transfer_syntax.encode("ascii"))
            + _element(0x12, b"UI", IMPLEMENTATION_UID.encode("ascii"))
            + _element(0x13, b"SH", IMPLEMENTATION_VERSION.encode("ascii"), b" ")
            + _element(0x16, b"AE", sender.encode("ascii", "replace"), b" "),
        )

    def bytes_for(self, sop_instance: bytes) -> bytes:
        """Return preamble and file meta information of one file."""
        meta = self.before + _element(0x03, b"UI", sop_instance) + self.after
        return _PREAMBLE + _GROUP_LENGTH.pack(2, 0, b"UL", 4, len(meta)) + meta
