"""Builds Siemens CSA headers byte by byte, in both formats, and reads them again without any of the code under test."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field


@dataclass
class Tag:
    name: str
    vr: str
    values: list[bytes] = field(default_factory=list)
    junk: bytes = b""


def build(tags: list[Tag], *, newer: bool = True, tail: bytes = b"") -> bytes:
    """`junk` fills the room behind the name, the VR, each value's end and its padding, as scanners leave it."""
    out = bytearray(b"SV10\x04\x03\x02\x01" if newer else b"") + struct.pack("<2I", len(tags), 77)
    first = len(tags[0].values)
    for tag in tags:
        name = (tag.name.encode() + b"\0" + tag.junk).ljust(64, b"\0")[:64]
        vr = (tag.vr.encode() + b"\0" + tag.junk[:1]).ljust(4, b"\0")
        out += name + struct.pack("<i4s3i", len(tag.values), vr, 6, len(tag.values), 77 if tag.values else 205)
        for value in tag.values:
            data = value + b"\0" + tag.junk
            numbers = (len(data), len(data), 77, len(data)) if newer else (len(data) + first, len(data), 77, len(data))
            out += struct.pack("<4i", *numbers) + data + (tag.junk + bytes(4))[: -len(data) % 4]
    return bytes(out) + tail


def read(blob: bytes) -> dict[str, list[bytes]]:
    """Name to values."""
    newer = blob[:4] == b"SV10"
    at = 8 if newer else 0
    (count, _), at = struct.unpack_from("<2I", blob, at), at + 8
    found: dict[str, list[bytes]] = {}
    first = None
    for _ in range(count):
        name, _, _, _, items, _ = struct.unpack_from("<64si4s3i", blob, at)
        first = items if first is None else first
        at += 84
        values = found[name.partition(b"\0")[0].decode()] = []
        for _ in range(items):
            numbers = struct.unpack_from("<4i", blob, at)
            length = numbers[1] if newer else numbers[0] - first
            at += 16
            values.append(blob[at : at + length].partition(b"\0")[0])
            at += length + -length % 4
    return found
