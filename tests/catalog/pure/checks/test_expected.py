"""What a study expects: parsed from its profile, held against a batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.pure import expectations as parsing
from catalog.pure.checks import Checks
from catalog.pure.checks.series import MIXED, Series, SeriesTable
from catalog.pure.expectations import Expectations, expectations, problems

PROFILE = """
schema = 1
[expect]
exam = "E[0-9]{3}"

[[expect.series]]
name = "T1"
match = "*mprage*"
modality = "MR"
files = 176

[[expect.series]]
match = "dwi*"
files = [60, 64]
optional = true
"""


def series(description: str, files: int, label: str = "3", modality: str = "MR") -> Series:
    return Series(label, int(label), modality, f"DCM_{modality}", description, 1, 1, files)


def said(*found: Series, exam: str = "E001") -> list[str]:
    return [finding.message for finding in Checks().end(found, exam, expectations(PROFILE))]


def test_what_is_as_expected_is_not_spoken_of() -> None:
    assert said(series("T1_MPRAGE_sag", 176)) == []
    assert said(series("t1 mprage", 176), series("DWI 64", 60, "4"), series("other", 1, "5"), exam="") == []


def test_a_series_that_is_missing_or_short_is_told() -> None:
    assert said()[0].startswith("the study expects a series T1, and none is in the batch")
    assert said(series("mprage", 176, modality="CT"))[0].startswith("the study expects a series T1")
    assert said(series("mprage", 175))[0].startswith("series 3 has 175 files; the study expects 176 in T1")
    assert "60 to 64 in dwi*" in said(series("mprage", 176), series("dwi", 65, "4"))[0]


def test_an_exam_code_of_another_kind_is_told() -> None:
    (message,) = said(series("mprage", 176), exam="P-17")
    assert message.startswith("the exam code P-17 is none as the study expects (E[0-9]{3})")
    assert expectations(PROFILE).takes("E001")
    assert not expectations(PROFILE).takes("E0011")
    assert Expectations().takes("anything")


def test_siblings_count_where_they_agree() -> None:
    short = series("flair", 150)
    for sizes, told in (
        ([176, 176, 176], 1),
        ([176, 176], 0),
        ([176, 100, 150, 120], 0),
        ([150, 150, 150], 0),
        ([10, 10, 10], 0),
    ):
        short.siblings = sizes
        assert len(Checks().end([short], "", Expectations())) == told


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("expect = 3", "expect"),
        ("[expect]\nexams = 'x'", "exams"),
        ("[expect]\nexam = '(['", "exam"),
        ("[expect]\nexam = 3", "exam"),
        ("[expect]\nseries = 3", "series"),
        ("[[expect.series]]\nname = 'T1'", "match"),
        ("[[expect.series]]\nmatch = 'x'\nfile = 3", "file"),
        ("[[expect.series]]\nmatch = 'x'\nfiles = [3]", "files"),
        ("[[expect.series]]\nmatch = 'x'\nfiles = [4, 3]", "files"),
        ("[[expect.series]]\nmatch = 'x'\nfiles = true", "files"),
        ("[[expect.series]]\nmatch = 'x'\nmodality = 3", "modality"),
        ("[[expect.series]]\nmatch = 'x'\noptional = 1", "optional"),
    ],
)
def test_every_fault_is_told_and_counts_for_nothing(text: str, word: str) -> None:
    assert [found for found, _ in problems(text)] == [word]
    assert isinstance(expectations(text), Expectations)


def test_several_faults_are_told_at_once() -> None:
    assert len(problems("[expect]\nexam = 3\nfoo = 1\n[[expect.series]]\nfiles = 'many'")) == 4


@given(st.text())
def test_any_text_is_read_or_told(text: str) -> None:
    parsing.problems(text)
    parsing.expectations(text)


def test_no_profile_expects_nothing() -> None:
    assert expectations(None) == Expectations()


def test_series_have_labels_by_which_they_are_chosen() -> None:
    table = SeriesTable()
    for file, (key, number) in enumerate([("a", 3), ("b", 3), ("a", 3), ("c", None), ("d", 0), ("e", 30)], 1):
        table.place(key, "p", file, number=number, modality="MR", file_type="DCM_MR", description="")
    assert [(one.label, one.files) for one in table.sorted()] == [("0", 1), ("0.2", 1), ("3", 2), ("3.2", 1), ("30", 1)]


def test_patients_are_counted_and_mixed_series_are_known() -> None:
    table = SeriesTable()
    for file, (key, patient) in enumerate([("a", "x"), ("b", "y"), ("b", "y"), ("c", "x"), ("c", "y")], 1):
        table.place(key, patient, file, number=file, modality="MR", file_type="DCM_MR", description="")
    assert [one.patient for one in table.sorted()] == [1, 2, MIXED]
