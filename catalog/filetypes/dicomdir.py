"""The index of a disc (PS3.10 8.6, PS3.3 F): which files it names. Its other records hold identities and are not looked at."""

from collections.abc import Iterator
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset
from pydicom.multival import MultiValue

from catalog.filetypes import part10
from catalog.pure.errors import Unreadable

NAME = "dicomdir"
_MOST_PARTS = 8


def files_named_by(path: Path) -> list[str]:
    """Return the files that an index names, in its order: names below the folder it stands in, with `/` between their parts.

    Raises:
        Unreadable: it is broken, or no index.
        Unavailable: the disk does not give its bytes.
        FileNotFoundError: it is not there.
    """
    return part10.read(path, lambda dataset: list(_files(dataset)))


def _files(dataset: FileDataset) -> Iterator[str]:
    records = dataset.get("DirectoryRecordSequence")
    if records is None:
        raise Unreadable("the index of the disc holds no records")
    for record in records:
        if name := _name(record):
            yield name


def _name(record: Dataset) -> str:
    found = record.get("ReferencedFileID")
    parts = list(found) if isinstance(found, MultiValue) else [found]
    return "/".join(str(part) for part in parts[:_MOST_PARTS] if part)
