"""What published data are for works afterwards: times, units, kernels, codes, contrast agents, names of structures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, Sequence, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag

import deid
from deid.rules import structures, vocabulary
from deid.rules.codes import MEANING, SCHEME, VALUE, replacements

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = ["Lung_L", "Lung_R", "PTV_56", "PTV_70", "Parotid_R", "SpinalCord", "GTVp", "BODY", "BrachialPlex_L", "PTV56", "Lens_R"]


def clean(path: Path, profile: str | None = None) -> Dataset:
    seen = []
    for engine in ("fast", "safe"):
        out = io.BytesIO()
        deid.Cleaner(deid.load_profile(profile), b"k" * 32, "A", "E001", engine=engine).clean(path, out)
        seen.append(out.getvalue())
    assert seen[0] == seen[1]
    return dcmread(io.BytesIO(seen[0]))


def raw(ds: Dataset, tag: int, vr: str, value: str) -> None:
    """A value pydicom would refuse to write."""
    data = value.encode() + b" " * (len(value) % 2)
    ds._dict[BaseTag(tag)] = RawDataElement(BaseTag(tag), vr, len(data), data, 0, False, True)


def test_a_pet_keeps_what_the_uptake_value_needs(mr: Dataset, saved: Callable[..., Path]) -> None:
    tracer = Dataset()
    tracer.Radiopharmaceutical = "Fluorodeoxyglucose F^18^"
    raw(tracer, 0x00181072, "TM", "93000")
    raw(tracer, 0x00181078, "DT", "20080312093000.0000000")
    tracer.RadionuclideTotalDose = "370000000"
    mr.RadiopharmaceuticalInformationSequence = Sequence([tracer])
    mr.Units, mr.DecayCorrection, mr.CorrectedImage = "BQML", "START", ["DECY", "ATTN"]
    mr.AttenuationCorrectionMethod = "measured,, 0.096000 cm-1"
    mr.ReconstructionMethod = "OSEM3D 3i24s"
    raw(mr, 0x00080031, "TM", "09:35:00.0")
    found = clean(saved(mr))
    inner = found.RadiopharmaceuticalInformationSequence[0]
    assert found.AttenuationCorrectionMethod == "measured,, 0.096000 cm-1"
    assert (found.ReconstructionMethod, found.Units, found.SeriesTime) == ("OSEM3D 3i24s", "BQML", "093500.0")
    assert (inner.Radiopharmaceutical, inner.RadiopharmaceuticalStartTime) == ("Fluorodeoxyglucose F^18^", "093000")
    assert inner.RadiopharmaceuticalStartDateTime == f"{found.SeriesDate}093000.000000"  # one clock, moved as a whole


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ConvolutionKernel", ["Br40d", "3"]),
        ("ConvolutionKernel", "FC08-H"),
        ("ContrastBolusAgent", "ISOVUE300/100"),
        ("ContrastBolusAgent", "Gadovist 7.5 ml"),
        ("ImagedNucleus", "1H"),
        ("ImagedNucleus", "31P"),
        ("TransmitCoilName", "Body"),
        ("RescaleType", "HU"),
        ("FilterType", "BODY FILTER"),
        ("SoftwareVersions", "syngo MR XA30"),
        ("SequenceName", "*epfid2d1_64"),
        ("Manufacturer", "UIH"),
        ("Manufacturer", "Philips Medical Systems"),
        ("DeidentificationMethod", "Per DICOM PS 3.15 AnnexE. Details in 0012,0064"),
    ],
)
def test_what_names_nobody_stays(mr: Dataset, saved: Callable[..., Path], keyword: str, value: object) -> None:
    setattr(mr, keyword, value)
    found = clean(saved(mr))[keyword].value
    assert (found[0] if keyword == "DeidentificationMethod" else found) == value


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("ISOVUE300/100", "ISOVUE300/100"),
        ("Zqx300/100", ""),
        ("0.096 cm-1", "0.096 cm-1"),
        ("0,X,0/0", ""),
        ("XYZ_56 head", "head"),
        ("t1_mprage Quandermann_12 sag", "t1_mprage sag"),
        ("612.345.678", ""),
        ("03.1957 brain", "brain"),
    ],
)
def test_a_word_is_kept_or_dropped_whole(text: str, left: str) -> None:
    assert vocabulary.clean_text(text) == left


@given(st.text("abcdXYZ0189 ._-/+,", max_size=40))
def test_cleaning_the_clean_changes_nothing(text: str) -> None:
    for clean_it in (vocabulary.clean_text, vocabulary.clean_machine):
        once = clean_it(text)
        assert clean_it(once) == once


def test_nobody_makes_a_manufacturer_empty(mr: Dataset, saved: Callable[..., Path]) -> None:
    mr.Manufacturer = "Zqxmarkovic"
    assert clean(saved(mr)).Manufacturer == "REMOVED"


@pytest.mark.parametrize(
    ("value", "scheme", "meaning", "left"),
    [
        ("[hnsf'U]", "UCUM", "Hounsfield unit", "Hounsfield unit"),
        ("mmol/(100.g.min)", "UCUM", "", "mmol/(100.g.min)"),
        ("10-6.mm2/s", "UCUM", "", "10-6.mm2/s"),
        ("en-US", "RFC5646", "English (US)", "English (US)"),
        ("RID5825", "RADLEX", "liver", "liver"),
        ("BI-RADS 4", "BI", "Suspicious", None),
        ("ACGK", "IBSI", "Volume", "Volume"),
        ("T-04000", "SRT", "Dr Zqxmarkovic", "Breast structure (body structure)"),
        ("121071", "DCM", "Zqxmarkovic", "Finding"),
        ("999999991", "SCT", "Zqxmarkovic", "999999991"),
        ("3.1.22.3", "99X", "local", "local"),
    ],
)
def test_a_public_code_stays_a_code(
    mr: Dataset, saved: Callable[..., Path], value: str, scheme: str, meaning: str, left: str | None
) -> None:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    mr.ProcedureCodeSequence = Sequence([item])
    found = clean(saved(mr)).ProcedureCodeSequence[0]
    assert (found.CodeValue, found.CodingSchemeDesignator) == (value, scheme)
    assert found.CodeMeaning
    assert left is None or found.CodeMeaning == left


@pytest.mark.parametrize("scheme", ["DCM", "SCT", "UCUM", "LN", "BI", "IBSI", "I10", "RFC5646"])
def test_a_name_is_no_code(scheme: str) -> None:
    found = replacements({VALUE: b"Zqxmarkovic", SCHEME: scheme.encode(), MEANING: b"x"})
    assert found == {}


def test_a_code_is_never_left_without_value_scheme_or_meaning(mr: Dataset, saved: Callable[..., Path]) -> None:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "Zqxmarkovic", "99ZQXHOSPITAL", "Zqxmarkovic"
    mr.ProcedureCodeSequence = Sequence([item])
    found = clean(saved(mr)).ProcedureCodeSequence[0]
    assert found.CodeValue == found.CodingSchemeDesignator == found.CodeMeaning == "REMOVED"


def test_structures_keep_name_and_side_and_stay_apart(mr: Dataset, saved: Callable[..., Path]) -> None:
    names = [*NAMES, "Tumor Quandermann", "QUANDERMANN L", "Zqxmarkovic rechts", "PTV_56 Quandermann"]
    mr.StructureSetROISequence = Sequence([Dataset() for _ in names])
    for item, name in zip(mr.StructureSetROISequence, names, strict=True):
        item.ROIName = name
    mr.StructureSetLabel = "PLAN Zqxmarkovic"
    found = clean(saved(mr))
    left = [item.ROIName for item in found.StructureSetROISequence]
    assert left[: len(NAMES)] == NAMES
    assert left[len(NAMES) :] == ["ROI_1", "ROI_2_L", "ROI_3_R", "PTV_56_2"]
    assert found.StructureSetLabel == "PLAN"


@given(st.lists(st.text("LRlrabcGTVP_ 0123456789", min_size=1, max_size=20).filter(str.strip), max_size=30, unique=True))
def test_different_names_stay_different(names: list[str]) -> None:
    so_far: dict[str, str] = {}
    found = [structures.named(name, so_far, frozenset(), frozenset({"quandermann"})) for name in names]
    assert len(set(found)) == len(names)
    assert all(found)
    assert [structures.named(name, so_far, frozenset(), frozenset({"quandermann"})) for name in names] == found
