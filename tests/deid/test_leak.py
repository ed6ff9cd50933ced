"""The leak check: what is found, what is excused, and that nothing it says carries a value."""

from __future__ import annotations

import io
import traceback
from typing import TYPE_CHECKING

import pytest
from pydicom import Dataset, dcmread

import deid
from tests.deid.corpus import files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEEP = """schema = 1
options = ["modified_dates"]
[[rule]]
tag = "(0029,xx10)@SIEMENS CSA HEADER"
action = "keep"
[[rule]]
tag = "ImageComments"
action = "keep"
"""


def clean(ds: Dataset, saved: Callable[..., Path], **syntax: str) -> bytes:
    out = io.BytesIO()
    deid.Cleaner(deid.load_profile(KEEP), b"k" * 32, "A", "E001").clean(saved(ds, **syntax), out)
    return out.getvalue()


def held(ds: Dataset, saved: Callable[..., Path], **syntax: str) -> deid.Held:
    with pytest.raises(deid.Held) as caught:
        clean(ds, saved, **syntax)
    said = "".join(traceback.format_exception(caught.value)).lower()
    for secret in ("quandermann", "eulalie", "778812", "1957", "35162", "in.dcm"):
        assert secret not in said
    return caught.value


SPELLINGS = [
    b"..QUANDERMANN..",
    b"johnquandermannson",
    "Eulalie".encode("utf-16-le"),
    "EULALIE".encode("utf-16-be"),
    b"PID-778812",
    b"1957-12-04",
    b"04.12.1957",
    b"12/04/1957",
    b"4 Dec 1957",
    b"19571204",
    b"20080312",
    b"1.3.12.2.1107.5.2.32.35162.1",
    b"1.3.12.2.1107.5.2.32.35162.2.77",
    "1.3.12.2.1107.5.2.32.35162.3".encode("utf-16-le"),
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_kept_private_blob_is_searched(mr: Dataset, saved: Callable[..., Path], spelling: bytes) -> None:
    blob = b"SV10\4\3\2\1" + bytes(40) + spelling + bytes(40 + len(spelling) % 2)
    mr.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", blob)
    assert held(mr, saved).tag_path == "(0029,1010)"


def test_a_blob_without_identities_stays_whole(mr: Dataset, saved: Callable[..., Path]) -> None:
    blob = b"SV10\4\3\2\1" + bytes(range(256)) + b"B_value 1000 "
    mr.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", blob + b"\0")
    ds = dcmread(io.BytesIO(clean(mr, saved)))
    assert ds[0x0029, 0x1010].value == blob + b"\0"


@pytest.mark.parametrize(
    ("charset", "name", "hidden"),
    [
        ("ISO_IR 100", "Müller-Lüdenscheidt^Jörg", "LUEDENSCHEIDT"),
        ("ISO_IR 192", "Bérénice^Élodie", "berenice"),
        ("ISO_IR 192", "Bérénice^Élodie", "BÉRÉNICE"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "山田"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "길동"),
        ("GB18030", "Wang^XiaoDong=王^小东", "小东"),
    ],
)
def test_names_of_every_script_are_found(
    mr: Dataset, saved: Callable[..., Path], charset: str | list[str], name: str, hidden: str
) -> None:
    mr.SpecificCharacterSet, mr.PatientName = charset, name
    mr.ImageComments = f"scan of {hidden}"
    assert held(mr, saved).tag_path == "(0020,4000)"


def test_a_patient_named_like_a_term_is_dropped_from_text_and_not_held(mr: Dataset, saved: Callable[..., Path]) -> None:
    mr.PatientName, mr.BodyPartExamined, mr.SeriesDescription = "Brain^Max", "BRAIN", "t1 brain max"
    out = io.BytesIO()
    deid.Cleaner(deid.load_profile(None), b"k" * 32, "A", "E001").clean(saved(mr), out)
    assert dcmread(io.BytesIO(out.getvalue())).SeriesDescription == "t1"


def test_an_encapsulated_document_is_held(mr: Dataset, saved: Callable[..., Path]) -> None:
    mr.SOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    mr.EncapsulatedDocument = b"%PDF-1.4"
    assert held(mr, saved).tag_path == "(0042,0011)"


def test_cleaning_the_clean_adds_nothing(mr: Dataset, saved: Callable[..., Path], tmp_path: Path) -> None:
    first = clean(mr, saved)
    (tmp_path / "again.dcm").write_bytes(first)
    out = io.BytesIO()
    deid.Cleaner(deid.load_profile(KEEP), b"k" * 32, "A", "E001").clean(tmp_path / "again.dcm", out)
    once, twice = dcmread(io.BytesIO(first)), dcmread(io.BytesIO(out.getvalue()))
    assert once.DeidentificationMethod == twice.DeidentificationMethod
    assert once.DeidentificationMethodCodeSequence == twice.DeidentificationMethodCodeSequence
    assert once.PixelData == twice.PixelData


def test_a_full_disk_is_not_the_file_s_fault(mr: Dataset, saved: Callable[..., Path]) -> None:
    path = saved(mr)
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="No space") as caught:  # noqa: PTH123
        deid.Cleaner(deid.load_profile(None), b"k" * 32, "A", "E001").clean(path, full)
    assert not isinstance(caught.value, deid.DeidError)
    assert "in.dcm" not in str(caught.value)


