"""The gate's words for de-identification: what waits for an eye, an ear or a reason, and what no word lets through."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from catalog.pure.errors import Held
from gateway.deidentification import StandardDeidentification

if TYPE_CHECKING:
    from io import BufferedRandom
    from pathlib import Path

PROFILE = 'schema = 1\n[[rule]]\ntag = "ImageComments"\naction = "keep"\n'


@pytest.fixture
def deidentification(tmp_path: Path) -> StandardDeidentification:
    (tmp_path / "key").write_text("ab" * 32)
    return StandardDeidentification(tmp_path / "key")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An ultrasound image whose device framed one pixel, with the patient's ID in a comment."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.3.4"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2.3.1", "1.2.3.2", "US"
    ds.PatientName, ds.PatientID, ds.ImageComments = "Quandermann^Eulalie", "4711", "probe 4711"
    region = Dataset()
    region.RegionLocationMinX0 = region.RegionLocationMaxX1 = region.RegionLocationMinY0 = region.RegionLocationMaxY1 = 5
    ds.SequenceOfUltrasoundRegions = Sequence([region])
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = 16
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PixelData = bytes(range(256))
    ds["PixelData"].VR = "OB"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.save_as(tmp_path / "us.dcm", enforce_file_format=True)
    return tmp_path / "us.dcm"


def cleaned(deidentification: StandardDeidentification, image: Path, **words: bool) -> Dataset:
    out = io.BytesIO()
    cleaner = deidentification.cleaner("S1", "E001", PROFILE, **{"approved": False, **words})
    cleaner.clean(image, cast("BufferedRandom", out))
    return dcmread(io.BytesIO(out.getvalue()))


def test_each_hold_has_its_own_word(deidentification: StandardDeidentification, image: Path) -> None:
    assert "frame nothing" in deidentification.burned_in(PROFILE, image)
    with pytest.raises(Held, match=r"frame nothing.*heuristic"):
        cleaned(deidentification, image, attested=True)
    with pytest.raises(Held, match=r"a removed code is still in the file.*heuristic"):
        cleaned(deidentification, image, approved=True)
    new = cleaned(deidentification, image, approved=True, attested=True)
    assert (new.PatientID, new.ImageComments, new.PixelData) == ("E001", "probe 4711", bytes(range(256)))


def test_what_is_certain_needs_more_than_a_word(deidentification: StandardDeidentification, image: Path) -> None:
    ds = dcmread(image)
    ds.ImageComments = "see 1.2.3.4, Eulalie Quandermann"
    ds.save_as(image)
    with pytest.raises(Held, match="certain"):
        cleaned(deidentification, image, approved=True, attested=True)


def test_nothing_is_told_of_what_is_no_dicom(deidentification: StandardDeidentification, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("left ventricle")
    assert deidentification.burned_in(None, tmp_path / "text") == ""
