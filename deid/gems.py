"""GE's private formats, cleaned from within: what conversion reads of them stays, and nothing else.

* The protocol data block (0025,xx1B): a gzipped text of ``set NAME "VALUE"`` lines: slice order, multiband factor, delays.
  Names of parameters stay, numbers, and texts in technical terms.
* User data (0043,xx2A): the raw header of a scan in a layout of the machine's memory: the polarity of phase encoding. All
  bytes but those of the flags become zeros.

There is no specification; both as dcm2niix reads them. What is not understood goes as a whole.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from typing import TYPE_CHECKING

from deid.csa.words import is_personal
from deid.rules import vocabulary

if TYPE_CHECKING:
    from deid.rules.values import Values

_MAGIC = b"\x1f\x8b\x08"
_LARGEST = 1 << 20
# User data: where the header begins, versions of it, and in it the flags (bytes from its start).
_WHERE, _SHORTEST_USER_DATA, _VERSIONS, _MOVED_SINCE = 24, 0x0396, (5.0, 40.0), 25.002
_MOVED_BY, _ORDER_MOVED_BY, _IS_EPI, _POLARITY, _SLICE_ORDER = 0x004C, 0x008C, 0x003A, 0x0030, 0x0394
_LINE = re.compile(r'([ \t]*(?:set[ \t]+)?)([A-Za-z_][A-Za-z0-9_]{0,39})([ \t]+)"([^"\r\n]*)"([ \t\r]*)')
_NUMBERS = re.compile(r"[ ]*[+\-]?\d{1,6}(?:\.\d{0,6})?(?:[ ,;:/x]+[+\-]?\d{1,6}(?:\.\d{0,6})?)*[ ]*")
_PERSONAL = re.compile(
    r"PATIENT|PNAME|PATID|PID$|BIRTH|^AGE|^SEX$|WEIGHT|NAME$|^ID$|HIST|ACCESS|PHYS|OPER|RADIO|HOSP|INSTIT|SERIAL|COMMENT|UID"
    r"|DATE|EXAM|DESC$|REF|USER$",
    re.IGNORECASE,
)


def user_data(value: bytes, _: Values) -> bytes | None:
    """The flags of (0043,xx2A) alone, where they were; None if the layout is none we know."""
    if len(value) < _SHORTEST_USER_DATA:
        return None
    header = int.from_bytes(value[_WHERE : _WHERE + 2], "little")
    if len(value) < header + _SHORTEST_USER_DATA:
        return None
    (version,) = struct.unpack_from("<f", value, header)
    if not _VERSIONS[0] <= version <= _VERSIONS[1]:
        return None
    later = version >= _MOVED_SINCE
    flags = header + (_MOVED_BY if later else 0)
    order = flags + _SLICE_ORDER - (_ORDER_MOVED_BY if later else 0)
    clean = bytearray(len(value))
    for at, size in ((_WHERE, 2), (header, 4), (flags + _IS_EPI, 2), (flags + _POLARITY, 2), (order, 2)):
        clean[at : at + size] = value[at : at + size]
    return bytes(clean)


def protocol(value: bytes, values: Values) -> bytes | None:
    """The block without identities, compressed anew; None if it cannot be understood.

    Some software writes the length of the compressed text before it: it is written anew as well.
    """
    start = value.find(_MAGIC, 0, 8)
    if start < 0:
        return None
    try:
        unpacker = zlib.decompressobj(wbits=31)
        text = unpacker.decompress(value[start:], _LARGEST)
    except zlib.error:
        return None
    if not unpacker.eof or unpacker.unused_data.strip(b"\0"):
        return None
    lines = text.decode("latin-1").rstrip("\0").splitlines(keepends=True)
    kept = "".join(_line(line, values) for line in lines)
    if not kept.strip():
        return None
    packed = gzip.compress(kept.encode("latin-1"), mtime=0)
    return (len(packed).to_bytes(start, "little") if start else b"") + packed


def _line(line: str, values: Values) -> str:
    """One assignment; nothing if it is none."""
    body = line.rstrip("\n")
    found = _LINE.fullmatch(body)
    if not found:
        return ""
    before, name, blank, text, after = found.groups()
    if _PERSONAL.search(name) or is_personal(name):
        return f'{before}{name}{blank}""{after}\n' if text else line
    if not text or _NUMBERS.fullmatch(text):
        return line
    return f'{before}{name}{blank}"{vocabulary.clean_machine(text, values.words, values.known)}"{after}\n'
