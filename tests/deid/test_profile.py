"""Profiles: what is refused and how it is told, and what rules do."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from pydicom import Dataset, dcmread

import deid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = 'schema = 1\nstandard = "2026c"\noptions = ["modified_dates", "clean_desc"]\n[dates]\nmode = "shift"\n'


def problems(text: str) -> list[str]:
    with pytest.raises(deid.ProfileError) as caught:
        deid.load_profile(text)
    return caught.value.problems


def test_the_examples_are_valid_and_differ() -> None:
    profiles = {name: deid.load_profile(text) for name, text in deid.examples().items()}
    assert {"default", "neuro-mr", "ct-trial", "cardiac"} <= profiles.keys()
    assert len({p.hash for p in profiles.values()}) == len(profiles)
    assert deid.load_profile(None).text == deid.examples()["default"]


def test_all_problems_at_once_by_line_with_the_nearest_word() -> None:
    text = """schema = 1
standard = "2026d"
options = ["clean_descr",
  "modified_date"]
unlsted = "vr"
[dates]
mode = "shft"
[[rule]]
tag = "EchoTimes"
action = "kep"
[[rule]]
tag = "PatientName"
action = "keep"
[extract]
fields = ["EchoTime",
  "RepetitonTime"]
"""
    assert problems(text) == [
        "line 2: standard = '2026d' is none of '2024b', '2026c': did you mean '2026c'?",
        "line 3: unknown option 'clean_descr': did you mean 'clean_desc'?",
        "line 4: unknown option 'modified_date': did you mean 'modified_dates'?",
        "line 5: unknown key 'unlsted': did you mean 'unlisted'?",
        "line 7: mode = 'shft' is none of 'shift', 'keep', 'remove': did you mean 'shift'?",
        "line 9: unknown attribute 'EchoTimes': did you mean 'EchoTime'?",
        "line 10: unknown action 'kep': did you mean 'keep'?",
        "line 13: no profile may keep the patient's name, ID or birth date",
        "line 16: unknown attribute 'RepetitonTime': did you mean 'RepetitionTime'?",
    ]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('tag = "(0019,100C)"\naction = "keep"', "CREATOR"),
        ('tag = "(0019,100C)@SIEMENS MR HEADER"\naction = "keep"', "found by its creator"),
        ('tag = "(0018,0081)@X"\naction = "keep"', "not private"),
        ('tag = "(0010,00xx)"\naction = "keep"', "patient's name"),
        ('tag = "SOPInstanceUID"\naction = "keep"', "always mapped"),
        ('tag = "EchoTime"\naction = "uid"', "only UIDs"),
        ('tag = "EchoTime"\naction = "keep"\nvalue = "x"', "takes a value"),
        ('tag = "DeidentificationMethod"\naction = "remove"', "always ours"),
        ('tag = "EchoTime"', "needs an action"),
        ('action = "keep"', "needs a tag"),
        ('vr = "QQ"\naction = "keep"', "no value representation"),
        ('tag = "EchoTime"\naction = "keep"\nsop_class = "MRImgeStorage"', "MRImageStorage"),
        ('tag = "EchoTime"\naction = "clean"\nusing = "magic"', "no cleaning of that name"),
    ],
)
def test_rules_that_may_not_be(rule: str, said: str) -> None:
    found = problems(HEAD + "[[rule]]\n" + rule + "\n")
    assert any(said in problem for problem in found), found
    assert all(problem.startswith("line ") for problem in found)


def test_dates_and_options_must_agree() -> None:
    assert "contradicts" in problems('schema = 1\noptions = ["full_dates"]\n[dates]\nmode = "shift"\n')[0]
    assert deid.load_profile('schema = 1\noptions = ["full_dates"]\n').dates == "keep"
    assert deid.load_profile("schema = 1\noptions = []\n").dates == "remove"
    assert "not TOML" in problems("schema = \n")[0]


def clean(text: str, ds: Dataset, saved: Callable[..., Path]) -> Dataset:
    out = io.BytesIO()
    deid.Cleaner(deid.load_profile(text), b"k" * 32, "A", "E001").clean(saved(ds), out)
    return dcmread(io.BytesIO(out.getvalue()))


def test_own_rules_win_by_how_narrow_they_are(mr: Dataset, saved: Callable[..., Path]) -> None:
    rules = """[[rule]]
