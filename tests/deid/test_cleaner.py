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


def test_a_public_code_says_what_the_scheme_says(mr: Dataset, cleaned: Callable[..., tuple[bytes, deid.Report]]) -> None:
    public, local = Dataset(), Dataset()
    public.CodeValue, public.CodingSchemeDesignator, public.CodeMeaning = "121071", "DCM", "Finding of Dr Quandermann"
    local.CodeValue, local.CodingSchemeDesignator, local.CodeMeaning = "Q17", "99QUAND", "brain of Quandermann"
    mr.ProcedureCodeSequence = Sequence([public])
    mr.AnatomicRegionSequence = Sequence([local])
    ds = dcmread(io.BytesIO(cleaned(mr)[0]))
    assert ds.ProcedureCodeSequence[0].CodeMeaning == "Finding"
    assert ds.AnatomicRegionSequence[0].CodeMeaning == "brain of"


@pytest.mark.parametrize(("age", "kept"), [("089Y", "089Y"), ("090Y", "090Y"), ("103Y", "090Y"), ("011M", "011M")])
def test_ages_are_capped(mr: Dataset, cleaned: Callable[..., tuple[bytes, deid.Report]], age: str, kept: str) -> None:
    mr.add_new(0x00101010, "AS", age)
    assert dcmread(io.BytesIO(cleaned(mr)[0])).PatientAge == kept


@pytest.mark.parametrize(
    ("study", "exam"), [("A", "E\\001"), ("A", ""), ("A/B", "E1"), ("A", "é"), ("A", "_E1"), ("A", "x" * 65)]
)
def test_codes_that_are_none_are_refused(study: str, exam: str) -> None:
    with pytest.raises(ValueError, match="code"):
        deid.Cleaner(deid.load_profile(None), b"k" * 32, study, exam)


def test_the_report_counts_and_hashes_but_tells_no_value(
    mr: Dataset, cleaned: Callable[..., tuple[bytes, deid.Report]]
) -> None:
    report = cleaned(mr)[1]
    assert report.summary()["map UID"] >= 4
    assert report.summary()["exam code"] == 2
    birth = next(action for action in report.actions if action.path == "(0010,0030)")
    assert (birth.action, birth.rule, len(birth.old)) == ("Z", "birth date", 16)
    assert cleaned(mr)[1] == report
