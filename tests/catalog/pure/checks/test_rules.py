"""The gate's checks: each rule on its own, and what none of them may say."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.pure.checks import RULES, CheckedFile, Checks, Finding, Position, Severity
from catalog.pure.checks.run import MOST_FILES

GOOD = CheckedFile(1, "", "aaaa1111", "bbbb1111", "cccc1111", "3", "DCM_MR")


def files(count: int) -> list[CheckedFile]:
    """Return files of one series."""
    return [replace(GOOD, file=number, instance=f"aaaa{number:04d}", number=number) for number in range(1, count + 1)]


def bad(number: int, problem: str = "the file is empty (0 bytes)") -> CheckedFile:
    return CheckedFile(number, problem=problem)


def check(some: Sequence[CheckedFile], of: str = "") -> list[Finding]:
    """Return what all rules find, or one of them."""
    checks = Checks()
    for file in some:
        checks.see(file)
    return [finding for finding in checks.end() if not of or finding.check == of]


def test_nothing_is_said_of_good_files() -> None:
    assert check(files(20)) == []
    assert check([]) == []


def test_a_file_that_cannot_be_read_is_an_error_of_that_file_alone() -> None:
    found = check([*files(2), bad(3), bad(4, "not a DICOM file")])
    assert [(one.severity, one.file) for one in found] == [(Severity.ERROR, 3), (Severity.ERROR, 4)]
    assert found[0].message == "the file is empty (0 bytes); it stays out: send it again, or leave it"


def test_what_is_an_error_is_told_at_once() -> None:
    checks = Checks()
    assert [checks.see(file) for file in (GOOD, bad(2))] == [
        "",
        "the file is empty (0 bytes); it stays out: send it again, or leave it",
    ]


def test_two_patients_block_the_batch_and_name_the_strangers() -> None:
    found = check([*files(3), replace(GOOD, file=4, patient="bbbb2222", series="7"), bad(5)], "one_patient")
    assert {one.severity for one in found} == {Severity.BLOCKING}
    assert [(one.file, one.series) for one in found] == [(None, ""), (4, "7")]
    assert "2 patients" in found[0].message
    assert "1 file is" in found[0].message
    assert "--despite" in found[0].message


def test_a_file_without_a_patient_is_a_stranger_too() -> None:
    assert [one.file for one in check([*files(2), replace(GOOD, file=3, patient="")], "one_patient")] == [None, 3]


def test_two_studies_are_a_warning() -> None:
    (found,) = check([*files(2), replace(GOOD, file=3, study="cccc2222"), bad(4)], "one_study")
    assert (found.severity, found.file) == (Severity.WARNING, None)


def test_the_same_instance_twice_is_told_of_the_second() -> None:
    (found,) = check([*files(2), replace(GOOD, file=3, instance="aaaa0001"), bad(4), bad(5)], "duplicates")
    assert (found.severity, found.file) == (Severity.WARNING, 3)


def test_what_waits_elsewhere_is_counted_by_batch() -> None:
    many = [replace(one, elsewhere=[9] if one.file < 3 else [7]) for one in files(3)]
    assert [one.message for one in check(many)] == [
        "1 of the files waits in batch 7 too",
        "2 of the files wait in batch 9 too",
    ]
    assert [(one.batch, one.message[0]) for one in check([replace(one, elsewhere=[7, 9]) for one in files(2)])] == [
        (7, "2"), (9, "2"),
    ]  # fmt: skip


def test_what_is_archived_is_counted_by_exam() -> None:
    (found,) = check([replace(one, archived="E007") for one in files(3)])
    assert found.message.startswith("3 of the files are archived in exam E007 of this study already")


def test_another_instance_in_the_meta_information_is_a_warning() -> None:
    (found,) = check([*files(2), replace(GOOD, file=3, same_in_meta=False)])
    assert (found.check, found.severity, found.file) == ("consistent", Severity.WARNING, 3)


def test_an_image_without_pixels_is_a_warning() -> None:
    (found,) = check([*files(2), replace(GOOD, file=3, lacks_pixels=True)])
    assert (found.check, found.severity, found.file) == ("has_pixels", Severity.WARNING, 3)


def test_suspected_pixels_are_told_once_a_series() -> None:
    found = check([replace(one, burned_in="ultrasound", series="3" if one.file < 9 else "4") for one in files(9)], "burned_in")
    assert [one.series for one in found] == ["3", "4"]
    assert "series 3: text may be burned into the pixels of 8 files: ultrasound." in found[0].message
    assert "--pixels-approved" in found[0].message


def test_one_check_names_a_bounded_number_of_files() -> None:
    found = check([bad(number) for number in range(1, 20_001)])
    assert len(found) == MOST_FILES + 1
    assert (found[-1].message, found[-1].file) == ("and 19900 more files like these", None)


def test_a_finding_goes_into_json() -> None:
    assert Finding("readable", Severity.ERROR, "why", 3).as_dict() == {
        "check": "readable", "severity": "error", "message": "why", "file": 3, "series": "", "batch": None, "of_study": False,
    }  # fmt: skip


def test_rules_have_names_of_their_own_and_say_what_they_are() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.severity in Severity
        assert rule.__doc__


digests = st.sampled_from(["", "deadbeef01", "deadbeef02", "deadbeef03"])
positions = st.none() | st.builds(Position, st.tuples(st.integers(0, 2)), st.integers(-9999, 9999))
checked = st.builds(
    CheckedFile, file=st.integers(1, 99), problem=st.sampled_from(["", "", "broken"]),
    instance=digests, patient=digests, study=digests, series=st.sampled_from(["", "3", "4.2"]),
    file_type=st.sampled_from(["", "DCM_MR", "RAW"]), number=st.none() | st.integers(-9, 2**40), position=positions,
    same_in_meta=st.booleans(), lacks_pixels=st.booleans(), elsewhere=st.lists(st.integers(1, 9), max_size=2),
    archived=st.sampled_from(["", "E1"]), held=st.sampled_from(["", "why"]), waits=st.sampled_from(["", "why"]),
    burned_in=st.sampled_from(["", "why", "a voice may be heard: why"]), name_identifies=st.booleans(),
    is_unfinished=st.booleans(),
)  # fmt: skip


@given(st.lists(checked, max_size=12))
def test_any_files_give_findings_that_quote_no_digest_and_blame_files_that_are_there(some: Sequence[CheckedFile]) -> None:
    for one in check(some):
        assert "deadbeef" not in one.message
        assert one.file is None or one.file in {file.file for file in some}
        assert one.message
    assert check(some) == check(some)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_file_that_cannot_be_read_is_not_judged_further(rule: type) -> None:
    one = rule()
    found = [finding.check for file in (bad(1), bad(2)) for finding in one.see(file)] + [finding.check for finding in one.end()]
    assert found == (["readable", "readable"] if rule.name == "readable" else [])


def test_a_file_that_nobody_closed_is_shown_to_the_reviewer() -> None:
    (found,) = check([*files(2), replace(files(3)[2], is_unfinished=True)], "finished")
    assert (found.severity, found.file) == (Severity.WARNING, 3)
    (found,) = check([replace(bad(1), is_unfinished=True)], "finished")
    assert found.file == 1
