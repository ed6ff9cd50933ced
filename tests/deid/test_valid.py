"""What is published is valid where the original was: reports are read by DCMTK, and what an IOD requires has a value.

The requirements are the module tables of PS3.3 as highdicom ships them. Of dicom-validator, which reads the standard's DocBook
from the network when it runs, nothing is used.
"""

from __future__ import annotations

import io
import subprocess
import warnings
from typing import TYPE_CHECKING

import pytest
from highdicom import _standard_utils as standard
from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword

import deid
from tests.deid.corpus import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LARGEST = 600_000


def one_of_each_class() -> list[Path]:
    """A file of each SOP class that the corpus has, as small as may be; all reports."""
    found: dict[str, Path] = {}
    for path in sorted((path for path in files() if path.stat().st_size < _LARGEST), key=lambda path: path.stat().st_size):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                head = dcmread(path, specific_tags=["SOPClassUID", "Modality"])
        except Exception:  # noqa: BLE001  damaged on purpose
            continue
        name = str(head.get("SOPClassUID", ""))
        found.setdefault(f"{name} {path.name}" if head.get("Modality") == "SR" else name, path)
    found.pop("", None)
    return list(found.values())


def cleaned(path: Path) -> bytes | None:
    out = io.BytesIO()
    cleaner = deid.Cleaner(deid.load_profile(None), b"k" * 32, "A", "E001", pixels_approved=True)
    try:
        cleaner.clean(path, out)
    except deid.DeidError:
        return None
    return out.getvalue()


def at(ds: Dataset, path: list[str]) -> Iterator[Dataset]:
    """The data sets that lie at a path of sequences."""
    if not path:
        yield ds
        return
    for item in ds.get(path[0]) or []:
        yield from at(item, path[1:])


def emptied(before: Dataset, after: Dataset) -> Iterator[str]:
    """Attributes of type 1 or 1C that had a value and have none."""
    iod = standard.get_sop_class_iod_map().get(before.SOPClassUID)
    modules = standard.get_iod_module_map().get(iod, []) if iod else []
    tables = standard.get_module_attribute_map()
    for module in modules:
        for each in tables.get(module["key"], []):
            keyword = each["keyword"]
            if each["type"] not in ("1", "1C") or tag_for_keyword(keyword) is None:
                continue
            for old, new in zip(at(before, each["path"]), at(after, each["path"]), strict=False):
                if keyword in old and old[keyword].value not in (None, "", []) and keyword in new:
                    value = new[keyword].value
                    if value is None or (isinstance(value, str | list) and not value):
                        yield "/".join([*each["path"], keyword])


@pytest.mark.parametrize("path", one_of_each_class(), ids=lambda path: path.name)
def test_what_is_required_has_a_value(path: Path) -> None:
    clean = cleaned(path)
    if clean is None:
        pytest.skip("held or damaged")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, after = dcmread(path), dcmread(io.BytesIO(clean))
        assert sorted(set(emptied(before, after))) == []


@pytest.mark.parametrize(
    "path", [path for path in one_of_each_class() if b"\0SR " in path.read_bytes() or b"SR" in path.read_bytes()[:2000]],
    ids=lambda path: path.name,
)  # fmt: skip
def test_dcmtk_reads_every_report_as_before(path: Path, tmp_path: Path) -> None:
    if subprocess.run(["dsrdump", "-q", path], capture_output=True).returncode:
        pytest.skip("no report, or not readable before")
    clean = cleaned(path)
    assert clean is not None
    (tmp_path / "clean.dcm").write_bytes(clean)
    said = subprocess.run(["dsrdump", tmp_path / "clean.dcm"], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
