"""The checks over real files: every fault ends in a readable reason on its file, and the rest of the batch goes on."""

import json
import struct

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from catalog.pure.batches import State
from tests.catalog.gate.conftest import STUDY, Gate
from tests.synthetic import image, part10

GOOD = image()
PIXEL_HEADER = GOOD.rindex(b"\xe0\x7f\x10\x00")


def _deep(depth: int) -> bytes:
    """Return a data set with sequences inside sequences, of undefined length."""
    header = struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return GOOD[:PIXEL_HEADER] + header * depth


BAD = {
    "zero bytes": b"",
    "not DICOM": b"%PDF-1.7 " + b"x" * 4000,
    "truncated in the header": GOOD[:505],
    "truncated in the pixels": GOOD[:-100],
    "a 4 GB element": GOOD[:PIXEL_HEADER] + struct.pack("<HH2sHL", 0x0009, 0x1001, b"OB", 0, 0xFFFFFFFE) + b"abc",
    "nested 100,000 deep": _deep(100_000),
    "no file meta": GOOD[:132] + GOOD[GOOD.index(b"\x08\x00\x05\x00CS") :],
    "garbage behind the meta": GOOD[:400] + bytes(range(256)) * 20,
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_file_has_a_reason_and_the_rest_goes_on(gate: Gate, fault: str) -> None:
    info = gate.checked(image(instance=1), BAD[fault], image(instance=2))
    (finding,) = [finding for finding in info.findings if finding["severity"] == "error"]
    details = gate.review.show(info.id)
    bad = details.files[1]
    assert finding["file"] == bad.file
    assert (bad.state, bad.reason) == ("bad", finding["message"])
    assert len(bad.reason) > 20
    assert [file.state for file in details.files] == ["staged", "bad", "staged"]
    gate.review.accept(info.id, STUDY, "E001")
    gate.work()
    assert gate.review.info(info.id).state is State.PUBLISHED
    assert gate.names("2008-0003/E001/003_DCM_MR_t1_mprage_sag") == ["00001.dcm", "00002.dcm"]


@pytest.mark.parametrize(
    "name", ["a/b^../..", "line\nbreak^x", "Müller^Jürgen", "x" * 300, "山田^太郎", "nul\0inside"], ids=ascii
)
def test_odd_names_do_no_harm_and_stay_in_staging(gate: Gate, name: str) -> None:
    info = gate.checked(image(patient=name))
    assert info.findings == []
    gate.review.accept(info.id, STUDY, "E001")
    gate.work()
    content = gate.read("2008-0003/E001/003_DCM_MR_t1_mprage_sag/00001.dcm")
    assert name.encode() not in content


def test_iso_2022_names_are_read_for_the_reviewer(gate: Gate) -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    content = image(patient=name, SpecificCharacterSet=["", "ISO 2022 IR 87"])
    info = gate.checked(content)
    assert gate.staging.notes.read_about(info.id)["patients"][0]["name"] == name


def test_a_file_cut_off_between_two_elements_is_named(gate: Gate) -> None:
    info = gate.checked(GOOD[:PIXEL_HEADER])
    (finding,) = info.findings
    assert (finding["check"], finding["severity"], finding["file"]) == ("has_pixels", "warning", 1)


def test_what_the_batch_holds_is_counted(gate: Gate) -> None:
    files = [image(series=series, instance=instance) for series in (3, 4) for instance in range(1, 4)]
    info = gate.checked(*files)
    assert info.summary == [
        {"label": "3", "modality": "MR", "series": 3, "file_type": "DCM_MR", "files": 3, "patient": 1},
        {"label": "4", "modality": "MR", "series": 4, "file_type": "DCM_MR", "files": 3, "patient": 1},
    ]
    about = gate.staging.notes.read_about(info.id)
    assert about["patients"] == [{"name": "Doe^Jane", "id": "HOSP-4711", "birth_date": "19610507", "sex": "F", "files": 6}]


def test_the_same_instance_with_other_bytes_is_named(gate: Gate) -> None:
    info = gate.checked(image(), image(EchoTime=5.5))
    (finding,) = info.findings
    assert (finding["check"], finding["severity"], finding["file"]) == ("duplicates", "warning", 2)


def test_an_instance_that_waits_elsewhere_is_named(gate: Gate) -> None:
    first = gate.checked(image())
    second = gate.checked(image())
    assert second.id != first.id
    assert [finding["message"] for finding in second.findings] == [f"1 of the files waits in batch {first.id} too"]


def test_late_files_name_the_batch_they_are_late_for(gate: Gate) -> None:
    first = gate.checked(image(instance=1))
    stranger = gate.checked(image(study="77", instance=1))
    late = gate.checked(image(instance=2))
    assert (first.follows, stranger.follows, late.follows) == (None, None, first.id)


def test_findings_and_summary_hold_no_identity(gate: Gate) -> None:
    nested = Dataset()
    nested.PatientName = "Inner^Name"
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", "1.9.9.9"
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Secret^Soul", "PID-1", "19500101"
    dataset.RequestAttributesSequence = Sequence([nested])
    info = gate.checked(part10(dataset), image(), image()[:700])
    text = json.dumps([info.findings, info.summary])
    for value in ("Secret", "Soul", "PID-1", "19500101", "1.9.9.9", "Jane", "HOSP", "Inner"):
        assert value not in text
