"""What somebody with two studies' files, or with the wrong key, can and cannot find out."""

from __future__ import annotations

import datetime as dt
import io
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread

import deid
from deid.engine.meta import part10_header
from deid.engine.nodes import Element, Item, Sequence, Syntax, Writer
from deid.mapping import BY_PATIENT, Mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY, OTHER_KEY = b"k" * 32, b"l" * 32
SYNTAX = Syntax("1.2.840.10008.1.2.1", implicit=False, little=True)
MR = "1.2.840.10008.5.1.4.1.1.4"
UIDS = st.from_regex(r"1\.3(?:\.[1-9][0-9]{0,5}){3,6}", fullmatch=True)
IDS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", min_size=1, max_size=16)
DAYS = st.dates(dt.date(1990, 1, 1), dt.date(2030, 1, 1))


def part10(identifier: str, day: str, uids: list[str]) -> bytes:
    """An image of somebody, on a day, that refers to others."""
    instance, study, *others = uids
    items = [Item([Element(0x00081150, "UI", MR.encode()), Element(0x00081155, "UI", uid.encode())]) for uid in others]
    writer = Writer(SYNTAX)
    writer.write(
        [
            Element(0x00080016, "UI", MR.encode()),
            Element(0x00080018, "UI", instance.encode()),
            Element(0x00080020, "DA", day.encode()),
            Element(0x00080060, "CS", b"MR"),
            Sequence(0x00081140, items),
            Element(0x00100010, "PN", b"Quandermann^Eulalie"),
            Element(0x00100020, "LO", identifier.encode()),
            Element(0x0020000D, "UI", study.encode()),
        ]
    )
    return part10_header(MR, instance, SYNTAX.uid) + b"".join(writer.chunks)


def clean(data: bytes, study: str = "A", exam: str = "E001", key: bytes = KEY) -> tuple[Dataset, deid.Report]:
    with tempfile.NamedTemporaryFile() as source:
        source.write(data)
        source.flush()
        out = io.BytesIO()
        report = deid.Cleaner(deid.load_profile(None), key, study, exam).clean(Path(source.name), out)
    out.seek(0)
    return dcmread(out), report


def own_uids(ds: Dataset) -> Iterator[str]:
    for element in ds.iterall():
        if element.VR == "UI" and not element.value.startswith("1.2.840.10008."):
            yield str(element.value)