vr = "DS"
action = "remove"
[[rule]]
tag = "EchoTime"
action = "keep"
[[rule]]
tag = "Manufacturer"
action = "dummy"
value = "SOMEBODY"
[[rule]]
tag = "Manufacturer"
action = "remove"
sop_class = "CTImageStorage"
[[rule]]
tag = "ImageType"
action = "remove"
file_type = "DCM_MR"
"""
    mr.RepetitionTime = "2000"
    ds = clean(HEAD + rules, mr, saved)
    assert "RepetitionTime" not in ds
    assert ds.EchoTime == pytest.approx(2.98)
    assert ds.Manufacturer == "SOMEBODY"
    assert "ImageType" not in ds


def test_private_elements_stay_by_creator_not_by_block(mr: Dataset, saved: Callable[..., Path]) -> None:
    mr.private_block(0x0019, "SOMEBODY ELSE", create=True).add_new(0x0C, "IS", 1)
    mr.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", 1000)
    mr[0x0019, 0x110C].value = 1000
    text = HEAD.replace('"clean_desc"', '"safe_private"')
    ds = clean(text, mr, saved)
    assert ds.private_block(0x0019, "SIEMENS MR HEADER")[0x0C].value == 1000
    assert (0x0019, 0x0010) not in ds
    assert (0x0019, 0x100C) not in ds
    rule = '[[rule]]\ntag = "(0019,xx0C)@SOMEBODY ELSE"\naction = "keep"\n'
    ds = clean(HEAD + rule, mr, saved)
    assert ds.private_block(0x0019, "SOMEBODY ELSE")[0x0C].value == 1
    assert (0x0019, 0x110C) not in ds


def test_deny_removes_what_nobody_lists(mr: Dataset, saved: Callable[..., Path]) -> None:
    ds = clean(HEAD.replace("[dates]", 'unlisted = "deny"\n[dates]'), mr, saved)
    assert "EchoTime" not in ds
    assert ds.Rows == 4
    assert ds.pixel_array.shape == (4, 4)


def test_original_uids_are_never_kept() -> None:
    assert "always mapped" in problems('schema = 1\noptions = ["uids"]\n')[0]


def test_kept_dates_are_dates(mr: Dataset, saved: Callable[..., Path]) -> None:
    mr.AcquisitionTime = "103522.125"
    ds = clean('schema = 1\noptions = ["full_dates"]\n', mr, saved)
    assert (ds.AcquisitionDate, ds.AcquisitionTime) == ("20080312", "103522.125")
    mr.PatientName = "x"
    with pytest.warns(UserWarning, match="Invalid value"):
        mr.add_new(0x00080022, "DA", "Zqxmarko")
    ds = clean('schema = 1\noptions = ["full_dates"]\n', mr, saved)
    assert ds.AcquisitionDate == ""


def test_date_modes(mr: Dataset, saved: Callable[..., Path]) -> None:
    assert clean('schema = 1\noptions = ["full_dates"]\n', mr, saved).StudyDate == "20080312"
    ds = clean("schema = 1\noptions = []\n", mr, saved)
    assert ds.StudyDate == ""
    assert ds.LongitudinalTemporalInformationModified == "REMOVED"
    assert "AcquisitionDate" not in ds


def test_cleaning_a_person_gives_the_exam_code(mr: Dataset, saved: Callable[..., Path]) -> None:
    text = HEAD + '[[rule]]\ntag = "ReferringPhysicianName"\naction = "clean"\n'
    out = io.BytesIO()
    deid.Cleaner(deid.load_profile(text), b"k" * 32, "A", "E001").clean(saved(mr), out)
    assert dcmread(io.BytesIO(out.getvalue())).ReferringPhysicianName == "E001"
