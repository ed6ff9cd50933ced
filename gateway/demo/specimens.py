"""Real DICOM files that pydicom brings along, put together as exams: one patient each, as a scanner would send them.

Only what comes with pydicom itself is named: nothing is fetched.
"""

from dataclasses import dataclass
from pathlib import Path

import pydicom.data

STUDY = "2008-0003"
OTHER_STUDY = "2019-0007"
_FOLDER = Path(pydicom.data.__file__).parent / "test_files"


@dataclass(frozen=True, slots=True)
class Exam:
    """Files that are sent together. `code`: the exam they become; empty if the reviewer is to reject them, for `reason`."""

    what: str
    files: list[Path]
    code: str = ""
    study: str = STUDY
    reason: str = ""


def exams() -> list[Exam]:
    """Return what is sent after the phantom: exams, and what a reviewer does not let in."""
    return [
        Exam("CT, one slice", _files("CT_small.dcm"), "E002"),
        Exam("MR, big-endian", _files("MR_small_bigendian.dcm"), "E003"),
        Exam("MR with an overlay", _files("examples_overlay.dcm"), "E004"),
        Exam("X-rays and CT of a neck", _below("dicomdirtests/77654033"), "E005"),
        Exam("MR, three series", _below("dicomdirtests/98892003"), "E006"),
        Exam("CT of the same patient", _below("dicomdirtests/98892001"), "E007"),
        Exam("CT, JPEG 2000", _files("693_J2KI.dcm"), "P001", study=OTHER_STUDY),
        Exam("CT, JPEG 2000 lossless", _files("J2K_pixelrep_mismatch.dcm"), "E008"),
        Exam("RT dose, 15 frames", _files("rtdose.dcm"), "E009"),
        Exam("RT plan", _files("rtplan.dcm"), "E010"),
        Exam("structured report", _files("test-SR.dcm"), "E011"),
        Exam("12-lead ECG", _files("waveform_ecg.dcm"), "E012"),
        Exam("segmentation", _files("liver_1frame.dcm"), "E013"),
        Exam("ultrasound, 30 frames", _files("examples_ybr_color.dcm"), "E014"),
        Exam("two patients at once", _files("CT_small.dcm", "MR_small.dcm"), reason="two patients in one batch"),
        Exam("a truncated file", _files("MR_truncated.dcm"), reason="damaged on the way; it is sent again"),
    ]


def _files(*names: str) -> list[Path]:
    return [_FOLDER / name for name in names]


def _below(name: str) -> list[Path]:
    return sorted(path for path in (_FOLDER / name).rglob("*") if path.is_file() and not path.name.startswith("README"))
