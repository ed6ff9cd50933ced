"""Reading a Part-10 file without trusting it (PS3.10 7). Not: what is looked for in it.

No length is believed beyond the file's end, no pixel is decoded, memory is bounded, and every fault becomes `Unreadable` with a
reason that holds no value of the file.
"""

import contextlib
import io
import logging
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import pydicom
from pydicom import config
from pydicom.dataset import FileDataset
from pydicom.filereader import read_dataset

from catalog.durable import as_archimed_error
from catalog.pure.errors import Unreadable

# pydicom's warnings quote values.
logging.getLogger("pydicom").addHandler(logging.NullHandler())
logging.getLogger("pydicom").propagate = False

_PREFIX_END = 132
_PREFIX = slice(128, _PREFIX_END)
_HEADER_BYTES = 8
_ITEM_TAGS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
_SEARCH_BYTES = 8192  # pydicom's step when it looks for the end of a value of undefined length
_DEFER_BYTES = 1024
_LARGEST_INFLATED = 1 << 30
# What a header may cost in memory, and what pydicom's objects cost beside the bytes: an item of a sequence, an element.
_LARGEST_HEADER = 1 << 30
_COST_OF_ITEM = 2048
_COST_OF_ELEMENT = 384
_INFLATE_STEP = 1 << 20

_Found = TypeVar("_Found")


class NotDicom(Unreadable):
    """The file is of another kind."""


def read(path: Path, use: Callable[[FileDataset], _Found]) -> _Found:
    """Return what `use` finds in a file's header, when the file is whole. Long values are read when they are asked for.

    Raises:
        NotDicom: it is of another kind.
        Unreadable: it is not a whole DICOM file, or `use` failed at it.
        Unavailable: the disk does not give its bytes.
        FileNotFoundError: it is not there.
    """
    size = path.stat().st_size
    if size == 0:
        raise Unreadable("the file is empty (0 bytes)")
    # Not mapped into memory: a bad block would then be a signal that kills the process, not an error.
    with path.open("rb") as file, quietly():
        reader = _BoundedReader(file, size)
        try:
            with _explained(reader):
                if file.read(_PREFIX_END)[_PREFIX] != b"DICM":
                    raise NotDicom("not a DICOM file: it has no DICM prefix at byte 128")
                reader.seek(0)
                return _used(pydicom.dcmread(reader, defer_size=_DEFER_BYTES), reader, use)
        except _DeflatedError:
            return _used_deflated(file, reader.tell(), use)


def _used_deflated(file: BinaryIO, start: int, use: Callable[[FileDataset], _Found]) -> _Found:
    before = _BoundedReader(file, start)
    with _explained(before):
        meta = pydicom.dcmread(before).file_meta
        inflated = _inflated(file, start)
    reader = _BoundedReader(inflated, inflated.getbuffer().nbytes)
    with _explained(reader):
        dataset = read_dataset(cast("BinaryIO", reader), is_implicit_VR=False, is_little_endian=True, defer_size=_DEFER_BYTES)
        return _used(FileDataset(reader, dataset, file_meta=meta, is_implicit_VR=False), reader, use)


def _used(dataset: FileDataset, reader: "_BoundedReader", use: Callable[[FileDataset], _Found]) -> _Found:
    if "TransferSyntaxUID" not in dataset.file_meta:
        raise Unreadable("the file meta information is missing: the transfer syntax is not known")
    if reader.ran_out:
        raise Unreadable(f"the file is truncated: it ends at byte {reader.size}, inside an element")
    return use(dataset)


@contextlib.contextmanager
def _explained(reader: "_BoundedReader") -> Iterator[None]:
    """Turn whatever pydicom makes of a broken data set into a reason."""
    try:
        yield
    except (Unreadable, _DeflatedError):
        raise
    except Exception as error:  # noqa: BLE001 - what pydicom raises at damage has no common base, and new damage finds new ones
        # pydicom turns all that happens at the head of an item into an OSError.
        first = error.__context__ if isinstance(error.__context__, RecursionError | Unreadable | OSError) else error
        if isinstance(first, OSError) and first.errno is not None:
            raise as_archimed_error(first, "a staged file cannot be read") from None
        raise Unreadable(_reason(first, reader)) from None


def _reason(error: BaseException, reader: "_BoundedReader") -> str:
    if isinstance(error, Unreadable):
        return str(error)
    if isinstance(error, RecursionError):
        return "sequences are nested too deeply to be genuine"
    where = "truncated" if reader.ran_out else "broken"
    return f"the data set is {where} near byte {reader.tell()} of {reader.size}"


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Read what pydicom would complain of: odd values are the reviewer's business, and its warnings quote them."""
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


class _DeflatedError(Exception):
    """The data set is deflated from here on."""


def _inflated(file: BinaryIO, start: int) -> io.BytesIO:
    """Return the data set that is deflated from `start` on (PS3.5 A.5), never more than is reasonable."""
    file.seek(start)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = io.BytesIO()
    try:
        while rest := file.read(_INFLATE_STEP):
            while rest and not inflater.eof:
                inflated.write(inflater.decompress(rest, _INFLATE_STEP))
                rest = inflater.unconsumed_tail
                if inflated.tell() > _LARGEST_INFLATED:
                    raise Unreadable("the deflated data set is larger than 1 GiB when inflated")
        inflated.write(inflater.flush())
    except zlib.error:
        raise Unreadable("the deflated data set is broken") from None
    if not inflater.eof:
        raise Unreadable("the deflated data set is truncated")
    return inflated


class _BoundedReader:
    """The first `size` bytes of a file, for pydicom: never gives more than there is and remembers being asked to.

    What pydicom keeps of a header it asks for here, so here is where a header that would fill the memory ends.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._file.seek(0)
        self.size = size
        self._at = 0
        self._cost = 0
        self.ran_out = False

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0, self._at, self.size)[whence])
        self._file.seek(self._at)
        self.ran_out = self.ran_out or self._at > self.size
        return self._at

    def read(self, count: int = -1) -> bytes:
        if count < 0:
            # pydicom asks for all that is left when the data set is deflated, and only then.
            raise _DeflatedError
        here = max(0, min(count, self.size - self._at))
        if count != _SEARCH_BYTES:
            self._charge(here)
        found = self._file.read(here)
        if count == _HEADER_BYTES:
            self._charge(_COST_OF_ITEM if found[:4] in _ITEM_TAGS else _COST_OF_ELEMENT)
        # A data set ends where the next element's header would begin; the search for an end reads ahead in steps.
        ends_here = not found and count == _HEADER_BYTES
        looks_ahead = found and count == _SEARCH_BYTES
        if len(found) < count and not ends_here and not looks_ahead:
            self.ran_out = True
        self._at += len(found)
        return found

    def _charge(self, cost: int) -> None:
        self._cost += cost
        if self._cost > _LARGEST_HEADER:
            raise Unreadable("the header alone would take more than 1 GiB of memory")
