"""The gate's checks: each rule on its own, and what none of them may say."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.pure.checks import (
    RULES,
    CheckedFile,
    Finding,
    Severity,
    check,
    consistent,
    duplicates,
    has_pixels,
    one_patient,
    one_study,
    readable,
    summary,
)

GOOD = CheckedFile(1, "", "aaaa1111", "bbbb1111", "cccc1111", "dddd1111", "MR", 3)


def files(count: int) -> list[CheckedFile]:
    """Return files of one series."""
    return [replace(GOOD, file=number, instance=f"aaaa{number:04d}") for number in range(1, count + 1)]


def bad(number: int, problem: str = "the file is empty (0 bytes)") -> CheckedFile:
    return CheckedFile(number, problem=problem)


def test_nothing_is_said_of_good_files() -> None:
    assert check(files(20)) == []
    assert check([]) == []


def test_a_file_that_cannot_be_read_is_an_error_of_that_file_alone() -> None:
    found = check([*files(2), bad(3), bad(4, "not a DICOM file")])
    assert [(one.severity, one.file) for one in found] == [(Severity.ERROR, 3), (Severity.ERROR, 4)]
    assert found[0].message == "the file is empty (0 bytes); it stays out: send it again, or leave it"


def test_two_patients_block_the_batch_and_name_the_strangers() -> None:
    found = list(one_patient([*files(3), replace(GOOD, file=4, patient="bbbb2222"), bad(5)]))
    assert {one.severity for one in found} == {Severity.BLOCKING}
    assert [one.file for one in found] == [None, 4]
    assert "2 patients" in found[0].message
    assert "1 file is" in found[0].message
    assert "--despite" in found[0].message


def test_a_file_without_a_patient_is_a_stranger_too() -> None:
    assert [one.file for one in one_patient([*files(2), replace(GOOD, file=3, patient="")])] == [None, 3]


def test_two_studies_are_a_warning() -> None:
    (found,) = one_study([*files(2), replace(GOOD, file=3, study="cccc2222"), bad(4)])
    assert (found.severity, found.file) == (Severity.WARNING, None)


def test_the_same_instance_twice_is_told_of_the_second() -> None:
    (found,) = duplicates([*files(2), replace(GOOD, file=3, instance="aaaa0001"), bad(4), bad(5)])
    assert (found.severity, found.file) == (Severity.WARNING, 3)


def test_what_waits_elsewhere_is_counted_by_batch() -> None:
    many = [replace(one, elsewhere=9 if one.file < 3 else 7) for one in files(3)]
    assert [one.message for one in duplicates(many)] == [
        "1 of the files waits in batch 7 too",
        "2 of the files wait in batch 9 too",
    ]


def test_another_instance_in_the_meta_information_is_a_warning() -> None:
    (found,) = consistent([*files(2), replace(GOOD, file=3, same_in_meta=False), replace(bad(4), same_in_meta=False)])
    assert (found.severity, found.file) == (Severity.WARNING, 3)


def test_an_image_without_pixels_is_a_warning() -> None:
    (found,) = has_pixels([*files(2), replace(GOOD, file=3, lacks_pixels=True)])
    assert (found.severity, found.file) == (Severity.WARNING, 3)


def test_every_rule_is_run_in_order() -> None:
    names = [rule.__name__ for rule in RULES]
    everything = [
        bad(1), replace(GOOD, file=2), replace(GOOD, file=3, patient="bbbb2222", study="cccc2222"),
        replace(GOOD, file=4, same_in_meta=False, lacks_pixels=True),
    ]  # fmt: skip
    found = [one.check for one in check(everything)]
    assert list(dict.fromkeys(found)) == names
    assert readable in RULES


def test_a_finding_goes_into_json() -> None:
    assert Finding("readable", Severity.ERROR, "why", 3).as_dict() == {
        "check": "readable", "severity": "error", "message": "why", "file": 3,
    }  # fmt: skip


def test_a_summary_counts_each_series() -> None:
    others = [replace(GOOD, file=number, series="dddd2222", series_number=None, modality="SR") for number in (8, 9)]
    assert summary([*files(3), *others, bad(10)]) == [
        {"modality": "SR", "series": None, "files": 2},
        {"modality": "MR", "series": 3, "files": 3},
    ]


digests = st.sampled_from(["", "deadbeef01", "deadbeef02", "deadbeef03"])
checked = st.builds(
    CheckedFile, st.integers(1, 99), st.sampled_from(["", "", "broken"]), digests, digests, digests, digests,
    st.sampled_from(["", "MR", "CT"]), st.none() | st.integers(0, 9), st.booleans(), st.booleans(),
    st.none() | st.integers(1, 9),
)  # fmt: skip


@given(st.lists(checked, max_size=12))
def test_any_files_give_findings_that_quote_no_digest_and_blame_files_that_are_there(some: Sequence[CheckedFile]) -> None:
    for one in check(some):
        assert "deadbeef" not in one.message
        assert one.file is None or one.file in {file.file for file in some}
        assert one.message
    assert "deadbeef" not in str(summary(some))
    assert sum(entry["files"] for entry in summary(some)) == sum(not file.problem for file in some)
    assert check(some) == check(some)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_file_that_cannot_be_read_is_not_judged_further(rule: object) -> None:
    assert callable(rule)
    found = [one.check for one in rule([bad(1), bad(2)])]
    assert found == (["readable", "readable"] if rule is readable else [])
