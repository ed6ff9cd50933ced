"""What vendors write in private elements and conversion reads stays; what names somebody in them goes."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from typing import TYPE_CHECKING

import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

import deid
from deid.rules import table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MARK = "Zqxmarkovic"
BLOCK = f"""set SLICEORDER "1"
set MBACCEL "4"
set NOSLC "48"
set DELACQ "Minimum"
set PSEQ "EPI"
set IOPT "EDR, EPI, MPh"
set PHASEDELAYS1 "0 1000 1000"
set PATIENTNAME "{MARK}"
set SEDESC "fmri {MARK}"
set COMMENT "{MARK}"
set SCANRANGE "S 12.5 I 30.25 {MARK}"
"""


def clean(ds: Dataset, saved: Callable[..., Path], syntax: str = ExplicitVRLittleEndian) -> tuple[Dataset, bytes]:
    path = saved(ds, syntax)
    seen = []
    for engine in ("fast", "safe"):
        out = io.BytesIO()
        deid.Cleaner(deid.load_profile(None), b"k" * 32, "A", "E001", engine=engine).clean(path, out)
        seen.append(out.getvalue())
    assert seen[0] == seen[1]
    return dcmread(io.BytesIO(seen[0])), seen[0]


@pytest.mark.parametrize(
    ("group", "creator", "element", "vr", "value"),
    [
        (0x0043, "GEMS_PARM_01", 0x2C, "SS", 512),
        (0x0043, "GEMS_PARM_01", 0x8A, "CS", "COL"),
        (0x0021, "GEMS_RELA_01", 0x5E, "DS", "12.5"),
        (0x0019, "GEMS_ACQU_01", 0x9C, "LO", "epiRT"),
        (0x2005, "Philips MR Imaging DD 001", 0x0E, "FL", 0.25),
        (0x2001, "Philips Imaging DD 001", 0x18, "SL", 48),
        (0x0065, "Image Private Header", 0x50, "DS", "36"),
        (0x0065, "Image Private Header", 0x37, "FD", [0.5, 0.25, 0.125]),
        (0x0019, "SIEMENS MR HEADER", 0x29, "FD", [0.0, 1257.5]),
        (0x0051, "SIEMENS MR HEADER", 0x0F, "LO", "HEA;HEP"),
        (0x0051, "SIEMENS MR HEADER", 0x0E, "SH", "Sag>Cor(-3.4)"),
    ],
)
def test_what_conversion_reads_stays(
    mr: Dataset, saved: Callable[..., Path], group: int, creator: str, element: int, vr: str, value: object
) -> None:
    mr.private_block(group, creator, create=True).add_new(element, vr, value)
    assert clean(mr, saved)[0].private_block(group, creator)[element].value == value


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_every_safe_text_is_searched(mr: Dataset, saved: Callable[..., Path], syntax: str) -> None:
    texts = [each for each in table.safe_private() if each.vr in ("LO", "SH", "CS") and each.using is None]
    assert len(texts) > 60
    for each in texts:
        value = MARK[:16] if each.vr != "CS" else MARK[:16].upper()
        mr.private_block(each.group, each.creator, create=True).add_new(each.element, "LO", value.title())
    assert MARK.lower().encode() not in clean(mr, saved, syntax)[1].lower()


def test_a_safe_number_that_is_text_goes(mr: Dataset, saved: Callable[..., Path]) -> None:
    for each in table.safe_private():
        if each.vr in ("FL", "FD", "SS", "SL", "IS", "DS", "US", "UL") and each.using is None:
            mr.private_block(each.group, each.creator, create=True).add_new(each.element, "UT", MARK)
    assert MARK.lower().encode() not in clean(mr, saved)[1].lower()


def test_a_frame_of_philips_keeps_its_scaling_and_not_its_names(mr: Dataset, saved: Callable[..., Path]) -> None:
    frame = Dataset()
    frame.PatientName = MARK
    frame.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 0.25)
    mr.private_block(0x2005, "Philips MR Imaging DD 005", create=True).add_new(0x0F, "SQ", Sequence([frame]))
    found, data = clean(mr, saved)
    inner = found.private_block(0x2005, "Philips MR Imaging DD 005")[0x0F].value[0]
    assert inner.private_block(0x2005, "Philips MR Imaging DD 001")[0x0E].value == 0.25
    assert MARK.encode() not in data


@pytest.mark.parametrize("head", [b"", b"\x10\x02\0\0"])
def test_ge_s_protocol_is_cleaned_line_by_line(mr: Dataset, saved: Callable[..., Path], head: bytes) -> None:
    packed = head + gzip.compress(BLOCK.encode())
    mr.private_block(0x0025, "GEMS_SERS_01", create=True).add_new(0x1B, "OB", packed + b"\0" * (len(packed) % 2))
    found, _ = clean(mr, saved)
    value = found.private_block(0x0025, "GEMS_SERS_01")[0x1B].value
    text = zlib.decompressobj(wbits=31).decompress(value[len(head) :]).decode()
    assert MARK not in text
    for line in BLOCK.splitlines()[:7]:
        assert line in text
    assert 'set PATIENTNAME ""' in text
    assert 'set SCANRANGE "S 12.5 I 30.25"' in text


@pytest.mark.parametrize(
    "value",
    [MARK.encode() + b"\0", b"\x1f\x8b\x08" + MARK.encode(), gzip.compress(MARK.encode() * 3, mtime=0) + b"\0"],
    ids=["text", "a beginning of gzip", "gzip"],
)
def test_a_block_that_is_none_goes(mr: Dataset, saved: Callable[..., Path], value: bytes) -> None:
    mr.private_block(0x0025, "GEMS_SERS_01", create=True).add_new(0x1B, "OB", value)
    assert 0x00251010 not in clean(mr, saved)[0]


def test_a_block_that_never_ends_goes(mr: Dataset, saved: Callable[..., Path]) -> None:
    value = gzip.compress(b'set A "1"\n' * 1_000_000)
    mr.private_block(0x0025, "GEMS_SERS_01", create=True).add_new(0x1B, "OB", value + b"\0" * (len(value) % 2))
    assert 0x00251010 not in clean(mr, saved)[0]


def user_data(version: float) -> bytes:
    """(0043,xx2A) as a scanner lays it out: a header at an offset, its version, flags; and what lay in memory."""
    data = bytearray((MARK.encode() + b" ") * 120)
    data[24:26] = (64).to_bytes(2, "little")
    struct.pack_into("<f", data, 64, version)
    later = version >= 25.002
    for at, value in ((0x3A, 0x800), (0x30, 4), (0x394 - (0x8C if later else 0), 2)):
        struct.pack_into("<H", data, 64 + (0x4C if later else 0) + at, value)
    return bytes(data)


@pytest.mark.parametrize("version", [14.0, 26.0])
def test_of_ge_s_user_data_the_flags_alone_stay(mr: Dataset, saved: Callable[..., Path], version: float) -> None:
    before = user_data(version)
    mr.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2A, "OB", before)
    found, data = clean(mr, saved)
    after = found.private_block(0x0043, "GEMS_PARM_01")[0x2A].value
    assert MARK[:4].encode() not in data
    assert len(after) == len(before)
    assert sum(byte != 0 for byte in after) <= 12
    base = 64 + (0x4C if version > 25 else 0)
    for at in (24, 64, base + 0x3A, base + 0x30, base + 0x394 - (0x8C if version > 25 else 0)):
        assert after[at : at + 2] == before[at : at + 2]


def test_a_phantom_called_like_a_maker_does_not_unmake_it(mr: Dataset, saved: Callable[..., Path]) -> None:
    mr.PatientName, mr.Manufacturer, mr.SeriesDescription = "Phantom^GE", "GE MEDICAL SYSTEMS", "ge brain"
    found, _ = clean(mr, saved)
    assert (found.Manufacturer, found.SeriesDescription) == ("GE MEDICAL SYSTEMS", "brain")
