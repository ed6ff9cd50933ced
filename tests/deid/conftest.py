"""Fixtures of the de-identification tests: a key, and files made from nothing with a known identity in them."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

import deid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = b"a key that only the tests know.."
MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture
def cleaner() -> deid.Cleaner:
    return deid.Cleaner(deid.load_profile(None), KEY, "2008-0003", "E001")


@pytest.fixture
def mr() -> Dataset:
    """A small MR image of somebody."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    ds.SOPClassUID = MR
    ds.SOPInstanceUID = "1.3.12.2.1107.5.2.32.35162.1"
    ds.StudyInstanceUID = "1.3.12.2.1107.5.2.32.35162.2"
    ds.SeriesInstanceUID = "1.3.12.2.1107.5.2.32.35162.3"
    ds.FrameOfReferenceUID = "1.3.12.2.1107.5.2.32.35162.4"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = "20080312"
    ds.StudyTime = ds.AcquisitionTime = "103522.125000"
    ds.Modality = "MR"
    ds.Manufacturer = "SIEMENS"
    ds.ReferringPhysicianName = "Watsonius^Johann"
    ds.StudyDescription = "Brain of Quandermann"
    ds.SeriesDescription = "t1_mprage_sag Quandermann"
    ds.PatientName = "Quandermann^Eulalie"
    ds.PatientID = "PID-778812"
    ds.PatientBirthDate = "19571204"
    ds.PatientSex = "F"
    ds.PatientAge = "050Y"
    ds.EchoTime = "2.98"
    ds.SeriesNumber = 3
    ds.InstanceNumber = 17
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows = ds.Columns = 4
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = 0
    ds.PixelData = bytes(range(32))
    return ds


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Writes a data set as a Part-10 file."""

    def save(ds: Dataset, syntax: str = ExplicitVRLittleEndian, name: str = "in.dcm") -> Path:
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = syntax
        meta.MediaStorageSOPClassUID = ds.SOPClassUID
        meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.file_meta = meta
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dcmwrite(tmp_path / name, ds, enforce_file_format=True)
        return tmp_path / name

    return save


@pytest.fixture
def cleaned(cleaner: deid.Cleaner, saved: Callable[..., Path]) -> Callable[..., tuple[bytes, deid.Report]]:
    """Saves and cleans a data set; gives the clean bytes and the report."""

    def run(ds: Dataset, syntax: str = ExplicitVRLittleEndian) -> tuple[bytes, deid.Report]:
        out = io.BytesIO()
        report = cleaner.clean(saved(ds, syntax), out)
        return out.getvalue(), report

    return run
