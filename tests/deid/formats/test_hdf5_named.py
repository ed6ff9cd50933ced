"""SNIRF, MINC2, NWB and other HDF5: names tell what becomes of values, and what formats require is still there afterwards."""

from __future__ import annotations

import io
import json
import warnings
from typing import TYPE_CHECKING, Any

import h5py
import nibabel
import numpy as np
import pytest

from deid import Held
from tests.deid.formats.conftest import MARK, attesting, nibabel_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deid.formats.conftest import Clean

NAME = MARK.decode()
SIGNAL = np.random.default_rng(5).normal(size=(200, 2))


def text_of(file: h5py.File, path: str) -> str:
    found: bytes = file[path][()]
    return found.decode()


def snirf(path: Path) -> Path:
    """Two channels of one source and one detector at two wavelengths."""
    with h5py.File(path, "w") as file:
        tags = {"SubjectID": NAME, "MeasurementDate": "2023-11-13", "MeasurementTime": "12:00:00Z", "LengthUnit": "mm",
                "TimeUnit": "s", "FrequencyUnit": "Hz", "Operator": f"Dr {NAME}", "dateOfBirth": "1970-03-12",
                "comment": f"tapping of {NAME}"}  # fmt: skip
        for tag, value in tags.items():
            file[f"nirs/metaDataTags/{tag}"] = value
        file["formatVersion"] = "1.1"
        data = file.create_group("nirs/data1")
        data["dataTimeSeries"], data["time"] = SIGNAL, np.arange(200) / 10
        for number in (1, 2):
            one = data.create_group(f"measurementList{number}")
            for key, value in {
                "sourceIndex": 1,
                "detectorIndex": 1,
                "wavelengthIndex": number,
                "dataType": 1,
                "dataTypeIndex": 1,
            }.items():
                one[key] = np.int32(value)
        probe = file.create_group("nirs/probe")
        probe["wavelengths"] = np.array([760.0, 850.0])
        probe["sourcePos3D"], probe["detectorPos3D"] = np.zeros((1, 3)), np.array([[30.0, 0, 0]])
        probe["sourceLabels"], probe["detectorLabels"] = (np.array([each], dtype=h5py.string_dtype()) for each in ("S1", "D1"))
        file["nirs/stim1/name"], file["nirs/stim1/data"] = "rest", np.array([[1.0, 2, 1]])
    return path


def test_snirf_opens_in_mne_and_tells_nobody(clean: Clean, tmp_path: Path) -> None:
    data, report = clean(snirf(tmp_path / "a.snirf"))
    assert (report.ending, report.headers) == (".snirf", {"FileType": "SNIRF"})
    (tmp_path / "b.snirf").write_bytes(data)
    with h5py.File(tmp_path / "b.snirf") as file:
        tags = {key: text_of(file, f"nirs/metaDataTags/{key}") for key in file["nirs/metaDataTags"]}
        assert text_of(file, "nirs/stim1/name") == "rest"
    assert tags.pop("MeasurementDate") < "2023"
    assert tags == {"SubjectID": "E001", "MeasurementTime": "12:00:00Z", "LengthUnit": "mm", "TimeUnit": "s",
                    "FrequencyUnit": "Hz", "Operator": "E001", "comment": "of"}  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mne

        raw = mne.io.read_raw_snirf(tmp_path / "b.snirf", verbose="error")
    assert np.allclose(raw.get_data(), SIGNAL.T)
    assert raw.ch_names == ["S1_D1 760", "S1_D1 850"]


@pytest.mark.parametrize("name", ["minc2_1_scale.mnc", "minc2_4d.mnc", "small.mnc"])
def test_minc2_opens_in_nibabel(clean: Clean, tmp_path: Path, name: str) -> None:
    (tmp_path / "a.mnc").write_bytes(nibabel_file(name).read_bytes())
    with h5py.File(tmp_path / "a.mnc", "r+") as file:
        info = file["minc-2.0/info"]
        patient = info["patient"] if "patient" in info else info.create_group("patient")
        patient.attrs.update({"full_name": NAME, "birthdate": "1970-03-12", "varid": "MNI standard variable", "age": 53.0})
        file["minc-2.0"].attrs["history"] = f"converted by {NAME} on March 12, 1970"
        (info["study"] if "study" in info else info.create_group("study")).attrs["start_time"] = "20231113 120000"
    data, report = clean(tmp_path / "a.mnc")
    assert (report.ending, report.headers) == (".mnc", {"FileType": "MINC"})
    (tmp_path / "b.mnc").write_bytes(data)
    was, now = nibabel.load(tmp_path / "a.mnc"), nibabel.load(tmp_path / "b.mnc")
    assert np.array_equal(was.affine, now.affine)
    assert np.array_equal(was.get_fdata(), now.get_fdata())