def test_references_point_at_the_same_objects_in_another_file(mr: Dataset, saved: Callable[..., Path]) -> None:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = mr.SOPClassUID, mr.SOPInstanceUID
    image = dcmread(io.BytesIO(clean(mr, saved)))
    mr.SOPInstanceUID, mr.SourceImageSequence, mr.ReferencedImageSequence = (
        "1.3.12.2.1107.5.2.32.35162.9",
        [reference],
        [reference],
    )
    other = dcmread(io.BytesIO(clean(mr, saved)))
    assert other.SourceImageSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert other.ReferencedImageSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert other.ReferencedImageSequence[0].ReferencedSOPClassUID == image.SOPClassUID
    assert other.StudyInstanceUID == image.StudyInstanceUID


@pytest.mark.parametrize("identifier", ["100", "2022", "192", "MONOCHROME2"])
def test_an_id_like_a_term_does_not_break_the_file(mr: Dataset, saved: Callable[..., Path], identifier: str) -> None:
    mr.SpecificCharacterSet, mr.PatientID = ["ISO_IR 100", "ISO 2022 IR 87"], identifier
    out = io.BytesIO()
    profile = deid.load_profile(None)
    if identifier == "MONOCHROME2":
        with pytest.raises(deid.Held):
            deid.Cleaner(profile, b"k" * 32, "A", "E001").clean(saved(mr), out)
        return
    deid.Cleaner(profile, b"k" * 32, "A", "E001").clean(saved(mr), out)
    ds = dcmread(io.BytesIO(out.getvalue()))
    assert ds.SpecificCharacterSet == ["ISO_IR 100", "ISO 2022 IR 87"]
    assert ds.PatientID == "E001"


def test_an_id_that_is_one_of_our_own_codes_holds_nothing_else(mr: Dataset, saved: Callable[..., Path]) -> None:
    mr.PatientID = "113100"
    assert b"113100" in clean(mr, saved)  # the code of the method, in its sequence
    mr.ImageComments = "known as 113100"
    with pytest.raises(deid.Held) as caught:
        clean(mr, saved)
    assert caught.value.tag_path == "(0020,4000)"


@pytest.mark.parametrize("engine", ["fast", "safe"])
def test_an_identity_in_a_removed_sequence_is_searched_for(mr: Dataset, saved: Callable[..., Path], engine: str) -> None:
    other = Dataset()
    other.PatientID = "OTHER-661188"
    mr.OtherPatientIDsSequence = [other]
    mr.ImageComments = "also known as OTHER-661188"
    cleaner = deid.Cleaner(deid.load_profile(KEEP), b"k" * 32, "A", "E001", engine=engine)
    path = saved(mr)
    with pytest.raises(deid.Held) as caught:
        cleaner.clean(path, io.BytesIO())
    assert caught.value.tag_path == "(0020,4000)"


def test_a_dicomdir_is_held() -> None:
    path = next(path for path in files() if path.name == "DICOMDIR")
    with pytest.raises(deid.Held, match="DICOMDIR"):
        deid.Cleaner(deid.load_profile(None), b"k" * 32, "A", "E001").clean(path, io.BytesIO())


VENDOR = "1.2.276.0.7230010.3"
SCHEME = f"{VENDOR}.0.0.1"


def coded(scheme: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodingSchemeUID, code.CodeMeaning = "1234", "99TEST", scheme, "Brain"
    return code


def removed_elsewhere(mr: Dataset, where: str) -> None:
    if where == "creator":
        mr.InstanceCreatorUID = SCHEME
    elif where == "root":
        mr.InstanceCreatorUID = VENDOR
    elif where == "private":
        mr.private_block(0x0099, "SOMEBODY", create=True).add_new(0x10, "UI", SCHEME)
    else:
        observer = Dataset()
        observer.VerifyingObserverIdentificationCodeSequence = [coded(SCHEME)]
        mr.VerifyingObserverSequence = [observer]


@pytest.mark.parametrize("where", ["creator", "root", "private", "observer"])
def test_a_uid_of_a_kind_of_things_is_no_leak_where_it_is_kept_by_right(
    mr: Dataset, saved: Callable[..., Path], where: str
) -> None:
    removed_elsewhere(mr, where)
    mr.AnatomicRegionSequence = [coded(SCHEME)]
    assert dcmread(io.BytesIO(clean(mr, saved))).AnatomicRegionSequence[0].CodingSchemeUID == SCHEME


def test_an_instance_s_uid_is_a_leak_also_where_kinds_are_named(mr: Dataset, saved: Callable[..., Path]) -> None:
    mr.AnatomicRegionSequence = [coded(mr.StudyInstanceUID)]
    assert held(mr, saved).certain


def test_a_public_coding_scheme_is_none_of_the_file_s_secrets(mr: Dataset, saved: Callable[..., Path]) -> None:
    mr.private_block(0x0099, "SOMEBODY", create=True).add_new(0x10, "UI", "2.16.840.1.113883.6.96")
    mr.PatientID = "113883"
    mr.AnatomicRegionSequence = [coded("2.16.840.1.113883.6.96")]
    assert dcmread(io.BytesIO(clean(mr, saved))).AnatomicRegionSequence[0].CodingSchemeUID == "2.16.840.1.113883.6.96"
