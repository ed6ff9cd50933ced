"""The safe engine: pydicom takes the file apart. Only reading may live here; it knows every syntax pydicom knows.

pydicom warns and logs with values of the file in its messages, so both are kept from reaching anyone.
"""

from __future__ import annotations

import io
import logging
import warnings
import zlib
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydicom import dcmread
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from deid.engine.nodes import UNDEFINED, Element, Item, Node, Sequence, Syntax
from deid.errors import Unreadable
from deid.mapping import STANDARD_ROOT, is_registered

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

DEEPEST = 64
_HEAD = 1 << 16
_LARGEST_INFLATED = 1 << 30
_MOST_READS, _MOST_NOTHINGS = 10_000_000, 10_000
_NOTHING = bytes(8)
_GE_PRIVATE_BIG_PIXELS = "1.2.840.113619.5.2"
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)


class _Bounded(io.BufferedReader):
    """A file that never sets memory aside for more bytes than it has: hostile lengths ask for gigabytes.

    It gives up on what makes pydicom go on and on: zeros read as elements, and more elements than any image has.
    """

    name = "the file"  # what pydicom says in its warnings

    def __init__(self, source: Path) -> None:
        super().__init__(io.FileIO(source))
        self._size = self.seek(0, 2)
        self.seek(0)
        self._reads = self._nothings = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """At most what is left."""
        left = max(0, self._size - self.tell())
        data = super().read(left if size is None or size < 0 else min(size, left))
        self._reads += 1
        self._nothings += data == _NOTHING
        if self._reads > _MOST_READS or self._nothings > _MOST_NOTHINGS:
            raise Unreadable("what should be attributes is noise")
        return data


def _refuse_bombs(stream: _Bounded) -> None:
    """A deflated data set may not grow beyond all proportion."""
    head = stream.read(_HEAD)
    stream.seek(0)
    if DeflatedExplicitVRLittleEndian.encode() + b"\0" not in head or head[132:140] != b"\x02\0\0\0UL\x04\0":
        return
    stream.seek(144 + int.from_bytes(head[140:144], "little"))
    inflater, grown = zlib.decompressobj(wbits=-15), 0
    with suppress(zlib.error):  # the UID stands elsewhere in the header, or pydicom will say what is wrong
        while (packed := inflater.unconsumed_tail or stream.read(_HEAD)) and not inflater.eof:
            grown += len(inflater.decompress(packed, _HEAD * 16))
            if grown > _LARGEST_INFLATED:
                raise Unreadable("the deflated data set is too large")
    stream.seek(0)


def read(source: Path) -> tuple[list[Node], Syntax]:
    """The data set of a file without its meta information, as it lies there, and its syntax."""
    try:
        with warnings.catch_warnings(record=True) as said, _Bounded(source) as stream:
            warnings.simplefilter("always")
            _refuse_bombs(stream)
            dataset = dcmread(stream, force=True)
            left = stream.seek(0, 2) - end if (end := stream.tell()) else 0
            nodes = _nodes(dataset, 0)
    except Unreadable as error:
        raise Unreadable(error.reason) from None
    except RecursionError:
        raise Unreadable("sequences nested too deep") from None
    except MemoryError:
        raise Unreadable("a length in the file is beyond this machine's memory") from None
    except Exception as error:  # noqa: BLE001  any parser error may carry a value of the file
        raise Unreadable(f"cannot be parsed ({type(error).__name__})") from None
    if any("end of file" in str(w.message).lower() or "EOF" in str(w.message) for w in said):
        raise Unreadable("the file is cut short")
    if left:
        raise Unreadable("the data set ends before the file does")
    return nodes, _syntax(dataset)


def _syntax(dataset: Dataset) -> Syntax:
    implicit, little = dataset.original_encoding
    uid = str(dataset.file_meta.get("TransferSyntaxUID", "") or "")
    if uid and not all(c in "0123456789." for c in uid):
        raise Unreadable("the transfer syntax is not a UID")
    if uid.startswith(STANDARD_ROOT) and not is_registered(uid):
        raise Unreadable("the transfer syntax is none of the standard's")
    if uid == _GE_PRIVATE_BIG_PIXELS or uid not in _PLAIN:
        uid = uid or _PLAIN_BY_SHAPE[(bool(implicit), bool(little))]
        return Syntax(uid, bool(implicit), bool(little))
    if uid == DeflatedExplicitVRLittleEndian:
        return Syntax(uid, implicit=False, little=True, deflated=True)
    # A file whose data set is encoded otherwise than its meta information says gets the name of what it is.
    return Syntax(_PLAIN_BY_SHAPE[(bool(implicit), bool(little))], bool(implicit), bool(little))


_PLAIN_BY_SHAPE = {
    (True, True): str(ImplicitVRLittleEndian),
    (False, True): str(ExplicitVRLittleEndian),
    (False, False): str(ExplicitVRBigEndian),
}
_PLAIN = {*_PLAIN_BY_SHAPE.values(), str(DeflatedExplicitVRLittleEndian)}


@lru_cache(maxsize=1 << 14)
def vr_of(tag: int) -> str:
    """The VR of an element that names none."""
    if not tag >> 16 & 1 and dictionary_has_tag(tag):
        vr: str = dictionary_VR(tag)
        return vr.rsplit(" or ", 1)[-1]
    return "LO" if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF else "UN"


def _nodes(dataset: Dataset, depth: int) -> list[Node]:
    if depth > DEEPEST:
        raise Unreadable("sequences nested too deep")
    return [_node(dataset, tag, depth) for tag in sorted(dataset.keys()) if tag >> 16 != 2 or depth]


def _encoded_again(element: DataElement, *, little: bool) -> bytes:
    """The value's bytes of what pydicom itself had to decode to go on (character set, pixel representation)."""
    buffer = DicomBytesIO()
    buffer.is_little_endian = little
    buffer.is_implicit_VR = True
    write_data_element(buffer, element)
    return buffer.getvalue()[8:]


def _node(dataset: Dataset, tag: int, depth: int) -> Node:
    raw: Any = dataset.get_item(tag)
    if isinstance(raw, RawDataElement):
        vr = raw.VR or vr_of(tag)
        if vr != "SQ":
            value = raw.value or b""
            undefined = raw.length == UNDEFINED
            if not undefined and len(value) != raw.length:
                raise Unreadable("the file is cut short")
            if undefined and (raw.is_implicit_VR or vr not in ("OB", "OW")):
                vr = "OB"  # PS3.5 A.4: encapsulated pixel data
            return Element(int(tag), vr, value, undefined)
    element = dataset[tag]
    if element.VR != "SQ":
        return Element(int(tag), str(element.VR), _encoded_again(element, little=dataset.original_encoding[1] is not False))
    value = element.value
    items = [
        Item(_nodes(item, depth + 1), bool(getattr(item, "is_undefined_length_sequence_item", False))) for item in value or ()
    ]
    return Sequence(int(tag), items, bool(element.is_undefined_length))
