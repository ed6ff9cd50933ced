"""NIfTI: no hiding place survives, the image's bytes stay, nibabel reads the result."""

from __future__ import annotations

import gzip
import io
import json
import struct
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest

from deid import Held, Unreadable
from tests.deid.formats.conftest import MARK, nibabel_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deid.formats.conftest import Clean

VOXELS = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


def image(kind: type = nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    made = kind(VOXELS, np.diag([2, 2, 3, 1]))
    made.header["descrip"] = b"t1_mprage " + MARK + b" TE=3"
    made.header["aux_file"] = MARK + b".nii"
    made.header["intent_name"] = MARK
    if "db_name" in made.header:
        made.header["db_name"], made.header["data_type"] = MARK, MARK[:10]
    made.header.extensions.append(nibabel.nifti1.Nifti1Extension(18, b"comment of " + MARK))
    return made


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_single_files(clean: Clean, tmp_path: Path, kind: type, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    nibabel.save(image(kind), path)
    with path.open("ab") as stream:
        stream.write(MARK if ending == ".nii" else gzip.compress(MARK))
    data, report = clean(path)
    assert report.ending == ending
    plain = gzip.decompress(data) if ending == ".nii.gz" else data
    assert MARK.lower() not in plain.lower()
    front = 348 if kind is nibabel.Nifti1Image else 540
    assert plain[front : front + 4] == bytes(4)
    assert len(plain) == front + 4 + VOXELS.nbytes
    read = kind.from_bytes(plain)
    assert np.array_equal(np.asarray(read.dataobj), VOXELS)
    assert np.array_equal(read.affine, np.diag([2, 2, 3, 1]))
    assert bytes(read.header["descrip"]).strip(b"\0") == b"t1_mprage TE=3"
    assert not read.header.extensions
    assert {"descrip", "aux_file", "intent_name", "extension 18"} <= {action.path for action in report.actions}
    assert report.headers["FileType"] == "NIFTI"


def test_gzip_forgets_name_and_time(clean: Clean, tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    with path.open("wb") as raw, gzip.GzipFile(MARK.decode(), "wb", fileobj=raw, mtime=1_200_000_000) as stream:
        stream.write(image().to_bytes())
    assert MARK in path.read_bytes()
    data, _ = clean(path)
    assert data[3:9] == bytes(5) + data[8:9]


@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.Nifti2Pair])
def test_pairs(clean: Clean, tmp_path: Path, kind: type) -> None:
    nibabel.save(image(kind), tmp_path / "a.img")
    with (tmp_path / "a.img").open("ab") as stream:
        stream.write(MARK)
    for ending in (".hdr", ".img"):
        data, report = clean(tmp_path / f"a{ending}")
        assert report.ending == ending
        (tmp_path / f"clean{ending}").write_bytes(data)
    assert np.array_equal(np.asarray(nibabel.load(tmp_path / "clean.img").dataobj), VOXELS)


@pytest.mark.parametrize("name", ["anatomical.nii", "functional.nii", "example4d.nii.gz", "example_nifti2.nii.gz"])
def test_real_files(clean: Clean, tmp_path: Path, name: str) -> None:
    source = nibabel_file(name)
    data, _ = clean(source)
    (tmp_path / name).write_bytes(data)
    before, after = nibabel.load(source), nibabel.load(tmp_path / name)
    assert np.array_equal(np.asarray(before.dataobj.get_unscaled()), np.asarray(after.dataobj.get_unscaled()))
    for key in ("dim", "pixdim", "scl_slope", "scl_inter", "qform_code", "sform_code", "srow_x", "xyzt_units", "slice_code"):
        assert np.array_equal(before.header[key], after.header[key], equal_nan=True), key


def test_big_endian(clean: Clean, tmp_path: Path) -> None:
    made = nibabel.Nifti1Image(VOXELS.astype(">i2"), np.eye(4), nibabel.Nifti1Header(endianness=">"))
    made.header["db_name"] = MARK
    nibabel.save(made, tmp_path / "a.nii")
    read = nibabel.Nifti1Image.from_bytes(clean(tmp_path / "a.nii")[0])
    assert read.header.endianness == ">"
    assert np.array_equal(np.asarray(read.dataobj), VOXELS)


def test_a_name_found_once_is_searched_for_everywhere(clean: Clean, tmp_path: Path) -> None:
    made = nibabel.Nifti1Image(np.frombuffer(MARK.lower() + b"\0" * 13, np.uint8).reshape(2, 3, 4, order="F"), np.eye(4))
    made.header["db_name"] = MARK
    nibabel.save(made, tmp_path / "a.nii")
    with pytest.raises(Held, match="samples") as caught:
        clean(tmp_path / "a.nii")
    assert MARK.decode().lower() not in str(caught.value).lower()


def test_what_cannot_be_read_or_kept(clean: Clean, tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    whole = image().to_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(Unreadable, match="cut short within its image"):
        clean(path)
    path.write_bytes(gzip.compress(whole)[:-9])
    with pytest.raises(Unreadable, match="gzip"):
        clean(path)
    broken = bytearray(whole)
    struct.pack_into("<f", broken, 108, float("nan"))
    path.write_bytes(broken)
    with pytest.raises(Unreadable):
        clean(path)
    struct.pack_into("<f", broken, 108, 1e30)
    path.write_bytes(broken)
    with pytest.raises(Unreadable, match="sizes"):
        clean(path)
    broken = bytearray(nibabel_file("row_major.dconn.nii").read_bytes())
    broken[540:544] = bytes(4)
    path.write_bytes(broken)
    with pytest.raises(Held, match="CIFTI"):
        clean(path)


def with_extension(path: Path, code: int, data: bytes, intent: bytes = b"") -> Path:
    made = nibabel.Nifti2Image(VOXELS.astype("c8"), np.eye(4))
    made.header["intent_name"] = intent
    made.header.extensions.append(nibabel.nifti1.Nifti1Extension(code, data))
    nibabel.save(made, path)
    return path


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_nifti_mrs_keeps_its_header_extension_clean(clean: Clean, tmp_path: Path, ending: str) -> None:
    said = {"SpectrometerFrequency": [123.2], "ResonantNucleus": ["1H"], "EchoTime": 0.03, "dim_5": "DIM_COIL",
            "PatientName": MARK.decode(), "PatientDoB": "1970-03-12", "OriginalFile": [f"{MARK.decode()}.dat"],
            "ConversionTime": "2023-11-13T16:14:03.5", "ProtocolName": f"svs {MARK.decode()}", "PatientSex": "F",
            "SoftwareVersions": "syngo MR XA30", "Own": {"note": MARK.decode()}}  # fmt: skip
    path = with_extension(tmp_path / f"a{ending}", 44, json.dumps(said).encode(), b"mrs_v0_9")
    data, _ = clean(path)
    read = nibabel.Nifti2Image.from_bytes(gzip.decompress(data) if ending == ".nii.gz" else data)
    assert np.array_equal(np.asarray(read.dataobj), VOXELS.astype("c8"))
    assert bytes(read.header["intent_name"]).strip(b"\0") == b"mrs_v0_9"
    (extension,) = read.header.extensions
    assert extension.get_code() == 44
    kept = json.loads(extension.get_content() if isinstance(extension.get_content(), bytes | str) else extension.text)
    assert kept.pop("ProtocolName") == "svs"
    assert {key: kept.get(key) for key in ("SpectrometerFrequency", "ResonantNucleus", "EchoTime", "dim_5", "PatientSex")} == {
        "SpectrometerFrequency": [123.2], "ResonantNucleus": ["1H"], "EchoTime": 0.03, "dim_5": "DIM_COIL",
        "PatientSex": "F"}  # fmt: skip
    assert not {"PatientName", "PatientDoB"} & kept.keys()
    assert MARK.decode() not in str(kept)
    assert "2023" not in str(kept)


def test_a_spectrum_without_its_frequency_is_held(clean: Clean, tmp_path: Path) -> None:
    with pytest.raises(Held, match="frequency"):
        clean(with_extension(tmp_path / "a.nii", 44, b'{"ResonantNucleus": ["1H"]}'))


def test_cifti_opens_after_its_xml_was_cleaned(clean: Clean, tmp_path: Path) -> None:
    axis = nibabel.cifti2.BrainModelAxis.from_mask(np.ones(5, bool), name="CIFTI_STRUCTURE_CORTEX_LEFT")
    labels = nibabel.cifti2.LabelAxis([f"{MARK.decode()} map"], [{0: ("???", (0, 0, 0, 0)), 1: ("L_V1_ROI", (1, 0, 0, 1))}])
    made = nibabel.Cifti2Image(np.ones((1, 5), np.float32), (labels, axis))
    said = {"Author": MARK.decode(), "Date": "1970-03-12", "Provenance": MARK.decode()}
    made.header.matrix.metadata = nibabel.cifti2.Cifti2MetaData(said)
    nibabel.save(made, tmp_path / "a.dlabel.nii")
    data, _ = clean(tmp_path / "a.dlabel.nii")
    (tmp_path / "b.dlabel.nii").write_bytes(data)
    read = nibabel.load(tmp_path / "b.dlabel.nii")
    assert np.array_equal(read.get_fdata(), made.get_fdata())
    assert read.header.get_axis(1) == axis
    assert read.header.get_axis(0).label[0][1] == ("L_V1_ROI", (1, 0, 0, 1))
    assert read.header.get_axis(0).name[0] == "map"


def test_nothing_is_written_when_it_fails(tmp_path: Path) -> None:
    from deid import load_profile
    from deid.formats import FileCleaner
    from tests.deid.formats.conftest import KEY

    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(image().to_bytes()[:-1]))
    out = io.BytesIO()
    with pytest.raises(Unreadable):
        FileCleaner(load_profile(None), KEY, "S", "E001").clean(tmp_path / "a.nii.gz", out)
    assert out.getvalue() == b""
