"""The look at files that are kept as they are: identities are told, what programs write of archived images is not."""

import gzip
import io
import json
import random
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest

from deid import load_profile
from deid.formats import FileCleaner
from tests.deid.formats.conftest import KEY
from tests.synthetic import image

NAME = "Mustermann^Hans"


def _h5(**values: str) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        for name, value in values.items():
            file[f"nirs/metaDataTags/{name}"] = value
        file["nirs/data1/dataTimeSeries"] = np.zeros((4, 2))
        file["formatVersion"] = "1.0"
    return out.getvalue()


def _nifti(name: str = "") -> bytes:
    made = nibabel.Nifti1Image(np.zeros((4, 4, 4), "i2"), np.eye(4))
    made.header["db_name"] = name
    return bytes(made.to_bytes())


def _packed(data: bytes, name: str) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(name, "wb", fileobj=out, mtime=0) as packer:
        packer.write(data)
    return out.getvalue()


TELLING = {
    "a.snirf": _h5(SubjectID=NAME),
    "seg.nii.gz": _packed(_nifti(), "Mustermann_T1.nii"),
    "seg.nii": _nifti("Mustermann"),
    "t1.json": json.dumps({"PatientName": NAME}).encode(),
    "table.csv": b"surname;dob;score\nMustermann;12.03.70;5\nMeier;01.02.71;6\n",
    "wide.csv": "Name\tGeburtsdatum\tWert\nMustermann\t12.03.1970\t5\n".encode("utf-16"),
    "note.txt": b"Patient: Dr. Mustermann born 12.03.1970\n",
    "x.dcm": image(patient=NAME, patient_id="E001", birth_date=""),
    "y.dcm": image(patient="E001", patient_id="E001", birth_date="19700312"),
    "model.bin": b"\0\x01\x02\x03" * 100 + b"\0\0" + NAME.encode() + b"\0\0" * 20,
}
HARMLESS = {
    "a.snirf": _h5(SubjectID="E001"),
    "seg.nii.gz": _packed(_nifti(), "seg.nii"),
    "seg.nii": _nifti(),
    "areas.csv": b"StructName,NumVert,SurfArea\nbankssts,1200,800.5\ncuneus,900,700.1\n",
    "t1.json": json.dumps(
        {
            "PatientName": "E001",
            "EchoTime": 0.03,
            "StudyInstanceUID": "2.25.38743293010488592338854405484264877530",
            "ImageOrientationPatientDICOM": [1, 0, 0, 0, 1, 0],
            "InstitutionalDepartmentName": "None",
        }
    ).encode(),
    "x.dcm": image(patient="E001", patient_id="E001", birth_date=""),
    "lh.thickness": random.Random(1).randbytes(1 << 18),
    "a.npy": np.random.default_rng(2).random(1 << 15).tobytes(),
    "mark": b"",
}


@pytest.fixture
def cleaner() -> FileCleaner:
    return FileCleaner(load_profile(), KEY, "2008-0003", "E001")


def test_what_names_somebody_is_told_without_its_value(cleaner: FileCleaner, tmp_path: Path) -> None:
    for name, content in TELLING.items():
        (tmp_path / name).write_bytes(content)
        told = [seen for seen in cleaner.look(tmp_path / name, name) if not seen.is_date]
        assert told, name
        assert "mustermann" not in repr(told).casefold(), name


def test_what_programs_make_of_archived_files_is_no_finding(cleaner: FileCleaner, tmp_path: Path) -> None:
    for name, content in HARMLESS.items():
        (tmp_path / name).write_bytes(content)
        assert cleaner.look(tmp_path / name, name) == [], name


def test_a_date_may_be_one_that_was_moved(cleaner: FileCleaner, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_bytes(b"recon-all finished on 2026-11-30\n")
    assert [seen.is_date for seen in cleaner.look(tmp_path / "log.txt", "log.txt")] == [True]
