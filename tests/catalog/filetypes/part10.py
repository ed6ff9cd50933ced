"""DICOM files built by hand, byte by byte, so that they can be wrong in every way."""

import struct

IMPLICIT, EXPLICIT, BIG, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
JPEG = "1.2.840.10008.1.2.4.50"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"
INSTANCE = "1.2.826.0.1.3680043.8.498.1"
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
PIXELS = (0x7FE0, 0x0010)
_LONG = {"OB", "OW", "SQ", "UN", "UT", "OF", "OD"}


def explicit(tag: tuple[int, int], vr: str, value: bytes, length: int | None = None, order: str = "<") -> bytes:
    """Return an element with its VR; `length` lies about how long it is."""
    value += b"\0" * (len(value) % 2)
    size = len(value) if length is None else length
    head = struct.pack(f"{order}HH2s", *tag, vr.encode())
    return head + (struct.pack(f"{order}HI", 0, size) if vr in _LONG else struct.pack(f"{order}H", size)) + value


def implicit(tag: tuple[int, int], value: bytes, length: int | None = None) -> bytes:
    """Return an element without VR; `length` lies about how long it is."""
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHI", *tag, len(value) if length is None else length) + value


def text(tag: tuple[int, int], vr: str, value: bytes, syntax: str = EXPLICIT) -> bytes:
    """Return a short element in the syntax."""
    return implicit(tag, value) if syntax == IMPLICIT else explicit(tag, vr, value, order=">" if syntax == BIG else "<")


def meta(syntax: str | None = EXPLICIT, more: bytes = b"") -> bytes:
    """Return preamble, prefix and file meta information; without a syntax, nothing is in it."""
    body = more
    if syntax is not None:
        body += explicit((2, 2), "UI", RAW_DATA.encode()) + explicit((2, 3), "UI", INSTANCE.encode())
        body += explicit((2, 0x10), "UI", syntax.encode())
        body = explicit((2, 0), "UL", struct.pack("<I", len(body))) + body
    return bytes(128) + b"DICM" + body


def dataset(syntax: str = EXPLICIT, name: bytes = b"Doe^Jane", character_set: bytes = b"", sop_class: str = RAW_DATA) -> bytes:
    """Return the elements that every file must have."""
    found = b""
    if character_set:
        found += text((8, 5), "CS", character_set, syntax)
    found += text((8, 0x16), "UI", sop_class.encode(), syntax) + text((8, 0x18), "UI", INSTANCE.encode(), syntax)
    found += text((8, 0x60), "CS", b"MR", syntax) + text((8, 0x103E), "LO", b"a series", syntax)
    found += text((0x10, 0x10), "PN", name, syntax) + text((0x10, 0x20), "LO", b"PAT-4711", syntax)
    found += text((0x20, 0x0D), "UI", b"1.2.3", syntax) + text((0x20, 0x0E), "UI", b"1.2.4", syntax)
    return found + text((0x20, 0x11), "IS", b"3", syntax)


def nested(depth: int, syntax: str, *, undefined: bool) -> bytes:
    """Return sequences in sequences: (0040,0275) with one item each."""
    if undefined:
        head = implicit((0x40, 0x275), b"", UNDEFINED) if syntax == IMPLICIT else explicit((0x40, 0x275), "SQ", b"", UNDEFINED)
        opening = head + implicit(ITEM, b"", UNDEFINED)
        return opening * depth + (implicit(ITEM_END, b"") + implicit(SEQUENCE_END, b"")) * depth
    each = 16 if syntax == IMPLICIT else 20
    parts = []
    for left in range(depth, 0, -1):
        length = left * each - (each - 8)
        head = implicit((0x40, 0x275), b"", length) if syntax == IMPLICIT else explicit((0x40, 0x275), "SQ", b"", length)
        parts.append(head + implicit(ITEM, b"", length - 8))
    return b"".join(parts)
