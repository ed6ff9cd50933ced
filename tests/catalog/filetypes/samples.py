"""Real DICOM files: all that pydicom and pydicom-data bring along."""

from pathlib import Path

import data_store
import pydicom

_FOLDERS = (Path(pydicom.__file__).parent / "data", Path(data_store.__file__).parent / "data")


def _is_part10(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _all() -> dict[str, Path]:
    files = (path for folder in _FOLDERS for path in sorted(folder.rglob("*")) if path.is_file())
    return {f"{path.parent.name}/{path.name}": path for path in files if _is_part10(path)}


FILES = _all()
SMALL = {name: path for name, path in FILES.items() if path.stat().st_size < 100_000}
