"""The two engines against each other, on every file pydicom, pydicom-data and nibabel ship; see also `test_derived`."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

import deid
from tests.deid.corpus import files, packed, unpacked

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


@pytest.mark.parametrize("path", FILES + packed(), ids=lambda p: p.name)
def test_engines_agree_and_pixels_stay(path: Path, tmp_path: Path) -> None:
    path = unpacked(path, tmp_path)
    fast, safe = clean(path, "fast"), clean(path, "safe")
    if isinstance(fast, str) or isinstance(safe, str):
        assert fast == safe
        return
    assert fast[0] == safe[0]
    assert fast[1].headers == safe[1].headers
    assert sorted(fast[1].actions) == sorted(safe[1].actions)
    if not any(action.path == "(7FE0,0010)" for action in fast[1].actions):  # masked ones: tests/deid/pixels
        assert pixels(io.BytesIO(fast[0])) == pixels(path)
    else:
        assert {rule.partition(":")[0] for at, _, rule, _ in fast[1].actions if at == "(7FE0,0010)"} <= {"mask", "no picture"}
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


@pytest.mark.parametrize(
    ("plain", "wound"),
    [
        (b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\x0d\xe0Zqxm"),
        (b"\xfe\xff\xdd\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0Zqxm"),
        (b"\x08\0\x40\x11SQ\0\0", b"\x08\0\x40\x11SQZq"),
        (b"\x28\0\x01\x12OW\0\0", b"\x28\0\x01\x12OWZq"),
    ],
)
def test_fields_that_nobody_reads_are_made_anew(mr: Dataset, saved: Callable[..., Path], plain: bytes, wound: bytes) -> None:
    """Lengths of delimiters and reserved bytes: readers skip what stands there, so it must not be copied."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", "1.2.3.4.5"
    item.is_undefined_length_sequence_item = True
    mr.ReferencedImageSequence = [item]
    mr["ReferencedImageSequence"].is_undefined_length = True
    mr.RedPaletteColorLookupTableData = bytes(8)
    path = saved(mr)
    whole = clean(path, "fast")
    data = path.read_bytes()
    assert data.count(plain) == 1
    path.write_bytes(data.replace(plain, wound))
    fast = clean(path, "fast")
    assert not isinstance(whole, str)
    assert not isinstance(fast, str)
    assert fast[0] == whole[0]
    assert b"Zq" not in fast[0]


def test_a_damaged_length_of_the_pixels_is_no_tail(mr: Dataset, saved: Callable[..., Path]) -> None:
    path = saved(mr)
    data = path.read_bytes()
    assert data[-36:-32] == (32).to_bytes(4, "little")
    path.write_bytes(data[:-36] + (8).to_bytes(4, "little") + data[-32:])
    assert clean(path, "fast") == clean(path, "safe") == "unreadable: the file is cut short"


def test_a_tail_is_in_the_report(mr: Dataset, saved: Callable[..., Path]) -> None:
    path = saved(mr)
    with path.open("ab") as stream:
        stream.write(b"more")
    cut = clean(path, "fast")
    assert not isinstance(cut, str)
    assert ("tail", "X", "bytes after the data set", "") in cut[1].actions


def test_a_header_that_only_mentions_deflation_is_read(mr: Dataset, saved: Callable[..., Path]) -> None:
    mr.AvailableTransferSyntaxUID = DeflatedExplicitVRLittleEndian
    mr.ImageComments = DeflatedExplicitVRLittleEndian + "\0"
    assert not isinstance(clean(saved(mr), "safe"), str)


def test_endless_zeros_are_given_up_soon(mr: Dataset, saved: Callable[..., Path]) -> None:
    """Pixels read as attributes, after a damaged length: half a million empty ones at the least."""
    mr.PixelData = bytes(1 << 22)
    mr.Rows = mr.Columns = 1448
    path = saved(mr, ExplicitVRBigEndian)
    data = path.read_bytes()
    at = data.index((1 << 22).to_bytes(4, "big"))
    path.write_bytes(data[:at] + bytes(4) + data[at + 4 :])
    assert clean(path, "fast") == "unreadable: what should be attributes is noise"


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
