"""What a user sees of one cleaned file."""

from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING

import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

import deid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_exam_code_is_the_only_identity(
    mr: Dataset, cleaned: Callable[..., tuple[bytes, deid.Report]], syntax: str
) -> None:
    data, report = cleaned(mr, syntax)
    ds = dcmread(io.BytesIO(data))
    assert (ds.PatientName, ds.PatientID, ds.PatientBirthDate) == ("E001", "E001", "")
    assert ds.SeriesDescription == "t1_mprage_sag"
    assert ds.file_meta.TransferSyntaxUID == syntax
    assert ds.PixelData == mr.PixelData
    assert report.headers["SeriesDescription"] == "t1_mprage_sag"
    assert report.headers["SeriesNumber"] == 3
    assert report.headers["EchoTime"] == pytest.approx(2.98)
    text = (str(ds) + repr(report) + str(report.actions)).lower().encode() + data.lower()
    for value in (b"quandermann", b"eulalie", b"778812", b"19571204", b"watsonius", b"20080312", b"35162"):
        assert value not in text


def test_required_attributes_add_to_earlier_ones(mr: Dataset, cleaned: Callable[..., tuple[bytes, deid.Report]]) -> None:
    earlier = Dataset()
    earlier.CodeValue, earlier.CodingSchemeDesignator, earlier.CodeMeaning = "113101", "DCM", "Clean Pixel Data Option"
    mr.DeidentificationMethodCodeSequence = Sequence([earlier])
    mr.DeidentificationMethod = "basic profile"
    ds = dcmread(io.BytesIO(cleaned(mr)[0]))
    assert ds.PatientIdentityRemoved == "YES"
    assert ds.LongitudinalTemporalInformationModified == "MODIFIED"
    assert ds.DeidentificationMethod[0] == "basic profile"
    values = [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]
    assert values[0] == "113101"
    assert {"113100", "113104", "113105", "113107", "113108", "113111"} <= set(values)


def test_the_same_input_gives_the_same_bytes(mr: Dataset, cleaned: Callable[..., tuple[bytes, deid.Report]]) -> None:
    assert cleaned(mr)[0] == cleaned(mr)[0]


def test_visits_keep_their_interval_and_studies_cannot_be_linked(mr: Dataset, saved: Callable[..., Path]) -> None:
    def day(date: str, study: str) -> str:
        mr.StudyDate = date
        out = io.BytesIO()
        profile = deid.load_profile(None)
        report = deid.Cleaner(profile, b"k" * 32, study, "E001").clean(saved(mr), out)
        return str(report.headers["StudyDate"])

    first, second = (dt.date.fromisoformat(day(d, "A")) for d in ("20080228", "20080301"))
    assert (second - first).days == 2
    assert day("20080228", "A") != day("20080228", "B") != "20080228"


def test_a_leak_holds_the_file_and_tells_where_not_what(mr: Dataset, saved: Callable[..., Path]) -> None:
    class Kept(deid.Cleaner):
        pass

    mr.add_new(0x00080018, "UI", mr.SOPInstanceUID)
    mr.WindowCenterWidthExplanation = "NORMAL"
    mr.BodyPartExamined = "BRAIN"
    mr.add_new(0x00281201, "OW", b"..Quandermann...")
    out = io.BytesIO()
    with pytest.raises(deid.Held) as caught:
        Kept(deid.load_profile(None), b"k" * 32, "A", "E001").clean(saved(mr), out)
    assert caught.value.tag_path == "(0028,1201)"
    assert "quandermann" not in str(caught.value).lower()
    assert out.getvalue() == b""


@pytest.mark.parametrize("data", [b"", b"\0" * 200, b"hello world, this is a text" * 10, bytes(128) + b"DICM"])
def test_what_is_no_dicom_is_unreadable(cleaner: deid.Cleaner, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "Quandermann.dcm").write_bytes(data)
    with pytest.raises(deid.Unreadable) as caught:
        cleaner.clean(tmp_path / "Quandermann.dcm", io.BytesIO())
    assert "Quandermann" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_suspicious_pixels_wait_for_a_human(mr: Dataset, saved: Callable[..., Path]) -> None:
    mr.BurnedInAnnotation = "YES"
    path = saved(mr)
    profile = deid.load_profile(None)
    with pytest.raises(deid.Held):
        deid.Cleaner(profile, b"k" * 32, "A", "E001").clean(path, io.BytesIO())
    assert deid.Cleaner(profile, b"k" * 32, "A", "E001", pixels_approved=True).clean(path, io.BytesIO())
