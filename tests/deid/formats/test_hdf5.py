"""ISMRMRD: the header is made anew, the samples stay, and nothing of the old file's bytes but values comes through."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import h5py
import ismrmrd
import ismrmrd.hdf5
import numpy as np
import pytest

from catalog.filetypes.mrraw import MrRaw
from catalog.filetypes.sample import Sample
from deid import Held, Unreadable
from deid.formats.hdf5.header import sections
from tests.deid.formats.conftest import DEFAULT, MARK, attesting

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deid.formats.conftest import Clean

SPACE = "http://www.ismrm.org/ISMRMRD"
MARKED = MARK.decode()
UID, DATE = "1.3.12.2.1107.5.2.32.35162.30000", "2008-03-12"
SIZE = "<matrixSize><x>64</x><y>4</y><z>1</z></matrixSize><fieldOfView_mm><x>200.5</x><y>200</y><z>5</z></fieldOfView_mm>"
# Every place of the header that says who, where or when, and one that nobody knows.
HEADER = f"""<?xml version="1.0"?><!-- {MARKED} --><ismrmrdHeader xmlns="{SPACE}" xmlns:xsi="{MARKED}" xsi:a="{MARKED}">
<subjectInformation><patientName>{MARKED}^Anna</patientName><patientWeight_kg>71.5</patientWeight_kg>
<patientID>PID-{MARKED}</patientID><patientBirthdate>1971-02-03</patientBirthdate><patientGender>F</patientGender>
</subjectInformation>
<studyInformation><studyDate>{DATE}</studyDate><studyTime>10:35:22</studyTime><studyID>{MARKED}</studyID>
<accessionNumber>7788990011</accessionNumber><referringPhysicianName>{MARKED}</referringPhysicianName>
<studyDescription>brain of {MARKED}</studyDescription><studyInstanceUID>{UID}.1</studyInstanceUID></studyInformation>
<measurementInformation><measurementID>{MARKED}_42</measurementID><seriesDate>{DATE}</seriesDate>
<patientPosition>HFS</patientPosition><protocolName>t1_mprage {MARKED}</protocolName>
<measurementDependency><dependencyType>Noise</dependencyType><measurementID>{MARKED}_41</measurementID></measurementDependency>
<frameOfReferenceUID>{UID}.2</frameOfReferenceUID>
<referencedImageSequence><referencedSOPInstanceUID>{UID}.3</referencedSOPInstanceUID></referencedImageSequence>
</measurementInformation>
<acquisitionSystemInformation><systemVendor>SIEMENS</systemVendor><coilLabel><coilNumber>1</coilNumber>
<coilName>Head:{MARKED}</coilName></coilLabel><institutionName>{MARKED}</institutionName><stationName>{MARKED}</stationName>
<deviceID>{MARKED}</deviceID><deviceSerialNumber>{MARKED}</deviceSerialNumber></acquisitionSystemInformation>
<experimentalConditions><H1resonanceFrequency_Hz>123216000</H1resonanceFrequency_Hz></experimentalConditions>
<encoding><encodedSpace>{SIZE}</encodedSpace><reconSpace>{SIZE}</reconSpace><encodingLimits><kspace_encoding_step_1>
<minimum>0</minimum><maximum>3</maximum><center>2</center></kspace_encoding_step_1></encodingLimits>
<trajectory>cartesian</trajectory>
<parallelImaging><accelerationFactor><kspace_encoding_step_1>2</kspace_encoding_step_1>
<kspace_encoding_step_2>1</kspace_encoding_step_2></accelerationFactor></parallelImaging></encoding>
<sequenceParameters><TR>{MARKED}</TR><TE>3.5</TE></sequenceParameters>
<userParameters><userParameterLong><name>EmbeddedRefLines</name><value>24</value></userParameterLong>
<userParameterLong><name>PatientAge</name><value>37</value></userParameterLong>
<userParameterString><name>{MARKED}</name><value>axial</value></userParameterString>
<userParameterString><name>comment</name><value>{MARKED}</value></userParameterString>
<userParameterBase64><name>protocol</name><value>WnF4</value></userParameterBase64></userParameters>
<unknown>{MARKED}</unknown><other xmlns="urn:x">{MARKED}</other></ismrmrdHeader>"""
ENTITY = f'<!DOCTYPE a [<!ENTITY b "{MARKED}">]><ismrmrdHeader>&b;</ismrmrdHeader>'
META = (
    f"<ismrmrdMeta><meta><name>PatientName</name><value>axial</value></meta><meta><name>{MARKED}</name><value>1</value></meta>"
    f"<meta><name>Comment</name><value>{MARKED}</value></meta>"
    "<meta><name>image scale</name><value>2.5</value></meta></ismrmrdMeta>"
)


def write(path: Path, header: str = HEADER) -> None:
    """Raw data as the library writes it: acquisitions, a waveform, an image."""
    dice = np.random.default_rng(3)
    with ismrmrd.Dataset(str(path)) as file:
        file.write_xml_header(header.encode())
        for number in range(5):
            acquisition = ismrmrd.Acquisition()
            acquisition.resize(64, 2)
            acquisition.data[:] = dice.normal(size=(2, 64)).astype(np.complex64)
            acquisition.scan_counter = number
            file.append_acquisition(acquisition)
        file.append_waveform(ismrmrd.Waveform.from_array(np.arange(12, dtype=np.uint32).reshape(2, 6)))
        image = ismrmrd.Image.from_array(np.arange(64, dtype=np.float32).reshape(8, 8))
        image.attribute_string = META
        file.append_image("image_0", image)


def ours(tmp_path: Path, data: bytes) -> Path:
    (tmp_path / "ours.h5").write_bytes(data)
    return tmp_path / "ours.h5"


def test_the_header_is_made_anew_and_the_samples_stay(clean: Clean, tmp_path: Path) -> None:
    write(tmp_path / "a.h5")
    data, report = clean(tmp_path / "a.h5")
    assert (report.ending, report.headers) == (".h5", {"FileType": "MR_RAW"})
    path = ours(tmp_path, data)
    assert MrRaw().recognise(Sample(path))
    with ismrmrd.Dataset(str(tmp_path / "a.h5")) as old, ismrmrd.Dataset(str(path)) as new:
        header = ismrmrd.xsd.CreateFromDocument(new.read_xml_header())
        assert new.number_of_acquisitions() == 5
        for number in range(5):
            was, now = old.read_acquisition(number), new.read_acquisition(number)
            assert (was.scan_counter, was.data.tobytes()) == (now.scan_counter, now.data.tobytes())
        assert new.read_waveform(0).data.tolist() == old.read_waveform(0).data.tolist()
        image = new.read_image("image_0", 0)
        assert image.data.tolist() == old.read_image("image_0", 0).data.tolist()
        assert "image scale" in image.attribute_string
    with h5py.File(tmp_path / "a.h5") as old, h5py.File(path) as new:
        lengths = [len(file["dataset/image_0/attributes"][0]) for file in (old, new)]
        assert lengths[0] == lengths[1]
    subject, study, measurement = header.subjectInformation, header.studyInformation, header.measurementInformation
    assert (subject.patientName, subject.patientID, subject.patientBirthdate) == ("E001", "E001", None)
    assert (subject.patientWeight_kg, subject.patientGender) == (71.5, "F")
    assert (study.studyTime.hour, study.studyDescription, study.accessionNumber) == (10, "brain of", None)
    assert study.studyDate == measurement.seriesDate
    assert str(study.studyDate) < DATE
    assert measurement.protocolName == "t1_mprage"
    assert measurement.measurementID != measurement.measurementDependency[0].measurementID
    mapped = [study.studyInstanceUID, measurement.frameOfReferenceUID]
    mapped += measurement.referencedImageSequence.referencedSOPInstanceUID
    assert len({uid for uid in mapped if uid.startswith("2.25.")}) == 3
    assert header.encoding[0].encodedSpace.matrixSize.x == 64
    assert header.encoding[0].encodingLimits.kspace_encoding_step_1.maximum == 3
    assert header.encoding[0].parallelImaging.accelerationFactor.kspace_encoding_step_1 == 2
    assert header.acquisitionSystemInformation.coilLabel[0].coilName == "Head"
    assert header.sequenceParameters.TE == [3.5]
    assert [(each.name, each.value) for each in header.userParameters.userParameterLong] == [("EmbeddedRefLines", 24)]
    rules = report.by_rule()
    assert rules["identity of the header: remove"] >= 6
    assert rules["UID: map UID"] >= 5


@pytest.mark.parametrize("value", [UID, DATE, "1971-02-03", "19710203", "7788990011", ">37<", "WnF4"])
def test_no_value_comes_through(clean: Clean, tmp_path: Path, value: str) -> None:
    write(tmp_path / "a.h5")
    header = ours(tmp_path, clean(tmp_path / "a.h5")[0])
    with h5py.File(header) as file:
        assert value not in file["dataset/xml"][0].decode()


def test_the_profile_decides_on_the_patients_characteristics(clean: Clean, tmp_path: Path) -> None:
    write(tmp_path / "a.h5")
    without = DEFAULT.replace('"patient_chars", ', "").replace(', "patient_chars"', "")
    assert without != DEFAULT
    with h5py.File(ours(tmp_path, clean(tmp_path / "a.h5", without)[0])) as file:
        assert b"71.5" not in file["dataset/xml"][0]
        assert b"patientGender" not in file["dataset/xml"][0]


def test_what_lies_between_the_values_stays_behind(clean: Clean, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", userblock_size=1024) as file:
        file.create_dataset("dataset/xml", (1,), h5py.string_dtype())[0] = HEADER
        file["dataset/data"] = np.arange(6.0)
        file["dataset/note"] = np.frombuffer(MARK * 50, np.uint8)  # deleted below: its bytes stay in the file
        file["dataset/data"].attrs["note"] = MARKED
        cut = file.create_dataset("dataset/raw", data=np.frombuffer(MARK * 40, np.uint8), chunks=(220,), maxshape=(None,))
        h5py.h5o.set_comment(file["dataset"].id, MARK)
        records = np.zeros(
            3, dtype=np.dtype({"names": ["x", "y"], "formats": ["u1", "u4"], "offsets": [0, 16], "itemsize": 20})
        )
        records.view(np.uint8)[1 : 1 + len(MARK)] = np.frombuffer(MARK, np.uint8)
        file["dataset/x"] = records
        file.flush()
        del file["dataset/note"], file["dataset/data"].attrs["note"]
        cut.resize((3,))
    whole = bytearray(path.read_bytes())
    whole[: len(MARK)] = MARK
    path.write_bytes(whole + MARK)
    assert whole.count(MARK) > 40
    data, report = clean(path)
    assert data.startswith(b"\x89HDF")
    assert "user block: remove" in report.by_rule()
    with h5py.File(ours(tmp_path, data)) as file:
        assert file["dataset/data"][:].tolist() == list(range(6))
        assert file["dataset/raw"].shape == (3,)
        assert file["dataset/x"].dtype.itemsize == 20


def test_the_same_values_give_the_same_bytes_whenever_they_were_written(clean: Clean, tmp_path: Path) -> None:
    made = []
    for dated in (True, False):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("dataset/xml", (1,), h5py.string_dtype(), track_times=dated)[0] = HEADER
            file.create_dataset("dataset/data", data=np.arange(500.0), chunks=(9,), compression="gzip", track_times=dated)
        made.append(clean(tmp_path / "a.h5")[0])
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("packed", "shape"), [({}, (7, 5)), ({"compression": "gzip", "shuffle": True}, (70, 33)), ({"fletcher32": True}, (9,))]
)
def test_values_stay_however_they_are_laid_out(
    clean: Clean, tmp_path: Path, packed: dict[str, Any], shape: tuple[int, ...]
) -> None:
    path = tmp_path / "a.h5"
    values = np.random.default_rng(1).normal(size=shape)
    with h5py.File(path, "w") as file:
        file.create_dataset("dataset/xml", (1,), h5py.string_dtype())[0] = HEADER
        file.create_dataset(
            "dataset/data", data=values, chunks=tuple(min(4, edge) for edge in shape) if packed else None, **packed
        )
        sparse = file.create_dataset("dataset/map", (10**9, 10**3), "i2", chunks=(10, 10), fillvalue=-7, compression="gzip")
        sparse[10**8, 5] = 3
        file["dataset/scale"] = 2.5
        file["dataset/mask"] = h5py.Empty("f4")
        file["dataset/image"] = np.array([True, False])
    with h5py.File(ours(tmp_path, clean(path)[0])) as file:
        new = file["dataset/data"]
        assert new[:].tobytes() == values.tobytes()
        assert (new.compression, new.shuffle, new.fletcher32) == (
            packed.get("compression"), packed.get("shuffle", False), packed.get("fletcher32", False))  # fmt: skip
        assert file["dataset/map"][10**8, 4:7].tolist() == [-7, 3, -7]
        assert file["dataset/scale"][()] == 2.5
        assert file["dataset/mask"].shape is None
        assert file["dataset/image"].dtype == bool


@pytest.mark.parametrize("packed", [{}, {"chunks": (64,), "compression": "gzip"}])
def test_a_removed_value_in_samples_holds_the_file(clean: Clean, tmp_path: Path, packed: dict[str, Any]) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("dataset/xml", (1,), h5py.string_dtype())[0] = HEADER
        file.create_dataset("dataset/data", data=np.frombuffer(b"abcd " * 30 + MARK + b" efgh", np.uint8), **packed)
    with pytest.raises(Held, match="a removed value is still in the file"):
        clean(tmp_path / "a.h5")


@pytest.mark.parametrize("place", ["/dataset/" + MARKED, "/" + MARKED, "/dataset/data20080312", "/dataset/Мария"])
def test_a_name_that_is_no_term_waits_for_the_profiles_word(clean: Clean, tmp_path: Path, place: str) -> None:
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file[place] = 1
    with pytest.raises(Held, match="must attest HDF5") as caught:
        clean(tmp_path / "a.h5")
    assert MARKED.lower() not in str(caught.value).lower()


def test_a_removed_name_that_is_an_attested_files_name_holds_it(clean: Clean, tmp_path: Path) -> None:
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["dataset/of " + MARKED] = 1
    with pytest.raises(Held, match="a removed"):
        clean(tmp_path / "a.h5", attesting("HDF5"))


@pytest.mark.parametrize(("text", "why"), [("left hand", None), ("seen 2008-03-12", "a date"), (f"Dr. {MARKED}", "a title")])
def test_other_hdf5_waits_for_the_profiles_word_and_is_looked_through(
    clean: Clean, tmp_path: Path, text: str, why: str | None
) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["spectra"] = np.arange(4)
        file["spectra"].attrs["note"] = "run 1"
        file["words"] = [text]
    with pytest.raises(Held, match="must attest HDF5"):
        clean(path)
    if why:
        with pytest.raises(Held, match=why):
            clean(path, attesting("HDF5"))
        return
    data, report = clean(path, attesting("HDF5"))
    assert report.headers == {"FileType": "RAW"}
    with h5py.File(ours(tmp_path, data)) as file:
        assert file["words"][0].decode() == text
        assert file["spectra"].attrs["note"] == "run 1"


@pytest.mark.parametrize("header", ["", "no xml <ismrmrdHeader", ENTITY])
def test_a_header_that_is_none(clean: Clean, tmp_path: Path, header: str) -> None:
    write(tmp_path / "a.h5", header)
    with pytest.raises((Unreadable, Held)):
        clean(tmp_path / "a.h5")


def test_every_element_of_the_schema_has_its_rule() -> None:
    """The schema of the library knows no element that the data leaves out: a new one would go unseen."""
    import dataclasses

    from ismrmrd.xsd.ismrmrdschema import ismrmrd as schema

    known = frozenset().union(*(words for name, words in sections().items() if name not in ("names", "never", "terms")))
    types = [each for each in vars(schema).values() if dataclasses.is_dataclass(each)]
    names = {field.metadata.get("name", field.name) for each in types for field in dataclasses.fields(each)}
    assert names - known == {"name", "value", "userParameterBase64"}


def test_no_h5py_is_loaded_by_the_parent(tmp_path: Path) -> None:
    """libhdf5 may crash: it is never in the process that publishes."""
    write(tmp_path / "a.h5")
    code = (
        "import io, sys; from pathlib import Path; from deid import load_profile; from deid.formats import FileCleaner\n"
        "FileCleaner(load_profile(None), b'k' * 32, 'S', 'E001').clean(Path(sys.argv[1]), io.BytesIO())\n"
        "print('h5py' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.h5")], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n", done.stderr
