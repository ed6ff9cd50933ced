"""Files that name each other, and headers with samples: each opens in the program that reads it, and tells nobody."""

from __future__ import annotations

import gzip
import io
import struct
import warnings
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest
import SimpleITK

from deid import DeidError, Held, load_profile
from deid.formats import FileCleaner
from tests.deid.formats.conftest import KEY, MARK

if TYPE_CHECKING:
    from pathlib import Path

    from deid import Report
    from tests.deid.formats.conftest import Clean

NAME = MARK.decode()
VOXELS = np.arange(480, dtype=np.int16).reshape(6, 8, 10)


def cleaned(folder: Path, out: Path, stem: str = "00007") -> dict[str, Report]:
    """Clean all files of a folder as one that belongs together; gives the reports by the names of the results."""
    out.mkdir()
    reports = {}
    cleaner = FileCleaner(load_profile(None), KEY, "2008-0003", "E001")
    for source in sorted(folder.iterdir()):
        stream = io.BytesIO()
        report = cleaner.clean(source, stream, stem=stem)
        assert MARK.lower() not in stream.getvalue().lower()
        name = stem + report.ending
        assert name not in reports
        (out / name).write_bytes(stream.getvalue())
        reports[name] = report
    return reports


VHDR = f"""Brain Vision Data Exchange Header File Version 1.0
; Data of {NAME}

[Common Infos]
Codepage=UTF-8
DataFile={NAME}.eeg
MarkerFile={NAME}.vmrk
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels=2
SamplingInterval=2000

[Binary Infos]
BinaryFormat=INT_16

[Channel Infos]
Ch1=Fp1,,0.1,\u00b5V
Ch2={NAME},,0.1,\u00b5V

[Comment]
recorded by {NAME}
"""
VMRK = f"""Brain Vision Data Exchange Marker File, Version 1.0

[Common Infos]
Codepage=UTF-8
DataFile={NAME}.eeg

[Marker Infos]
Mk1=New Segment,,1,1,0,20231113161403794232
Mk2=Stimulus,S  1,100,1,0
Mk3=Comment,{NAME} blinks,120,1,0
"""


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_brainvision_opens_in_mne(tmp_path: Path, encoding: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    texts = (VHDR, VMRK) if encoding == "utf-8" else (VHDR.replace("UTF-8", "ANSI"), VMRK.replace("UTF-8", "ANSI"))
    for ending, text in zip((".vhdr", ".vmrk"), texts, strict=True):
        (folder / f"{NAME}{ending}").write_bytes(text.encode(encoding))
    samples = np.arange(1000, dtype="<i2")
    (folder / f"{NAME}.eeg").write_bytes(samples.tobytes())
    reports = cleaned(folder, tmp_path / "out")
    assert set(reports) == {"00007.vhdr", "00007.vmrk", "00007.eeg"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mne

        raw = mne.io.read_raw_brainvision(tmp_path / "out/00007.vhdr", verbose="error")
    assert raw.ch_names == ["Fp1", "Ch2"]
    assert np.allclose(raw.get_data(), samples.reshape(-1, 2).T * 1e-7)
    assert [note["description"] for note in raw.annotations] == ["Stimulus/S  1", "Comment/blinks"]
    assert raw.info["meas_date"].year < 2023
    assert raw.info["meas_date"].hour == 16


@pytest.mark.parametrize("ending", [".mhd", ".mha", ".nrrd", ".nhdr"])
@pytest.mark.parametrize("packed", [False, True])
def test_itks_formats_open_in_simpleitk(tmp_path: Path, ending: str, packed: bool) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    image = SimpleITK.GetImageFromArray(VOXELS)
    image.SetSpacing((1, 2, 3))
    image.SetMetaData("0010|0010", NAME)
    image.SetMetaData("Comment" if ending.startswith(".m") else "operator", NAME)
    path = folder / f"{NAME}{ending}"
    SimpleITK.WriteImage(image, str(path), packed)
    with path.open("ab") as stream:
        stream.write(MARK if ending in (".mha", ".nrrd") and not packed else b"")
    if ending == ".nrrd":
        path.write_bytes(path.read_bytes().replace(b"\ntype:", b"\n# made by " + MARK + b"\ntype:"))
    reports = cleaned(folder, tmp_path / "out")
    assert f"00007{ending}" in reports
    read = SimpleITK.ReadImage(str(tmp_path / f"out/00007{ending}"))
    assert np.array_equal(SimpleITK.GetArrayFromImage(read), VOXELS)
    assert read.GetSpacing() == (1, 2, 3)
    assert {report.headers["FileType"] for report in reports.values()} == {"METAIMAGE" if ending.startswith(".m") else "NRRD"}


def test_a_header_whose_data_are_elsewhere_is_held(clean: Clean, tmp_path: Path) -> None:
    head = "ObjectType = Image\nNDims = 2\nDimSize = 1 1\nElementType = MET_CHAR\nElementDataFile = "
    for name in ("slice%03d.raw 1 9 1", "LIST", "../other.dat"):
        (tmp_path / "a.mhd").write_text(head + name + "\n")
        with pytest.raises(Held):
            clean(tmp_path / "a.mhd")


@pytest.mark.parametrize("ending", [".mgh", ".mgz"])
def test_freesurfers_volumes_open_in_nibabel(clean: Clean, tmp_path: Path, ending: str) -> None:
    nibabel.save(nibabel.MGHImage(VOXELS.astype(np.float32), np.diag([1, 2, 3, 1])), tmp_path / "a.mgh")
    plain = (tmp_path / "a.mgh").read_bytes()[: 284 + 4 * VOXELS.size]
    plain += struct.pack(">5f", 2300, 9, 3, 900, 256) + b"\0\0\0\3" + struct.pack(">q", len(MARK)) + MARK
    (tmp_path / f"a{ending}").write_bytes(gzip.compress(plain) if ending == ".mgz" else plain)
    data, report = clean(tmp_path / f"a{ending}")
    assert (report.ending, report.headers) == (ending, {"FileType": "MGH"})
    assert MARK not in (gzip.decompress(data) if ending == ".mgz" else data)
    read = nibabel.MGHImage.from_bytes(gzip.decompress(data) if ending == ".mgz" else data)
    assert np.array_equal(read.get_fdata(), VOXELS)
    assert np.array_equal(read.affine, np.diag([1, 2, 3, 1]))
    assert read.header["tr"] == 2300


def test_gifti_opens_in_nibabel(clean: Clean, tmp_path: Path) -> None:
    made = nibabel.GiftiImage(meta=nibabel.gifti.GiftiMetaData({"UserName": NAME, "Date": "1970-03-12"}))
    points = np.arange(12, dtype=np.float32).reshape(4, 3)
    meta = {"AnatomicalStructurePrimary": NAME}
    made.add_gifti_data_array(nibabel.gifti.GiftiDataArray(points, "NIFTI_INTENT_POINTSET", meta=meta))
    nibabel.save(made, tmp_path / "a.surf.gii")
    data, report = clean(tmp_path / "a.surf.gii")
    assert (report.ending, report.headers) == (".gii", {"FileType": "GIFTI"})
    read = nibabel.GiftiImage.from_bytes(data)
    assert np.array_equal(read.agg_data(), points)
    assert b"1970" not in data


RDA = f""">>> Begin of header <<<\r\nPatientName: {NAME}\r\nPatientID: HK-7731904\r\nPatientSex: F\r
PatientBirthDate: 19700312\r
StudyDate: 20231113\r\nStudyTime: 161403.000000\r\nPatientAge: 053Y\r\nSeriesDescription: svs {NAME}\r\nStationName: MEDPC\r
TR: 2000.000000\r\nMRFrequency: 123.252000\r\nNucleus: 1H\r\nVectorSize: 4\r
InstitutionName: {NAME}\r\n>>> End of header <<<\r\n"""


def test_rda_keeps_its_spectrum_and_numbers(clean: Clean, tmp_path: Path) -> None:
    samples = np.arange(8, dtype="<f8").tobytes()
    (tmp_path / "a.rda").write_bytes(RDA.encode() + samples)
    data, report = clean(tmp_path / "a.rda")
    assert (report.ending, report.headers) == (".rda", {"FileType": "SPECTRUM"})
    head, _, tail = data.partition(b">>> End of header <<<\r\n")
    assert tail == samples
    told = dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in head.decode().split("\r\n")[1:-1])
    wanted = {"PatientName": "E001", "PatientID": "E001", "PatientSex": "F", "TR": "2000.000000", "MRFrequency": "123.252000",
              "Nucleus": "1H", "SeriesDescription": "svs"}  # fmt: skip
    assert {key: told[key] for key in wanted} == wanted
    assert told["StudyDate"] < "2023"
    assert told["StudyTime"] == "161403.000000"
    assert not {"19700312", "MEDPC", "HK-7731904"} & set(data.decode("latin-1").split())


def test_spar_and_sdat(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    spar = f"!---\nexamination_name : {NAME}\nscan_id : press\nscan_date : 2023.11.13 16:14:03\npatient_name : {NAME}\n"
    spar += 'patient_birth_date : 1970.03.12\npatient_position : "head_first"\nsamples : 4\nnucleus : 1H\necho_time : 35\n'
    (folder / "a.spar").write_text(spar)
    (folder / "a.sdat").write_bytes(bytes(range(32)))
    reports = cleaned(folder, tmp_path / "out")
    assert set(reports) == {"00007.spar", "00007.sdat"}
    text = (tmp_path / "out/00007.spar").read_text()
    assert "samples : 4" in text
    assert "nucleus : 1H" in text
    assert "echo_time : 35" in text
    assert "1970" not in text
    assert "2023" not in text
    assert (tmp_path / "out/00007.sdat").read_bytes() == bytes(range(32))


def test_fif_opens_in_mne(clean: Clean, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mne

        info = mne.create_info(["EEG001", "EEG002"], 100.0, "eeg")
        raw = mne.io.RawArray(np.arange(200, dtype=float).reshape(2, 100) * 1e-6, info, verbose="error")
        raw.info["subject_info"] = {"his_id": NAME, "last_name": NAME, "first_name": NAME, "sex": 2}
        raw.info["experimenter"], raw.info["description"] = NAME, f"rest of {NAME}"
        raw.set_meas_date(1_699_900_000)
        raw.save(tmp_path / "a_raw.fif", verbose="error")
        data, report = clean(tmp_path / "a_raw.fif")
        assert len(data) == (tmp_path / "a_raw.fif").stat().st_size
        (tmp_path / "b_raw.fif").write_bytes(data)
        read = mne.io.read_raw_fif(tmp_path / "b_raw.fif", preload=True, verbose="error")
    assert (report.ending, report.headers["FileType"]) == (".fif", "FIF")
    assert np.allclose(read.get_data(), raw.get_data(), atol=1e-9)
    assert read.ch_names == raw.ch_names
    assert read.info["meas_date"] < raw.info["meas_date"]
    assert read.info["meas_date"].time() == raw.info["meas_date"].time()
    assert read.info["subject_info"]["his_id"].strip() == "E001"


def test_pictures_of_other_kinds_are_held(clean: Clean, tmp_path: Path) -> None:
    from PIL import Image

    for kind in ("GIF", "BMP", "WEBP"):
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a", kind)
        with pytest.raises(Held, match="save it as PNG"):
            clean(tmp_path / "a", pixels_approved=True)


def test_meshes(clean: Clean, tmp_path: Path) -> None:
    facet = struct.pack("<12fH", *range(12), 0)
    (tmp_path / "a").write_bytes(MARK.ljust(80) + struct.pack("<I", 2) + facet * 2)
    data, report = clean(tmp_path / "a")
    assert (data[80:], report.ending, report.headers) == (struct.pack("<I", 2) + facet * 2, ".stl", {"FileType": "MESH"})
    lines = "facet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\n"
    (tmp_path / "a").write_text(f"solid {NAME}\n{lines}endsolid {NAME}\n")
    assert clean(tmp_path / "a")[0].decode() == f"solid\n{lines}endsolid\n"
    (tmp_path / "a").write_text(f"# {NAME}\nmtllib {NAME}.mtl\no {NAME}\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    data, report = clean(tmp_path / "a")
    assert (data, report.ending) == (b"o part\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", ".obj")


@pytest.mark.parametrize("bad", [b"NRRD0004\nno value here\n\n", b"ObjectType = Image\nNDims = 3\nElementDataFile = LOCAL\nxx",
                                 b"NRRD0004\ntype: short\nsizes: 99 99\nencoding: raw\n\nxx", b">>> Begin of header <<<\r\nx",
                                 b"\0\0\0\1" + struct.pack(">6i", 9, 9, 9, 9, 3, 0) + b"\0\1" + bytes(90)])  # fmt: skip
def test_broken_files_fail_with_a_reason(clean: Clean, tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "a").write_bytes(bad)
    with pytest.raises(DeidError) as caught:
        clean(tmp_path / "a")
    assert "cannot be cleaned" not in str(caught.value)
