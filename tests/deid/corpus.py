"""The DICOM files pydicom, pydicom-data and nibabel ship, as far as they lie on this machine. Nothing is ever downloaded."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import nibabel
import pydicom

_OTHER = {".py", ".pyc", ".json", ".txt", ".zip", ".md", ".h5", ".xml", ".sh", ".icc", ".gz", ".dump", ".npy"}
_NIBABEL = Path(nibabel.__file__).parent


def files() -> list[Path]:
    """Those that lie there as they are."""
    roots = [Path(pydicom.__file__).parent / "data"]
    found = importlib.util.find_spec("data_store")
    if found is not None and found.submodule_search_locations:
        roots.append(Path(next(iter(found.submodule_search_locations))))
    every = (path for root in roots for path in sorted(root.rglob("*")))
    shipped = [p for p in every if p.is_file() and p.suffix not in _OTHER and not p.name.startswith("README")]
    return shipped + sorted(_NIBABEL.rglob("*.dcm"))


def packed() -> list[Path]:
    """Those that are gzipped: scanners' files of many megabytes, with CSA headers and Philips' private sequences."""
    return sorted(_NIBABEL.rglob("*.dcm.gz"))


def unpacked(path: Path, folder: Path) -> Path:
    """A file of either kind as the file it is."""
    if path.suffix != ".gz":
        return path
    plain = folder / path.stem
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    return plain
