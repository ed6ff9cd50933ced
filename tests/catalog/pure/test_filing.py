"""Where the files of an import go: every file once, no name twice, the same every time, whatever comes in what order."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.pure.filing import Description, KnownSeries, Plan, StoredFile, plan
from catalog.pure.names import folded

DESCRIPTIONS = ["t1", "T1", "t1 ", "", "a/b", "a\\b", "e\u0301", "é", "x" * 200]


def described(identity: int, series: int, number: int | None = None, **more: object) -> Description:
    values: dict[str, object] = {
        "file_type": "DCM_MR", "extension": ".dcm", "identity": identity.to_bytes(16, "big"),
        "series": series.to_bytes(16, "big"), "series_number": series, "series_description": "t1", "number": number,
        "acquired": None,
    }  # fmt: skip
    return Description(**(values | more))  # type: ignore[arg-type] - by keyword, checked by the test that uses it


def stored(staged: int, about: Description, content: int = 0) -> StoredFile:
    return StoredFile(staged, content.to_bytes(32, "big"), 100, about)


@st.composite
def imports(draw: st.DrawFn) -> list[StoredFile]:
    """Draw the files of an import: few identities, series, numbers and contents, so that they meet."""
    count = draw(st.integers(0, 15))
    found = []
    for staged in range(1, count + 1):
        about = described(
            draw(st.integers(1, 12)), draw(st.integers(1, 4)), draw(st.none() | st.integers(-1, 6)),
            series_number=draw(st.integers(-1, 2)), series_description=draw(st.sampled_from(DESCRIPTIONS)),
            acquired=draw(st.none() | st.integers(0, 3)),
        )  # fmt: skip
        found.append(stored(staged, about, draw(st.sampled_from([0, 0, 0, 1]))))
    return found


def placed(done: Plan, before: Sequence[KnownSeries] = ()) -> list[KnownSeries]:
    """Return the exam as the catalogue knows it once the plan is carried out."""
    exam = {series.identity: series for series in before}
    for series in done.series:
        known = exam.get(series.first.series)
        files = dict(known.files) if known else {}
        files |= {one.stored.description.identity: (one.stored.digest, int(one.name.partition(".")[0])) for one in series.files}
        row = series.row if series.row is not None else len(exam) + 1
        digits = max(len(one.name.partition(".")[0]) for one in series.files)
        exam[series.first.series] = KnownSeries(row, series.name, series.first.series, files, digits)
    return list(exam.values())


def names(exam: Sequence[KnownSeries]) -> list[tuple[str, int]]:
    return [(folded(series.name), number) for series in exam for _, number in series.files.values()]


@settings(max_examples=150)
@given(imports())
def test_every_file_is_placed_once_or_known_or_contradicting(files: list[StoredFile]) -> None:
    done = plan(files, [])
    found = [one.stored.staged for series in done.series for one in series.files]
    found += [file.staged for file in (*done.known, *done.contradicting)]
    assert sorted(found) == [file.staged for file in files]
    for series in done.series:
        assert series.files
        assert {one.stored.description.series for one in series.files} == {series.first.series}


@settings(max_examples=150)
@given(imports())
def test_no_two_names_are_the_same_when_folded(files: list[StoredFile]) -> None:
    done = plan(files, [])
    folders = [folded(series.name) for series in done.series]
    assert len(set(folders)) == len(folders)
    for series in done.series:
        keys = [folded(one.name) for one in series.files]
        assert len(set(keys)) == len(keys)


@settings(max_examples=150)
@given(imports())
def test_planning_again_what_is_in_place_gives_nothing_new(files: list[StoredFile]) -> None:
    first = plan(files, [])
    again = plan(files, placed(first))
    assert again.series == ()
    assert {file.staged for file in again.contradicting} == {file.staged for file in first.contradicting}


@settings(max_examples=150)
@given(imports(), imports())
def test_two_imports_into_one_exam_do_not_clash(one: list[StoredFile], other: list[StoredFile]) -> None:
    exam = placed(plan(one, []))
    second = plan(other, exam)
    after = placed(second, exam)
    assert len(set(names(after))) == len(names(after))
    old = {series.row: series for series in exam}
    for series in second.series:
        if series.row is not None:
            assert series.name == old[series.row].name, "a folder keeps its name"
    for series in exam:
        now = next(found for found in after if found.row == series.row)
        assert series.files.items() <= now.files.items(), "a file keeps its number"


@settings(max_examples=150)
@given(imports(), st.randoms())
def test_the_plan_does_not_hang_on_the_order_in_which_files_are_handed_in(files: list[StoredFile], chance: object) -> None:
    shuffled = list(files)
    chance.shuffle(shuffled)  # type: ignore[attr-defined] - st.randoms gives a Random
    one, other = plan(files, []), plan(shuffled, [])
    assert one.series == other.series
    assert set(one.known) == set(other.known)
    assert set(one.contradicting) == set(other.contradicting)


@given(imports())
def test_names_follow_instance_numbers(files: list[StoredFile]) -> None:
    for series in plan(files, []).series:
        numbers = [one.stored.description.number for one in series.files]
        assert numbers == sorted(numbers, key=lambda number: (number is None, number or 0))
        for one in series.files:
            wanted = one.stored.description.number
            given_number = int(one.name.partition(".")[0])
            if wanted is not None and wanted >= 1 and numbers.count(wanted) == 1:
                assert given_number == wanted
            if wanted is None:
                assert given_number > max((number for number in numbers if number is not None), default=0)


def test_an_ordinary_series() -> None:
    files = [stored(n, described(n, 3, 4 - n, acquired=1000 + n)) for n in (1, 2, 3)]
    (series,) = plan(files, []).series
    assert (series.row, series.name, series.acquired) == (None, "003_DCM_MR_t1", 1001)
    assert [(one.name, one.stored.staged) for one in series.files] == [("00001.dcm", 3), ("00002.dcm", 2), ("00003.dcm", 1)]


def test_the_same_file_again_is_known_and_other_bytes_contradict() -> None:
    files = [stored(1, described(1, 1, 1)), stored(2, described(1, 1, 1)), stored(3, described(1, 1, 1), content=9)]
    done = plan(files, [])
    assert [one.staged for one in done.known] == [2]
    assert [one.staged for one in done.contradicting] == [3]
    exam = placed(done)
    again = plan([stored(4, described(1, 1, 1)), stored(5, described(1, 1, 1), content=9)], exam)
    assert ([one.staged for one in again.known], [one.staged for one in again.contradicting]) == ([4], [5])


@settings(max_examples=150)
@given(imports(), imports(), st.dictionaries(st.integers(1, 12), st.integers(0, 1), max_size=4))
def test_an_instance_has_one_place_in_a_study(one: list[StoredFile], other: list[StoredFile], far: dict[int, int]) -> None:
    archived = {number.to_bytes(16, "big"): content.to_bytes(32, "big") for number, content in far.items()}
    exam = placed(plan(one, [], archived))
    done = plan(other, exam, archived)
    places = [identity for series in placed(done, exam) for identity in series.files]
    assert len(set(places)) == len(places)
    assert not set(places) & set(archived)
    there = archived | {identity: digest for series in placed(done, exam) for identity, (digest, _) in series.files.items()}
    assert all(there[file.description.identity] == file.digest for file in done.known)
    assert all(there[file.description.identity] != file.digest for file in done.contradicting)


def test_of_an_instance_in_two_series_the_first_that_came_is_placed() -> None:
    done = plan([stored(1, described(1, 5, 1, series_number=5)), stored(2, described(1, 3, 1), content=9)], [])
    assert [one.stored.staged for series in done.series for one in series.files] == [1]
    assert [one.staged for one in done.contradicting] == [2]


def test_files_that_are_no_dicom_are_told_apart_in_their_series_alone() -> None:
    files = [stored(n, described(1, n, 1, file_type="NIFTI")) for n in (1, 2)]
    assert sum(len(series.files) for series in plan(files, []).series) == 2


def test_series_that_would_be_called_alike_are_told_apart() -> None:
    files = [
        stored(n, described(n, n, 1, series_number=3, series_description=text)) for n, text in enumerate(["t1", "T1", "t1"], 1)
    ]
    assert [series.name for series in plan(files, []).series] == ["003_DCM_MR_t1", "003_DCM_MR_T1_2", "003_DCM_MR_t1_3"]


def test_files_that_come_late_stand_behind_those_that_are_there() -> None:
    exam = placed(plan([stored(n, described(n, 1, n)) for n in (1, 2, 5)], []))
    late = plan([stored(9, described(9, 1, 3)), stored(10, described(10, 1, 5)), stored(11, described(11, 1, None))], exam)
    assert [one.name for one in late.series[0].files] == ["00003.dcm", "00006.dcm", "00007.dcm"]


class Counted(set[int]):
    """A set that counts how often it is asked."""

    asked = 0

    def __contains__(self, number: object) -> bool:
        Counted.asked += 1
        return super().__contains__(number)


def test_twenty_thousand_files_with_the_same_instance_number_cost_twenty_thousand_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("catalog.pure.names.set", Counted, raising=False)
    Counted.asked = 0
    count = 20_000
    (series,) = plan([stored(n, described(n, 1, 1)) for n in range(1, count + 1)], []).series
    assert [one.name for one in series.files[:2]] == ["00001.dcm", "00002.dcm"]
    assert series.files[-1].name == "20000.dcm"
    assert 0 < Counted.asked <= 3 * count


def test_a_thousand_series_of_one_name_get_names_of_their_own() -> None:
    files = [stored(n, described(n, n, 1, series_number=0, series_description="")) for n in range(1, 1001)]
    found = {series.name for series in plan(files, []).series}
    assert len(found) == 1000
    assert {"000_DCM_MR", "000_DCM_MR_2", "000_DCM_MR_1000"} <= found


@given(st.lists(st.integers(1, 3_000_000), unique=True, min_size=1, max_size=20), st.integers(0, 20))
def test_files_stand_in_the_order_of_their_numbers_however_many_digits_these_have(numbers: list[int], late: int) -> None:
    files = [stored(staged, described(staged, 1, number)) for staged, number in enumerate(numbers, 1)]
    first = plan(files[late:], [])
    assert first.unordered == ()
    second = plan(files[:late], placed(first))
    names = [
        (one.name, one.stored.description.number) for done in (first, second) for each in done.series for one in each.files
    ]
    assert [number for _, number in sorted(names)] == sorted(number for _, number in names)
    assert len(names) + len(second.unordered) == len(files)
    longest = max((len(name) for name, _ in names), default=0)
    assert all(len(f"{file.description.number}.dcm") > longest for file in second.unordered)


def test_the_hundred_thousandth_file_stands_last() -> None:
    files = [stored(number, described(number, 1, number)) for number in (99_998, 99_999, 100_000)]
    (series,) = plan(files, []).series
    assert [one.name for one in series.files] == ["099998.dcm", "099999.dcm", "100000.dcm"]
    late = plan(files[2:], placed(plan(files[:2], [])))
    assert (late.series, late.unordered) == ((), (files[2],))
