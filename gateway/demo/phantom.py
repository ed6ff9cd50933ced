"""A synthetic MR exam: a head of ellipsoids, cut into slices twice, by an invented scanner for an invented patient.

It carries every identity that a scanner writes, so that what de-identification removes can be seen.
"""

import math
import warnings
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

PATIENT = "DEMO^PHANTOM"
SLICES = 32
_SIDE = 160  # pixels and, at 1.5 mm each, 240 mm
_SPACING = 1.5
_THICKNESS = 4.5


@dataclass(frozen=True, slots=True)
class _Ellipsoid:
    """Centre and half axes as parts of the head's, turned by `degrees` in the slice; brightness in T1 and in T2."""

    centre: tuple[float, float, float]
    axes: tuple[float, float, float]
    degrees: float
    t1: int
    t2: int


# Later ones lie inside earlier ones: scalp, skull, brain, then what is in the brain.
_HEAD = (
    _Ellipsoid((0.0, 0.0, 0.0), (0.72, 0.95, 0.95), 0, 900, 420),
    _Ellipsoid((0.0, 0.0, 0.0), (0.67, 0.89, 0.89), 0, 90, 60),
    _Ellipsoid((0.0, -0.01, 0.0), (0.63, 0.85, 0.85), 0, 520, 480),
    _Ellipsoid((0.0, 0.0, 0.0), (0.50, 0.70, 0.72), 0, 700, 350),
    _Ellipsoid((0.15, 0.0, 0.05), (0.10, 0.30, 0.25), -18, 150, 1000),
    _Ellipsoid((-0.15, 0.0, 0.05), (0.13, 0.36, 0.25), 18, 150, 1000),
    _Ellipsoid((0.0, 0.38, -0.1), (0.16, 0.20, 0.30), 0, 560, 430),
    _Ellipsoid((0.28, -0.35, 0.2), (0.07, 0.07, 0.09), 0, 380, 1150),
    _Ellipsoid((-0.2, -0.48, -0.2), (0.05, 0.08, 0.07), 30, 1050, 300),
)

_SERIES = ((3, "t1_mprage", "t1"), (4, "t2_tse_tra", "t2"))


def write(folder: Path) -> list[Path]:
    """Write the exam into a folder, two series of `SLICES` files, and return the files in the order of their slices."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, description, contrast in _SERIES:
        for index in range(SLICES):
            file = folder / f"{contrast}-{index + 1:03d}.dcm"
            _slice(file, number, description, contrast, index)
            files.append(file)
    return files


def _slice(file: Path, number: int, description: str, contrast: str, index: int) -> None:
    uid = generate_uid(entropy_srcs=["archimed phantom", contrast, str(index)])
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(file), {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = uid
    _identify(dataset)
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["archimed phantom", contrast])
    dataset.SeriesNumber = number
    dataset.SeriesDescription = dataset.ProtocolName = description
    dataset.InstanceNumber = index + 1
    dataset.SeriesTime = dataset.AcquisitionTime = f"10{number:02d}00"
    _acquire(dataset, contrast)
    _place(dataset, index)
    dataset.PixelData = _pixels(contrast, _height(index))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what it writes must be right
        dataset.save_as(file, enforce_file_format=True)


def _identify(dataset: Dataset) -> None:
    dataset.PatientName = PATIENT
    dataset.PatientID = "PHANTOM-4711"
    dataset.PatientBirthDate = "19700401"
    dataset.PatientSex = "O"
    dataset.PatientAge = "055Y"
    dataset.PatientWeight = "71"
    dataset.PatientAddress = "1 Phantom Lane"
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["archimed phantom"])
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=["archimed phantom frame"])
    dataset.StudyID = "4711"
    dataset.AccessionNumber = "ACC-4711"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20250603"
    dataset.StudyTime = dataset.ContentTime = "100000"
    dataset.StudyDescription = "Brain"
    dataset.ReferringPhysicianName = "REFERRER^ROSA"
    dataset.OperatorsName = "OPERATOR^OTTO"
    dataset.InstitutionName = "Demonstration Hospital"
    dataset.StationName = "MRDEMO1"


def _acquire(dataset: Dataset, contrast: str) -> None:
    dataset.Modality = "MR"
    dataset.Manufacturer = "Phantom Works"
    dataset.ManufacturerModelName = "Ellipsoid 3"
    dataset.DeviceSerialNumber = "000042"
    dataset.MagneticFieldStrength = "3"
    dataset.BodyPartExamined = "HEAD"
    dataset.PatientPosition = "HFS"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    dataset.ScanningSequence = "GR" if contrast == "t1" else "SE"
    dataset.SequenceVariant = "SP"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "3D" if contrast == "t1" else "2D"
    dataset.RepetitionTime, dataset.EchoTime = ("2300", "2.98") if contrast == "t1" else ("6000", "99")
    dataset.FlipAngle = "9" if contrast == "t1" else "150"
    dataset.EchoTrainLength = 1 if contrast == "t1" else 18


def _place(dataset: Dataset, index: int) -> None:
    corner = -_SIDE * _SPACING / 2
    level = (index - (SLICES - 1) / 2) * _THICKNESS
    dataset.ImagePositionPatient = [f"{corner:g}", f"{corner:g}", f"{level:g}"]
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    dataset.SliceLocation = f"{level:g}"
    dataset.SliceThickness = dataset.SpacingBetweenSlices = f"{_THICKNESS:g}"
    dataset.PixelSpacing = [f"{_SPACING:g}", f"{_SPACING:g}"]
    dataset.Rows = dataset.Columns = _SIDE
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = "500", "1000"


def _height(index: int) -> float:
    """Return where a slice cuts the head: -1 is its lowest point, 1 its highest."""
    return (index - (SLICES - 1) / 2) / (SLICES / 2)


def _pixels(contrast: str, height: float) -> bytes:
    image = array("H", bytes(2 * _SIDE * _SIDE))
    for shape in _HEAD:
        value = shape.t1 if contrast == "t1" else shape.t2
        for row, first, last in _spans(shape, height):
            image[row * _SIDE + first : row * _SIDE + last] = array("H", [value]) * (last - first)
    return image.tobytes()


def _spans(shape: _Ellipsoid, height: float) -> Iterator[tuple[int, int, int]]:
    """Yield for each row that a slice of the ellipsoid covers: the row, its first pixel, and the pixel behind its last."""
    above = (height - shape.centre[2]) / shape.axes[2]
    if abs(above) >= 1:
        return
    shrunk = math.sqrt(1 - above * above)
    a, b = shape.axes[0] * shrunk, shape.axes[1] * shrunk
    cosine, sine = math.cos(math.radians(shape.degrees)), math.sin(math.radians(shape.degrees))
    # The turned ellipse as p x^2 + 2 q x y + r y^2 = 1; a row fixes y.
    p = cosine**2 / a**2 + sine**2 / b**2
    q = cosine * sine * (1 / a**2 - 1 / b**2)
    r = sine**2 / a**2 + cosine**2 / b**2
    for row in range(_SIDE):
        y = (row + 0.5) * 2 / _SIDE - 1 - shape.centre[1]
        inside = (q * y) ** 2 - p * (r * y * y - 1)
        if inside <= 0:
            continue
        middle, half = shape.centre[0] - q * y / p, math.sqrt(inside) / p
        first, last = (round((middle + side * half + 1) * _SIDE / 2) for side in (-1, 1))
        if last > first:
            yield row, first, last
