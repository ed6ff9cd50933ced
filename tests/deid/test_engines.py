"""The two engines against each other, on every file pydicom and pydicom-data ship."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

import deid
from tests.deid.corpus import files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = b"k" * 32
FILES = files()


def clean(path: Path, engine: str) -> tuple[bytes, deid.Report] | str:
    out = io.BytesIO()
    cleaner = deid.Cleaner(deid.load_profile(None), KEY, "A", "E001", pixels_approved=True, engine=engine)
    try:
        report = cleaner.clean(path, out)
    except deid.DeidError as error:
        assert out.getvalue() == b""
        return str(error)
    return out.getvalue(), report


def pixels(source: Path | io.BytesIO) -> dict[int, bytes]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = dcmread(source, force=True)
        return {tag: bytes(ds.get_item(tag).value or b"") for tag in (0x7FE00008, 0x7FE00009, 0x7FE00010) if tag in ds}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_engines_agree_and_pixels_stay(path: Path) -> None:
    fast, safe = clean(path, "fast"), clean(path, "safe")
    if isinstance(fast, str) or isinstance(safe, str):
        assert fast == safe
        return
    assert fast[0] == safe[0]
    assert fast[1].headers == safe[1].headers
    assert sorted(fast[1].actions) == sorted(safe[1].actions)
    if not any(action.path == "(7FE0,0010)" for action in fast[1].actions):  # masked ones: tests/deid/pixels
        assert pixels(io.BytesIO(fast[0])) == pixels(path)
    assert clean(path, "fast") == fast


def test_most_of_the_corpus_is_managed_and_most_of_it_fast() -> None:
    done = [result for path in FILES if not isinstance(result := clean(path, "fast"), str)]
    assert len(done) >= 210
    assert sum(report.engine == "fast" for _, report in done) >= 140


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_bytes_after_the_pixel_data_are_cut(mr: Dataset, saved: Callable[..., Path], syntax: str) -> None:
    path = saved(mr, syntax)
    whole = clean(path, "fast")
    with path.open("ab") as stream:
        stream.write(b"Quandermann^Eulalie was here, 19571204")
    cut = clean(path, "fast")
    assert not isinstance(cut, str)
    assert cut[0] == whole[0]


def test_pixel_data_is_not_read_into_memory(mr: Dataset, saved: Callable[..., Path]) -> None:
    import tracemalloc

    mr.Rows = mr.Columns = 4096
    mr.PixelData = bytes(4096 * 4096 * 2)
    path = saved(mr)
    with path.with_suffix(".out").open("wb") as out:
        cleaner = deid.Cleaner(deid.load_profile(None), KEY, "A", "E001")
        tracemalloc.start()
        cleaner.clean(path, out)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert path.with_suffix(".out").stat().st_size > 4096 * 4096 * 2
    assert peak < 4_000_000


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm", "rtplan_truncated.dcm"])
def test_what_is_cut_short_is_refused_and_said_so(name: str) -> None:
    path = next(path for path in FILES if path.name == name)
    assert clean(path, "fast") == "unreadable: the file is cut short"