def test_nwb_keeps_what_it_requires(clean: Clean, tmp_path: Path) -> None:
    required = {"session_description": f"seen by {NAME}", "identifier": NAME, "session_start_time": "2023-11-13T12:00:00+01:00",
                "timestamps_reference_time": "2023-11-13T12:00:00+01:00", "general/subject/subject_id": NAME,
                "general/subject/date_of_birth": "1970-03-12T00:00:00+01:00", "general/subject/species": "Homo sapiens",
                "general/experimenter": NAME, "general/institution": NAME}  # fmt: skip
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        file.attrs.update({"nwb_version": "2.7.0", "neurodata_type": "NWBFile", "namespace": "core"})
        for path, value in required.items():
            file[path] = value
        file["acquisition/eeg/data"] = SIGNAL
    data, report = clean(tmp_path / "a.nwb")
    assert (report.ending, report.headers) == (".nwb", {"FileType": "NWB"})
    with h5py.File(io.BytesIO(data)) as file:
        assert file.attrs["nwb_version"] == "2.7.0"
        found = {path: text_of(file, path) for path in required if path in file}
        assert np.array_equal(file["acquisition/eeg/data"], SIGNAL)
    assert set(required) - set(found) == {"general/subject/date_of_birth"}
    assert found["identifier"] == found["general/subject/subject_id"] == found["general/experimenter"] == "E001"
    assert found["session_start_time"] == found["timestamps_reference_time"] < "2023"
    assert found["session_start_time"].endswith("T12:00:00+01:00")
    assert found["session_description"]


@pytest.mark.parametrize(
    "value", [NAME, np.array([NAME, "x"], dtype=h5py.string_dtype()), np.bytes_(MARK), 19700312, np.array([1.0, 2.0])]
)
@pytest.mark.parametrize("place", ["attribute", "dataset", "below"])
def test_names_of_other_hdf5_tell_what_goes(clean: Clean, tmp_path: Path, value: Any, place: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["signal"] = SIGNAL
        if place == "attribute":
            file["signal"].attrs["PatientName"] = value
        else:
            file["surname" if place == "dataset" else "patient/first"] = value
    data, _ = clean(tmp_path / "a.h5", attesting("HDF5"))
    with h5py.File(io.BytesIO(data)) as file:
        assert np.array_equal(file["signal"], SIGNAL)
        assert "PatientName" not in file["signal"].attrs
        said = [file[path][()] for path in ("surname", "patient/first") if path in file]
    assert all(np.all(np.asarray(each) == b"E001") for each in said)


@pytest.mark.parametrize("text", ["born 12.03.1970", "Mr. Zqxmark", "1.3.12.2.1107.5.2.32.35162"])
def test_texts_and_names_that_look_like_identities_hold_the_file(clean: Clean, tmp_path: Path, text: str) -> None:
    for place in ("attribute", "dataset", "group"):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["signal"] = SIGNAL
            if place == "group":
                file.create_group(text)
            elif place == "dataset":
                file["x"] = text
            else:
                file["signal"].attrs["x"] = text
        with pytest.raises(Held):
            clean(tmp_path / "a.h5", attesting("HDF5"))


def nwb(path: Path) -> Path:
    """As PyNWB writes: references in records and attributes, links, netCDF's dimensions, a type of its own, a cached schema."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"nwb_version": "2.7.0", "namespace": "core", "neurodata_type": "NWBFile"})
        file["session_start_time"], file["identifier"] = "2020-03-12T10:00:00+01:00", f"{NAME}-1"
        subject = {"subject_id": NAME, "age": "P95Y", "sex": "F", "date_of_birth": "1925-04-12T00:00:00+00:00"}
        for key, value in subject.items():
            file[f"general/subject/{key}"] = value
        file.create_group("general/devices/amp").attrs["description"] = f"amplifier of {NAME}"
        data = file.create_dataset("acquisition/raw/data", data=SIGNAL)
        file["acquisition/raw/device"] = h5py.SoftLink("/general/devices/amp")
        file["acquisition/raw/same"] = data
        file["acquisition/raw/age"] = "34 years"
        file["time"] = np.arange(len(SIGNAL))
        file["time"].make_scale("time")
        data.dims[0].attach_scale(file["time"])
        shown = np.zeros(2, [("idx_start", "i4"), ("count", "i4"), ("timeseries", h5py.ref_dtype)])
        shown["count"], shown["timeseries"][:] = 5, [file["acquisition/raw"].ref, file["general/subject/date_of_birth"].ref]
        file["intervals/trials/timeseries"] = shown
        file["intervals/trials"].attrs["table"] = file["acquisition/raw"].ref
        file["kind"] = np.dtype([("a", "i4"), ("b", "f8")])
        file["rows"] = np.ones(3, file["kind"].dtype)
        file["specifications/core/2.7.0/namespace"] = json.dumps({"author": ["A. Tritt"], "contact": "a@example.org"})
        file.attrs[".specloc"] = file["specifications"].ref
    return path


def test_references_links_and_types_of_nwb_lead_where_they_led(clean: Clean, tmp_path: Path) -> None:
    out, _ = clean(nwb(tmp_path / "a.nwb"))
    assert MARK not in out
    assert b"Tritt" not in out
    with h5py.File(io.BytesIO(out)) as file:
        raw = file["acquisition/raw"]
        assert raw.get("device", getlink=True).path == "/general/devices/amp"
        assert raw["same"] == raw["data"]
        assert np.array_equal(raw["data"], SIGNAL)
        assert raw["data"].dims[0][0] == file["time"]
        assert (file["time"].attrs["CLASS"], file["time"].attrs["NAME"]) == (b"DIMENSION_SCALE", b"time")
        first, second = file["intervals/trials/timeseries"]["timeseries"]
        assert file[first] == raw == file[file["intervals/trials"].attrs["table"]]
        assert not second  # what it led to is gone
        assert list(file["rows"]["b"]) == [1.0] * 3
        texts = [text_of(file, f"general/subject/{key}") for key in ("subject_id", "age", "sex")]
        assert texts == ["E001", "P90Y", "F"]
        assert text_of(file, "acquisition/raw/age") == "34 years"
        assert ".specloc" not in file.attrs
