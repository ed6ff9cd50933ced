"""EDF, EDF+, BDF: fields, labels and annotations give nobody away; every sample stays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from deid import Unreadable
from tests.deid.formats.conftest import DEFAULT, MARK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deid.formats.conftest import Clean

NAME = MARK.decode()


@dataclass
class Recording:
    patient: str = f"MCH-0234567 F 02-MAY-1951 {NAME}_Anna {NAME}"
    recording: str = f"Startdate 02-MAR-2002 {NAME}/17 {NAME} Telemetry03_{NAME}"
    start: str = "02.03.02"
    kind: str = f"EDF+C {NAME}"
    labels: list[str] = field(default_factory=lambda: ["EEG Fp1-Ref", f"SpO2 {NAME[:10]}", "EDF Annotations"])
    transducer: str = f"AgAgCl electrode {NAME}"
    units: str = "uV"
    prefilter: str = "HP:0.1Hz LP:75Hz N:50Hz"
    reserved: str = NAME
    records: int = 3
    annotations: bytes = b"+1.5\x150.5\x14seizure of " + MARK + b"\x14Lights off\x14\0"
    bdf: bool = False

    def samples(self, record: int, signal: int) -> bytes:
        width = 3 if self.bdf else 2
        if "Annotations" in self.labels[signal]:
            return (b"+%d\x14\x14\0" % record + self.annotations).ljust(60 * width, b"\0")
        return bytes((record * 7 + signal * 3 + n) % 256 for n in range(10 * width))

    def bytes(self) -> bytes:
        count = len(self.labels)
        fixed = (
            (b"\xffBIOSEMI" if self.bdf else b"0       ") + self.patient.encode().ljust(80) + self.recording.encode().ljust(80)
        )
        fixed += f"{self.start:8}10.35.22{256 * (count + 1):<8}{self.kind:44}{self.records:<8}{1:<8}{count:<4}".encode()
        columns = [
            (self.labels, 16), ([self.transducer] * count, 80), ([self.units] * count, 8), (["-100"] * count, 8),
            (["100"] * count, 8), (["-32768"] * count, 8), (["32767"] * count, 8), ([self.prefilter] * count, 80),
            (["60" if "Annotations" in label else "10" for label in self.labels], 8), ([self.reserved] * count, 32),
        ]  # fmt: skip
        per_signal = b"".join(value.encode("latin-1").ljust(width) for values, width in columns for value in values)
        body = b"".join(self.samples(record, signal) for record in range(3) for signal in range(count))
        return fixed + per_signal + body

    def save(self, path: Path) -> Path:
        path.write_bytes(self.bytes())
        return path


def test_edf_plus(clean: Clean, tmp_path: Path) -> None:
    made = Recording()
    (tmp_path / "a.edf").write_bytes(made.bytes() + MARK)
    data, report = clean(tmp_path / "a.edf")
    assert len(data) == len(made.bytes())
    assert data[8:88].rstrip() == b"E001 F X E001"
    assert data[88:168].startswith(b"Startdate ")
    assert b"02-MAR-2002" not in data
    assert data[168:176] != b"02.03.02"
    assert data[176:184] == b"10.35.22"
    assert data[192:236].rstrip() == b"EDF+C"
    header = 256 * 4
    assert [data[256 + 16 * n : 272 + 16 * n].rstrip() for n in range(3)] == [b"EEG Fp1-Ref", b"SpO2", b"EDF Annotations"]
    assert b"HP:0.1Hz LP:75Hz N:50Hz" in data[:header]
    assert b"AgAgCl electrode" in data[:header]
    for record in range(3):
        at = header + record * (20 + 20 + 120)
        assert data[at : at + 40] == made.samples(record, 0) + made.samples(record, 1)
        notes = data[at + 40 : at + 160].rstrip(b"\0")
        assert notes == b"+%d\x14\x14\0+1.5\x150.5\x14seizure of\x14Lights off\x14" % record
    assert report.ending == ".edf"
    assert str(report.headers["AcquisitionDateTime"]).endswith("T10:35:22")
    assert {"patient", "recording", "start", "annotation", "tail", "reserved 1"} <= {action.path for action in report.actions}


def test_the_same_patient_is_shifted_as_in_dicom(clean: Clean, tmp_path: Path) -> None:
    from deid.dates import shift_date
    from deid.mapping import Mapping
    from tests.deid.formats.conftest import KEY

    _, report = clean(Recording().save(tmp_path / "a.edf"))
    expected = shift_date(b"20020302", Mapping(KEY, "2008-0003", "E001").days(b""))
    assert expected is not None
    assert str(report.headers["AcquisitionDateTime"])[:10].replace("-", "").encode() == expected


@pytest.mark.parametrize(("bdf", "kind"), [(False, ""), (True, "24BIT"), (True, "BDF+C")])
def test_plain_edf_and_bdf(clean: Clean, tmp_path: Path, bdf: bool, kind: str) -> None:
    made = Recording(patient=f"{NAME} Anna 4711-22", recording=f"ward 7, Dr {NAME}", kind=kind, bdf=bdf)
    made.labels[2] = "BDF Annotations" if kind == "BDF+C" else "Status"
    made.annotations = b"+1\x14" + MARK + b"\x14\0"
    data, report = clean(made.save(tmp_path / "a"))
    assert data[8:88].split()[0] == b"E001"
    assert b"4711" not in data
    assert len(data) == len(made.bytes())
    assert report.ending == (".bdf" if bdf else ".edf")
    width = 3 if bdf else 2
    assert data[1024 : 1024 + 20 * width] == made.samples(0, 0) + made.samples(0, 1)


@pytest.mark.parametrize("text", [b"no list at all " + MARK, b"+1" + MARK + b"\x14ok\x14\0", b"+1\x14ok\x14" + MARK, MARK])
def test_what_is_no_list_goes(clean: Clean, tmp_path: Path, text: bytes) -> None:
    made = Recording(annotations=text)
    data, _ = clean(made.save(tmp_path / "a.edf"))
    assert data[1024:1064] == made.samples(0, 0) + made.samples(0, 1)
    assert data[1064:1069] == b"+0\x14\x14\0"


def test_dates_that_two_digits_cannot_tell(clean: Clean, tmp_path: Path) -> None:
    made = Recording(start="02.03.86", recording="Startdate 02-MAR-1986 X X X", patient="X X X X")
    data, report = clean(made.save(tmp_path / "a.edf"))
    year = int(str(report.headers["AcquisitionDateTime"])[:4])
    assert year < 1986
    assert data[168:176].endswith(b"%02d" % (year % 100))
    plain = Recording(start="02.03.86", recording="", patient="", kind="")
    data, report = clean(plain.save(tmp_path / "c.edf"))
    year = int(str(report.headers["AcquisitionDateTime"])[:4])
    assert (data[168:176] == b"01.01.85") == (year < 1985)
    removed = DEFAULT.replace('"modified_dates", ', "").replace('mode = "shift"', 'mode = "remove"')
    data, report = clean(Recording().save(tmp_path / "b.edf"), removed)
    assert data[168:176] == b"01.01.85"
    assert data[88:168].rstrip() == b"Startdate X X X X"
    assert "AcquisitionDateTime" not in report.headers


def test_labels_of_nobody_we_know(clean: Clean, tmp_path: Path) -> None:
    made = Recording(labels=["Anna", "Meier", "EDF Annotations"], units="Meier", prefilter=f"by {NAME}")
    data, _ = clean(made.save(tmp_path / "a.edf"))
    assert [data[256 + 16 * n : 272 + 16 * n].rstrip() for n in range(2)] == [b"CH1", b"CH2"]
    assert b"Meier" not in data


def test_a_recorder_that_died_and_files_cut_short(clean: Clean, tmp_path: Path) -> None:
    made = Recording(records=-1)
    assert clean(made.save(tmp_path / "a.edf"))[0][236:244] == b"3       "
    for cut in (-1, 300):
        (tmp_path / "b.edf").write_bytes(Recording().bytes()[:cut])
        with pytest.raises(Unreadable):
            clean(tmp_path / "b.edf")
    (tmp_path / "b.edf").write_bytes(Recording().bytes().replace(b"-32768", NAME[:6].encode()))
    with pytest.raises(Unreadable, match="number that is none"):
        clean(tmp_path / "b.edf")


@pytest.mark.parametrize("start", ["24-APR-1989", "01-FEB-1986", "12-DEC-1980", "03-MAR-2004"])
def test_both_dates_of_edf_plus_agree_and_edflib_opens_it(clean: Clean, tmp_path: Path, start: str) -> None:
    import pyedflib

    header = start[:2] + "." + {"APR": "04", "FEB": "02", "DEC": "12", "MAR": "03"}[start[3:6]] + "." + start[-2:]
    made = Recording(start=header, recording=f"Startdate {start} X X X", patient="X F X Female_33yr")
    made.annotations = b"+0.5\x14Sleep stage W\x14\0+0.7\x14Sleep stage ?\x14\0"
    data, report = clean(made.save(tmp_path / "a.edf"))
    (tmp_path / "b.edf").write_bytes(data)
    with pyedflib.EdfReader(str(tmp_path / "b.edf")) as file:
        moment = file.getStartdatetime()
        notes = list(file.readAnnotations()[2])
    assert report.headers["AcquisitionDateTime"] == moment.isoformat()
    assert data[98:109].decode() == moment.strftime("%d-%b-%Y").upper() != start
    assert data[168:176].decode() == moment.strftime("%d.%m.%y")
    assert "Sleep stage W" in notes
    assert "Sleep stage ?" in notes


@pytest.mark.parametrize(
    "label", ["EEG Fpz-Cz", "EEG A1-(A2)", "EOG horizontal", "EMG Submental", "SaO2", "Resp oro-nasal", "ECG II"]
)
def test_standard_labels_stay(clean: Clean, tmp_path: Path, label: str) -> None:
    data, _ = clean(Recording(labels=[label, "C4-M1", "EDF Annotations"]).save(tmp_path / "a.edf"))
    assert data[256:272].rstrip().decode() == label
