"""The ten actions of the MIDI-B scoring, on a set made here: two patients, two visits each, two images a visit."""

from __future__ import annotations

import copy
import datetime as dt
import io
from typing import TYPE_CHECKING

import pytest
from pydicom import Dataset, dcmread

import deid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Pair = tuple[Dataset, Dataset]


def day(text: str) -> dt.date:
    return dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))


@pytest.fixture
def pairs(mr: Dataset, saved: Callable[..., Path]) -> list[Pair]:
    """(original, clean) of every image. Every visit is an exam of its own, cleaned by a cleaner of its own."""
    found = []
    for patient in ("P-4711001", "P-4711002"):
        for visit, date in enumerate(("20080228", "20080301")):
            for image in range(2):
                ds = copy.deepcopy(mr)
                ds.PatientID, ds.StudyDate, ds.SeriesDate, ds.AcquisitionDate = patient, date, date, date
                ds.StudyInstanceUID = f"1.2.3.4.{patient[-1]}.{visit}"
                ds.SeriesInstanceUID = ds.StudyInstanceUID + ".1"
                ds.SOPInstanceUID = ds.SeriesInstanceUID + f".{image}"
                ds.FrameOfReferenceUID = ds.StudyInstanceUID + ".9"
                ds.ImageComments = "call +33 6 12 34 56 78, brain"
                exam = f"E{patient[-1]}-V{visit}"
                out = io.BytesIO()
                deid.Cleaner(deid.load_profile(None), b"k" * 32, "A", exam).clean(saved(ds), out)
                found.append((ds, dcmread(io.BytesIO(out.getvalue()))))
    return found


def test_tags_retained(pairs: list[Pair]) -> None:
    for old, new in pairs:
        for keyword in ("Modality", "EchoTime", "Rows", "SeriesNumber", "InstanceNumber", "PatientSex", "Manufacturer"):
            assert new[keyword].value == old[keyword].value


def test_text_retained_where_it_identifies_nobody(pairs: list[Pair]) -> None:
    assert all("t1_mprage_sag" in new.SeriesDescription for _, new in pairs)


def test_text_not_null_where_a_value_is_required(pairs: list[Pair]) -> None:
    for _, new in pairs:
        for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "DeidentificationMethod"):
            assert str(new[keyword].value)


def test_text_removed(pairs: list[Pair]) -> None:
    for _, new in pairs:
        assert "Quandermann" not in str(new)
        assert "78" not in new.get("ImageComments", "")


def test_dates_shifted_with_intervals_kept(pairs: list[Pair]) -> None:
    shifts: dict[str, set[int]] = {}
    for old, new in pairs:
        shifts.setdefault(old.PatientID, set()).add((day(new.StudyDate) - day(old.StudyDate)).days)
        assert new.StudyDate == new.SeriesDate == new.AcquisitionDate
    assert all(len(days) == 1 and days != {0} for days in shifts.values())
    assert len({days.pop() for days in shifts.values()}) == 2


def test_uids_changed(pairs: list[Pair]) -> None:
    for old, new in pairs:
        for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
            assert new[keyword].value != old[keyword].value


def test_uids_consistent(pairs: list[Pair]) -> None:
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        mapped = {(old[keyword].value, new[keyword].value) for old, new in pairs}
        assert len(mapped) == len({a for a, _ in mapped}) == len({b for _, b in mapped})


def test_patient_ids_consistent_within_a_visit(pairs: list[Pair]) -> None:
    mapped = {(old.StudyInstanceUID, new.PatientID) for old, new in pairs}
    assert len(mapped) == 4
    assert {code for _, code in mapped} == {"E1-V0", "E1-V1", "E2-V0", "E2-V1"}


def test_pixels_retained(pairs: list[Pair]) -> None:
    assert all(new.PixelData == old.PixelData for old, new in pairs)


def test_pixels_that_may_show_text_do_not_pass(mr: Dataset, saved: Callable[..., Path]) -> None:
    mr.SOPClassUID, mr.Modality = "1.2.840.10008.5.1.4.1.1.6.1", "US"
    with pytest.raises(deid.Held, match="burned"):
        deid.Cleaner(deid.load_profile(None), b"k" * 32, "A", "E1").clean(saved(mr), io.BytesIO())