@example("113105", dt.date(2000, 1, 1), ["1.3.1.1.1", "1.3.1.1.10", "1.3.1.1.11"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(IDS, DAYS, st.lists(UIDS, min_size=3, max_size=5, unique=True))
def test_two_studies_have_nothing_of_a_person_in_common(identifier: str, day: dt.date, uids: list[str]) -> None:
    """Neither the files nor the reports: the exam code is the same here, and all else that is personal differs."""
    data = part10(identifier, day.strftime("%Y%m%d"), uids)
    (first, told), (second, other) = clean(data, "A"), clean(data, "B")
    assert len(set(own_uids(first))) == len(uids)
    assert not set(own_uids(first)) & set(own_uids(second))
    assert not set(uids) & {*own_uids(first), *own_uids(second)}
    assert not {action.old for action in told.actions if action.old} & {action.old for action in other.actions if action.old}
    again, _ = clean(data, "A", "e001")
    assert list(own_uids(again)) == list(own_uids(first))
    assert again.StudyDate == first.StudyDate


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(IDS, DAYS, st.lists(UIDS, min_size=2, max_size=3, unique=True))
def test_who_may_import_learns_nothing_by_guessing(identifier: str, day: dt.date, uids: list[str]) -> None:
    """A file made up of a guessed patient's ID and known UIDs, in an exam of one's own: nothing of it is that patient's."""
    archived, told = clean(part10(identifier, day.strftime("%Y%m%d"), uids), exam="E001")
    made_up, tried = clean(part10(identifier, "20200102", uids), exam="E666")
    shift = dt.date(2020, 1, 2) - dt.datetime.strptime(made_up.StudyDate, "%Y%m%d").replace(tzinfo=dt.UTC).date()
    assert dt.datetime.strptime(archived.StudyDate, "%Y%m%d").replace(tzinfo=dt.UTC).date() + shift != day
    assert not set(own_uids(archived)) & set(own_uids(made_up))
    assert not {action.old for action in told.actions if action.old} & {action.old for action in tried.actions if action.old}
    other, _ = clean(part10("Z-" + identifier, day.strftime("%Y%m%d"), uids), exam="E001")
    assert other.StudyDate == archived.StudyDate  # what the file says of its patient has no part in it


def test_visits_of_a_subject_stay_together_by_the_profile_s_pattern(mr: Dataset, saved: Callable[..., Path]) -> None:
    profile = deid.load_profile("schema = 1\noptions = [\"modified_dates\"]\nsubject = '(P\\d+)-V\\d+'\n")
    path, found = saved(mr), []
    for exam in ("P001-V1", "P001-V2", "P002-V1", "odd"):
        out = io.BytesIO()
        deid.Cleaner(profile, KEY, "A", exam).clean(path, out)
        found.append(dcmread(io.BytesIO(out.getvalue())))
    assert found[0].StudyDate == found[1].StudyDate
    assert list(own_uids(found[0])) == list(own_uids(found[1]))
    assert len({each.StudyInstanceUID for each in found}) == len({each.StudyDate for each in found}) == 3


@pytest.mark.parametrize(("subject", "said"), [("(", "no regular expression"), ("P\\d+", "one group"), ("(a)(b)", "one group")])
def test_a_pattern_that_tells_no_subject_is_refused(subject: str, said: str) -> None:
    with pytest.raises(deid.ProfileError, match=said):
        deid.load_profile(f"schema = 1\nsubject = '{subject}'\n")


def test_an_exam_begun_by_the_patient_goes_on_so() -> None:
    before = [Mapping(KEY, "A", exam, scheme=BY_PATIENT) for exam in ("E001", "E002")]
    assert before[0].days(b"P1") == before[1].days(b" p1 ") != before[0].days(b"P2")
    assert before[0].uid("1.3.1.1.1") == before[1].uid("1.3.1.1.1") != Mapping(KEY, "A", "E001").uid("1.3.1.1.1")


def test_shifts_of_two_studies_tell_nothing_of_each_other() -> None:
    """Over many subjects: no shift is common, none is the other's plus something, and one study's spread over all years."""
    subjects = [f"P{number:05d}" for number in range(4000)]
    first, second = ([Mapping(KEY, study, subject).days(b"") for subject in subjects] for study in "AB")
    differences = Counter(a - b for a, b in zip(first, second, strict=True))
    assert differences.most_common(1)[0][1] < 12  # by chance: one or two of a kind
    assert sum(a == b for a, b in zip(first, second, strict=True)) < 12
    years = Counter(-days // 365 for days in first)
    assert set(range(1, 10)) <= set(years)
    assert max(years[year] for year in range(2, 9)) < 1.4 * min(years[year] for year in range(2, 9))


def test_a_key_can_be_lost_without_loss_of_what_is_archived(mr: Dataset, saved: Callable[..., Path]) -> None:
    """What was cleaned is plain DICOM; with a new key later imports no longer fit earlier ones, and nothing else happens."""
    data = saved(mr).read_bytes()
    (before, _), (after, _) = clean(data), clean(data, key=OTHER_KEY)
    assert before.pixel_array.tolist() == after.pixel_array.tolist()
    assert (before.PatientID, before.SeriesNumber) == (after.PatientID, after.SeriesNumber)
    assert not set(own_uids(before)) & set(own_uids(after))
    assert before.StudyDate != after.StudyDate


def test_a_clean_file_says_nothing_of_the_key(mr: Dataset, saved: Callable[..., Path]) -> None:
    clean_file, report = clean(saved(mr).read_bytes())
    out = io.BytesIO()
    clean_file.save_as(out)
    for secret in (KEY, Mapping(KEY, "A")._key):
        assert secret not in out.getvalue()
        assert secret.hex() not in f"{report}{report.actions}{Mapping(KEY, 'A')!r}{deid.Cleaner!r}"
