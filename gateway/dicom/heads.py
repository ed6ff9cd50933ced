"""The heads of stored DICOM files (PS3.10): where their data sets begin, how they are encoded, what their headers say."""

import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import cast

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from catalog.filetypes.part10 import quietly
from catalog.pure.errors import ArchimedError, Unreadable
from catalog.pure.nodes import Kind, NodeId
from catalog.retrieve import Instance
from catalog.view import OpenFile, View
from gateway.dicom import identifiers

_HEAD = 4096
_PIECE = 1 << 20
_ELEMENT = struct.Struct("<HH2sH")
_LONG_LENGTH = struct.Struct("<I")
_LONG_VRS = frozenset({b"OB", b"OW", b"OF", b"SQ", b"UT", b"UN", b"OD", b"OL", b"UC", b"UR"})
_UNCOMPRESSED_LITTLE = frozenset({str(ImplicitVRLittleEndian), str(ExplicitVRLittleEndian)})
_SYNTAX, _CLASS, _INSTANCE = 0x10, 0x02, 0x03


@dataclass(frozen=True, slots=True)
class Stored:
    """What the head of a stored file says; `offset`: where its data set begins."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    offset: int


def opened(view: View, instance: Instance, program: str) -> OpenFile:
    """Open a file of a search, counted for the audit.

    Raises:
        NotFound: it is not granted any more.
        Damaged, Unavailable: its bytes are not there, or not now.
    """
    return view.open(node_of(instance), program)


def node_of(instance: Instance) -> NodeId:
    """Return the node of a file of a search."""
    return NodeId(Kind.FILE, instance.row)


def stored(file: OpenFile) -> Stored:
    """Return what the head of an open file says.

    Raises:
        Unreadable: it is no DICOM file with file meta information.
        Damaged, Unavailable: its bytes are not there, or not now.
    """
    head = file.read_at(0, _HEAD)
    try:
        return _parsed(head)
    except (struct.error, KeyError, UnicodeDecodeError):
        raise Unreadable("a stored file has no DICOM file meta information") from None


def _parsed(head: bytes) -> Stored:
    found: dict[int, bytes] = {}
    at = 132
    while at + 8 <= len(head):
        group, element, vr, length = _ELEMENT.unpack_from(head, at)
        if group != 2:
            break
        at += _ELEMENT.size
        if vr in _LONG_VRS:
            (length,) = _LONG_LENGTH.unpack_from(head, at)
            at += _LONG_LENGTH.size
        found[element] = head[at : at + length]
        at += length
    texts = {element: found[element].rstrip(b"\0 ").decode("ascii") for element in (_CLASS, _INSTANCE, _SYNTAX)}
    return Stored(texts[_CLASS], texts[_INSTANCE], texts[_SYNTAX], at)


def pieces(file: OpenFile, head: Stored) -> Iterator[bytes]:
    """Yield an open file's data set as it is stored, counted for the audit."""
    offset, size = head.offset, file.node.size
    while offset < size:
        piece = file.read_at(offset, _PIECE)
        file.count(len(piece))
        yield piece
        offset += len(piece)


def can_be_sent(syntax: str, offered: str) -> bool:
    """Whether a file in one transfer syntax can be sent in another without a loss: as it is, or between the two plain ones."""
    return syntax == offered or {syntax, offered} <= _UNCOMPRESSED_LITTLE


def converted(file: OpenFile, head: Stored, syntax: str) -> Iterator[bytes]:
    """Yield an open file's data set in another uncompressed transfer syntax.

    Raises:
        Unreadable: it cannot be read, or not be written so.
    """
    try:
        with quietly():
            dataset = pydicom.dcmread(io.BytesIO(file.read_at(0, file.node.size)))
            data = identifiers.encoded(dataset, syntax)
    except ArchimedError:
        raise
    except Exception:  # noqa: BLE001 - pydicom lets out whatever the bytes provoke, and its text quotes them
        raise Unreadable("a stored file cannot be converted to the transfer syntax that was agreed on") from None
    file.count(len(data))
    yield data


class Reading(io.RawIOBase):
    """An open file as pydicom reads it: sequentially, in few pieces."""

    name = ""  # pydicom asks for it

    def __init__(self, file: OpenFile) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to another place."""
        self._at = offset + (self._at if whence == 1 else self._file.node.size if whence == 2 else 0)
        return self._at

    def tell(self) -> int:
        """Return where it is."""
        return self._at

    def readinto(self, buffer: object, /) -> int:
        """Read what fits."""
        room = memoryview(cast("bytearray", buffer)).cast("B")
        got = self._file.read_at(self._at, len(room))
        room[: len(got)] = got
        self._at += len(got)
        return len(got)


def header_of(view: View, instance: Instance, keywords: Sequence[str], program: str) -> Mapping[str, tuple[str, ...]] | None:
    """Return what a file says of some attributes, by keyword; None if it cannot be read (any more)."""
    tags = [tag for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None]
    try:
        with closing(opened(view, instance, program)) as file, quietly():
            dataset = pydicom.dcmread(io.BufferedReader(Reading(file), 65536), stop_before_pixels=True, specific_tags=tags)
            found: dict[str, tuple[str, ...]] = {keyword: () for keyword in keywords if keyword in _IN_EVERY_FILE}
            for element in dataset:
                if element.keyword:
                    found[element.keyword] = identifiers.texts(element.VR, element.value)
            return found
    except Exception:  # noqa: BLE001 - one file that cannot be read is no answer; its text could quote it
        return None


_IN_EVERY_FILE = frozenset({"InstanceNumber"})
