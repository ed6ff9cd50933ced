"""Headers of archived instances as DICOM JSON, read once and kept, compressed, as long as memory allows.

A file's bytes never change, so what was made of it stays right for as long as the file is there; whether somebody may see it is
asked before, each time. See docs/adr/0025-headers-kept-in-memory.md.
"""

import io
import json
import threading
import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pydicom
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from catalog.filetypes.part10 import quietly
from catalog.pure.errors import ArchimedError, Unreadable
from catalog.retrieve import Instance
from catalog.view import OpenFile, View
from gateway.dicom import heads
from gateway.dicomweb import model

MOST_BYTES = 256 << 20
"""Memory for compressed headers in one process: those of some 200,000 images."""

SHORT = ("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "Rows", "Columns", "BitsAllocated", "NumberOfFrames")
"""What every search of instances answers with (PS3.18 table 10.6.3-5): kept as values."""

_OVERHEAD = 1200
_UNDEFINED = 0xFFFFFFFF
_PIXEL_TAGS = {
    tag: keyword for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if (tag := tag_for_keyword(keyword))
}
_LEVEL = 1


class Headers:
    """Headers by the rows of their files. One a process, shared by its threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._size = 0
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._turn = threading.Lock()

    def text(self, view: View, instance: Instance, program: str) -> str:
        """Return the JSON of a file's data set without pixels; bulk data are named below `model.BASE`.

        Raises:
            NotFound: it is not granted any more.
            Unreadable, Damaged, Unavailable: it cannot be read.
        """
        return zlib.decompress(self._of(view, instance, program).packed).decode()

    def values(self, view: View, instance: Instance, program: str) -> Mapping[str, Any]:
        """Return a file's data set without pixels, by tag; see `text`."""
        found: dict[str, Any] = json.loads(self.text(view, instance, program))
        return found

    def short(self, view: View, instance: Instance, program: str) -> Mapping[str, tuple[str, ...]]:
        """Return what a file says of the attributes in `SHORT`, as text; see `text`."""
        return self._of(view, instance, program).short

    def _of(self, view: View, instance: Instance, program: str) -> "_Kept":
        with self._turn:
            found = self._kept.get(instance.row)
            if found is not None:
                self._kept.move_to_end(instance.row)
                return found
        text = _read(view, instance, program)
        found = _Kept(zlib.compress(text.encode(), _LEVEL), texts(json.loads(text), SHORT))
        with self._turn:
            if instance.row not in self._kept:
                self._kept[instance.row] = found
                self._size += len(found.packed) + _OVERHEAD
                while self._size > self._most:
                    _, old = self._kept.popitem(last=False)
                    self._size -= len(old.packed) + _OVERHEAD
        return found


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a file: its JSON, compressed, and what most searches want of it."""

    packed: bytes
    short: Mapping[str, tuple[str, ...]]


def _read(view: View, instance: Instance, program: str) -> str:
    with closing(heads.opened(view, instance, program)) as file:
        head = heads.stored(file)
        header = read_header(file)
        try:
            with quietly():
                header.dataset.AvailableTransferSyntaxUID = head.transfer_syntax
                return model.whole(header.dataset, has_pixels=header.pixels)
        except ArchimedError:
            raise
        except Exception:  # noqa: BLE001 - pydicom lets out whatever the bytes provoke, and its text quotes them
            raise Unreadable("the header of a stored file cannot be read") from None


@dataclass(frozen=True, slots=True)
class Header:
    """A data set without its pixels; of these the keyword of their element ("" for none), and where its value lies.

    `length` is None where the element does not say it: then the pixels are encapsulated (PS3.5 A.4).
    """

    dataset: Dataset
    pixels: str
    offset: int
    length: int | None


def read_header(file: OpenFile) -> Header:
    """Return the header of an open file.

    Raises:
        Unreadable: it cannot be read.
        Damaged, Unavailable: its bytes are not there, or not now.
    """
    pixels, length, long = "", 0, False

    def stop(tag: Any, vr: str | None, size: int) -> bool:
        nonlocal pixels, length, long
        pixels, length, long = _PIXEL_TAGS.get(int(tag), ""), size, vr is not None
        return bool(pixels)

    try:
        with quietly():
            source = io.BufferedReader(heads.Reading(file), 65536)
            dataset = pydicom.filereader.read_partial(source, stop_when=stop)
            # It stands before the element: a tag, perhaps a VR, and a length of four bytes.
            offset = source.tell() + (12 if long else 8)
            return Header(dataset, pixels, offset, length if length != _UNDEFINED else None)
    except ArchimedError:
        raise
    except Exception:  # noqa: BLE001 - pydicom lets out whatever the bytes provoke, and its text quotes them
        raise Unreadable("the header of a stored file cannot be read") from None


def texts(values: Mapping[str, Any], keywords: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return attributes of a header as text, by keyword, as searching compares them; those that it lacks are not among them."""
    found: dict[str, tuple[str, ...]] = {}
    for keyword in keywords:
        element = values.get(model.tag_of(keyword))
        if element is not None and element["vr"] != "SQ":
            parts = (each.get("Alphabetic", "") if isinstance(each, dict) else each for each in element.get("Value", ()))
            found[keyword] = tuple(text for part in parts if part is not None and (text := str(part)))
    return found
