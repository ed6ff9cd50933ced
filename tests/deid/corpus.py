"""The files pydicom and pydicom-data ship, as far as they lie on this machine. Nothing is ever downloaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pydicom

_OTHER = {".py", ".pyc", ".json", ".txt", ".zip", ".md", ".h5", ".xml", ".sh", ".icc", ".gz", ".dump", ".npy"}


def files() -> list[Path]:
    roots = [Path(pydicom.__file__).parent / "data"]
    found = importlib.util.find_spec("data_store")
    if found is not None and found.submodule_search_locations:
        roots.append(Path(next(iter(found.submodule_search_locations))))
    every = (path for root in roots for path in sorted(root.rglob("*")))
    return [p for p in every if p.is_file() and p.suffix not in _OTHER and not p.name.startswith("README")]
