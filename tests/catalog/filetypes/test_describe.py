"""What a published file says of itself, from the headers that de-identification hands out, odd ones too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.filetypes.dicom import describe
from catalog.pure.errors import Unreadable
from catalog.pure.filing import Description, StoredFile, plan

HEADERS: dict[str, str | int | float] = {
    "SOPInstanceUID": "2.25.1", "SeriesInstanceUID": "2.25.2", "Modality": "MR", "SeriesNumber": 3,
    "SeriesDescription": "t1 mprage", "InstanceNumber": 7, "AcquisitionDateTime": "2008-01-10T21:20:00",
}  # fmt: skip


def test_ordinary_headers() -> None:
    found = describe(HEADERS)
    assert (found.file_type, found.extension, found.series_number, found.number) == ("DCM_MR", ".dcm", 3, 7)
    assert (found.series_description, found.acquired) == ("t1 mprage", 1_200_000_000)
    assert (len(found.identity), len(found.series)) == (16, 16)


def test_the_instance_alone_is_needed() -> None:
    found = describe({"SOPInstanceUID": "2.25.1"})
    assert (found.file_type, found.series_number, found.number, found.acquired) == ("DCM_OT", 0, None, None)
    with pytest.raises(Unreadable, match="instance UID"):
        describe({})


@pytest.mark.parametrize("modality", ["", " ", "mr", "MR\\CT", "M R", "../x", "X" * 17, "Ä", "MR\0"])
def test_a_modality_that_is_no_code_makes_no_odd_file_type(modality: str) -> None:
    found = describe(HEADERS | {"Modality": modality})
    assert found.file_type in {"DCM_OT", "DCM_MR"}


@pytest.mark.parametrize("number", [-1, 2**31, 10**30, 3.5, "x", ""])
def test_a_series_number_that_fits_no_column_is_none(number: str | float) -> None:
    assert describe(HEADERS | {"SeriesNumber": number}).series_number == 0


@pytest.mark.parametrize("moment", ["", "yesterday", "2008", "2008-13-45", "0001-01-01T00:00:00", "9999-12-31T23:59:59", "\0"])
def test_a_moment_that_is_none_is_left_out(moment: str) -> None:
    found = describe(HEADERS | {"AcquisitionDateTime": moment}).acquired
    assert found is None or -(2**62) < found < 2**62


def test_the_protocol_stands_in_for_a_missing_description() -> None:
    assert describe(HEADERS | {"SeriesDescription": "", "ProtocolName": "knee"}).series_description == "knee"


def test_series_are_told_apart_by_uid_and_file_type_and_else_by_number_and_description() -> None:
    assert describe(HEADERS).series != describe(HEADERS | {"SeriesInstanceUID": "2.25.3"}).series
    assert describe(HEADERS).series != describe(HEADERS | {"Modality": "SR"}).series
    assert describe(HEADERS).series == describe(HEADERS | {"SeriesNumber": 4}).series
    without = {key: value for key, value in HEADERS.items() if key != "SeriesInstanceUID"}
    assert describe(without).series == describe(without | {"InstanceNumber": 8}).series
    assert describe(without).series != describe(without | {"SeriesNumber": 4}).series


@pytest.mark.parametrize("text", ["a\0b", "a\nb", "a\ud800b", "a\x1b[31mb"])
def test_a_description_that_no_database_takes_is_mended(text: str) -> None:
    found = describe(HEADERS | {"SeriesDescription": text, "SeriesInstanceUID": ""}).series_description
    found.encode()
    assert found.isprintable()
    assert found.startswith("a")


values = st.text() | st.integers() | st.floats()


@given(st.dictionaries(st.sampled_from(sorted(HEADERS)), values))
def test_any_headers_can_be_filed_or_are_refused(odd: dict[str, str | int | float]) -> None:
    try:
        found = describe(HEADERS | odd)
    except Unreadable:
        return
    assert isinstance(found, Description)
    assert len(found.file_type) <= 32
    planned = plan([StoredFile(1, bytes(32), 1, found)], [])
    assert len(planned.series[0].files) == 1
