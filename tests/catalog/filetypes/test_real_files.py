"""Every Part-10 file of pydicom's wheel and of pydicom-data gives facts, or a reason that a reviewer can read."""

import warnings

import pydicom
import pytest

from catalog.filetypes.dicom import read_facts
from catalog.pure.errors import Unreadable
from tests.catalog.filetypes.samples import FILES

# What is wrong with them is known: no data set, no syntax, cut or forged pixels, the index of a disc.
UNREADABLE = {
    "charset_files/chrSQEncoding.dcm": "instance UID is missing",
    "charset_files/chrSQEncoding1.dcm": "instance UID is missing",
    "test_files/MR_truncated.dcm": "truncated",
    "test_files/UN_sequence.dcm": "instance UID is missing",
    "test_files/badVR.dcm": "broken",
    "test_files/empty_charset_LEI.dcm": "instance UID is missing",
    "test_files/meta_missing_tsyntax.dcm": "transfer syntax is not known",
    "test_files/nested_priv_SQ.dcm": "instance UID is missing",
    "test_files/no_meta_group_length.dcm": "instance UID is missing",
    "test_files/priv_SQ.dcm": "instance UID is missing",
    "test_files/rtplan_truncated.dcm": "truncated",
    "data/bad_sequence.dcm": "instance UID is missing",
    "data/emri_small_jpeg_2k_lossless_too_short.dcm": "truncated",
} | {name: "index of a disc" for name in FILES if "/DICOMDIR" in name}


def test_there_are_many() -> None:
    assert len(FILES) > 100


@pytest.mark.parametrize("name", FILES)
def test_facts_are_what_pydicom_reads(name: str) -> None:
    if name in UNREADABLE:
        with pytest.raises(Unreadable, match=UNREADABLE[name]):
            read_facts(FILES[name])
        return
    facts = read_facts(FILES[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(FILES[name])
        assert facts.sop_instance == dataset.SOPInstanceUID
        assert facts.modality == (dataset.get("Modality") or "")
        assert facts.patient_id == str(dataset.get("PatientID") or "")
        assert facts.patient_name == str(dataset.get("PatientName") or "")
