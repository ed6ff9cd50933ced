"""The Part-10 preamble and file meta information, always made anew (PS3.10 7.1): nothing of the original's passes."""

from __future__ import annotations

import struct

IMPLEMENTATION_UID = "2.25.197203961352318276104517523880120342631"
IMPLEMENTATION_NAME = "ARCHIMED_DEID_1"


def _element(element: int, vr: str, value: bytes) -> bytes:
    if len(value) & 1:
        value += b"\0" if vr in ("UI", "OB") else b" "
    if vr == "OB":
        return struct.pack("<HH2sHL", 2, element, vr.encode(), 0, len(value)) + value
    return struct.pack("<HH2sH", 2, element, vr.encode(), len(value)) + value


def part10_header(sop_class: str, instance: str, syntax: str) -> bytes:
    """A zeroed preamble, ``DICM``, and the meta information of a clean file."""
    meta = b"".join(
        (
            _element(0x0001, "OB", b"\0\1"),
            _element(0x0002, "UI", sop_class.encode("latin-1")),
            _element(0x0003, "UI", instance.encode("latin-1")),
            _element(0x0010, "UI", syntax.encode("latin-1")),
            _element(0x0012, "UI", IMPLEMENTATION_UID.encode()),
            _element(0x0013, "SH", IMPLEMENTATION_NAME.encode()),
        )
    )
    length = struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(meta))
    return bytes(128) + b"DICM" + length + meta
