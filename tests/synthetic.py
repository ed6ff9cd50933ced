"""Small DICOM files with invented patients, as bytes."""

import io

import numpy as np
from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

ROOT = "1.2.826.0.1.3680043.10.1999"


def image(
    *,
    patient: str = "Doe^Jane",
    patient_id: str = "HOSP-4711",
    birth_date: str = "19610507",
    study: str = "1",
    series: int = 3,
    instance: int = 1,
    description: str = "t1_mprage sag",
    pixels: bytes | None = None,
    **more: object,
) -> bytes:
    """Return an MR image of 16 x 16 pixels as a Part-10 file; `more` are keywords to set besides."""
    with config.disable_value_validation():  # odd values are what some tests are about
        dataset = _dataset(patient, patient_id, birth_date, study, series, instance, description)
        dataset.PixelData = pixels or (np.arange(256, dtype="<u2") + instance).tobytes()
        for keyword, value in more.items():
            setattr(dataset, keyword, value)
        return part10(dataset)


def _dataset(
    patient: str, patient_id: str, birth_date: str, study: str, series: int, instance: int, description: str
) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = f"{ROOT}.{study}.{series}.{instance}"
    dataset.StudyInstanceUID = f"{ROOT}.{study}"
    dataset.SeriesInstanceUID = f"{ROOT}.{study}.{series}"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20080312"
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "101500"
    dataset.StudyID, dataset.AccessionNumber, dataset.ReferringPhysicianName = study, "A-99", "House^Gregory"
    dataset.Modality, dataset.Manufacturer = "MR", "ACME"
    dataset.SeriesDescription, dataset.SeriesNumber, dataset.InstanceNumber = description, series, instance
    dataset.PatientName, dataset.PatientID = patient, patient_id
    dataset.PatientBirthDate, dataset.PatientSex = birth_date, "F"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.EchoTime, dataset.RepetitionTime = "GR", "MP", 2.9, 2300.0
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, instance], [1, 0, 0, 0, 1, 0]
    dataset.FrameOfReferenceUID, dataset.PixelSpacing, dataset.SliceThickness = f"{ROOT}.{study}.9", [1, 1], 1
    dataset.Rows = dataset.Columns = 16
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    return dataset


def part10(dataset: Dataset) -> bytes:
    """Return a data set as a Part-10 file, explicit VR little endian."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
