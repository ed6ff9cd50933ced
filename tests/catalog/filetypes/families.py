"""One or more real files of every type: what nibabel brings along, and what the tests of de-identification build."""

import base64
import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image

from tests.deid.formats.test_edf import Recording
from tests.deid.formats.test_twix import SAMPLES, header, many
from tests.synthetic import image

NIBABEL = Path(nibabel.__file__).parent / "tests" / "data"
PAIR = "phantom_EPI_asc_CLEAR_2_1"
# Written by h5py: group "dataset" with "xml" and "data", as ISMRMRD has them; and a group with another member.
_ISMRMRD = (
    "eNrr9HBx4+WS4mLm4GCAgf9QICAB4RtAxWV+bQn193AJYmKoYBJCVggDXEwMjAwMbEA5Rgb2lMSSxOLUks0wU50YqAAYP7bMJMYJfCAnMFfk5pgxQjSy8YNE"
    "WECO2sIMNcyYLCf8Ez8jAXYCIwMjowgDAxMjEKCFHLMIA6MkUFQAKAbCEHkOBlag65iZOUQZGFiYQBoFWBRYWAS4nJig+tcyDC2wZ1v2J1dHDxeg3xRYBFi4"
    "CEYflGaB0l1QjydPjZ7o6ugJTCLwoJBADdFRAAGrFtk5oKc+JvTUF8vAGAZM5CXA4M5ITUwBSgFTHEMIkFtSlJgFZEhC06Wggjw0LhQYxDkYxOuBLFAWYUjB"
    "qwSajMUhyZiJCWgTJCHDXMCQRI/UtyZUy51hFIyCUUA2cHf29wGXygKoJTSUy2CTWZxblFuU4gEsR1KL9O1g+i7wj4bdKBgFo2AUjIJRMApGwSgYBaNgFIyC"
    "UTBUALifz4Ho+wMAx/WFxA=="
)
YAPS = """### ASCCONV BEGIN ###
alTE[0] = 2980
alTR[0] = 2300000
adFlipAngleDegree[0] = 9
sProtConsistencyInfo.flNominalB0 = 2.89362
### ASCCONV END ###
"""


def ismrmrd() -> bytes:
    return zlib.decompress(base64.b64decode(_ISMRMRD))


def picture(kind: str, mode: str = "RGB") -> bytes:
    pixels = np.random.default_rng(7).integers(0, 255, (40, 30, 3), np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def mat() -> bytes:
    """Return a MAT-file of one matrix of numbers."""
    name = struct.pack("<II", 1, 4) + b"data" + bytes(4)
    flags, shape = struct.pack("<IIII", 6, 8, 6, 0), struct.pack("<IIii", 5, 8, 1, 2)
    body = flags + shape + name + struct.pack("<IIdd", 9, 16, 1.5, 2.5)
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + struct.pack("<II", 14, len(body)) + body


def office() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return buffer.getvalue()


FILES: dict[str, tuple[str, bytes]] = {
    "dicom": ("DCM", image()),
    "minc": ("MINC", (NIBABEL / "minc2_1_scale.mnc").read_bytes()),
    "freesurfer": ("MGH", (NIBABEL / "test.mgz").read_bytes()),
    "gifti": ("GIFTI", (NIBABEL.parents[1] / "gifti/tests/data/ascii.gii").read_bytes()),
    "nrrd": ("NRRD", b"NRRD0004\ntype: short\ndimension: 2\nsizes: 3 2\nencoding: raw\n\n" + bytes(12)),
    "metaimage": ("METAIMAGE", b"NDims = 2\nDimSize = 3 2\nElementType = MET_CHAR\nElementDataFile = LOCAL\n" + bytes(6)),
    "brainvision": ("BRAINVISION", b"Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nNumberOfChannels=2\n"),
    "rda": ("SPECTRUM", b">>> Begin of header <<<\r\nTE: 30.0\r\n>>> End of header <<<\r\n" + bytes(8)),
    "spar": ("SPECTRUM", b"examination_name : x\nsamples : 4\necho_time : 35\n"),
    "stl": ("MESH", bytes(80) + b"\1\0\0\0" + bytes(50)),
    "obj": ("MESH", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
    "fif": ("FIF", b"\0\0\0\x64\0\0\0\x1f\0\0\0\x14" + bytes(24)),
    "nifti": ("NIFTI", (NIBABEL / "anatomical.nii").read_bytes()),
    "nifti of 4 dimensions, gzipped": ("NIFTI", (NIBABEL / "example4d.nii.gz").read_bytes()),
    "nifti-2, gzipped": ("NIFTI", (NIBABEL / "example_nifti2.nii.gz").read_bytes()),
    "header of a pair": ("NIFTI", (NIBABEL / "nifti1.hdr").read_bytes()),
    "header of a nifti-2 pair": ("NIFTI", (NIBABEL / "nifti2.hdr").read_bytes()),
    "edf+": ("EDF", Recording().bytes()),
    "bdf": ("EDF", Recording(bdf=True, kind="24BIT").bytes()),
    "twix of VB": ("MR_RAW", header(Padding="x" * 12000, MeasYaps=YAPS) + SAMPLES),
    "twix of VD": ("MR_RAW", many(header() + SAMPLES, header(MeasYaps=YAPS) + SAMPLES)),
    "ismrmrd": ("MR_RAW", ismrmrd()),
    "par": ("PAR_REC", (NIBABEL / f"{PAIR}.PAR").read_bytes()),
    "mat": ("MAT", mat()),
    "mat 7.3": ("MAT", b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(384) + ismrmrd()),
    "png": ("IMAGE", picture("PNG")),
    "grey png": ("IMAGE", picture("PNG", "L")),
    "jpeg": ("IMAGE", picture("JPEG")),
    "tiff": ("IMAGE", picture("TIFF")),
    "csv": ("TABLE", b"onset,duration,trial_type\n1.5,2,left\n4.25,2,right\n"),
    "csv of Excel": ("TABLE", b"\xef\xbb\xbfonset;duration\r\n1,5;2\r\n4,25;2\r\n"),
    "long csv": ("TABLE", b"onset,duration\n" + b"1.25,30.000001\n" * 1000),
    "tsv": ("TABLE", b"onset\tduration\n1.5\t2\n"),
    "json": ("TABLE", json.dumps({"EchoTime": 0.003, "SliceTiming": [0.1] * 3000}).encode()),
    "text": ("TEXT", "Übersicht: 3 Läufe\n".encode()),
    "text like json": ("TEXT", b"{not json at all\n"),
    "pdf": ("PDF", b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n"),
    "office": ("OFFICE", office()),
}
NOBODYS = {
    "empty": b"",
    "noise": bytes(np.random.default_rng(3).integers(0, 256, 20_000, np.uint8)),
    "zeros": bytes(5000),
    "analyze": (NIBABEL / "analyze.hdr").read_bytes(),
    "ecat": (NIBABEL / "tinypet.v").read_bytes(),
    "zip": b"PK\x03\x04" + bytes(400),
    "markup": b"<html><body>Anna</body></html>",
}
