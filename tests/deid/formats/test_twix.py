"""Siemens raw data: every length stays, the samples stay, names, dates and UIDs are written over."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from deid import Unreadable
from tests.deid.formats.conftest import MARK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deid.formats.conftest import Clean

NAME = MARK.decode()
UID = "1.3.12.2.1107.5.2.36.40259.1.20160323145345046.0.0.0"
CONFIG = f"""<XProtocol> {{
  <ParamString."PatientName">  {{ "{NAME}^Anna"  }}
  <ParamString."PatientID">  {{ "4711-22"  }}
  <ParamString."tPatientName">  {{ <Label> {{ "x" }} "{NAME.upper()}^ANNA"  }}
  <ParamString."PatientBirthDay">  {{ "19571204"  }}
  <ParamLong."PatientSex">  {{ 1  }}
  <ParamDouble."flUsedPatientWeight">  {{ <Precision> 6  70.500000  }}
  <ParamString."InstitutionName">  {{ "Spital Quellenhof"  }}
  <ParamString."DeviceSerialNumber">  {{ "40259"  }}
  <ParamString."FrameOfReference">  {{ "{UID}"  }}
  <ParamString."SequenceDescription">  {{ "*tfl3d1_16ns"  }}
  <ParamString."tProtocolName">  {{ "t1_mprage_{NAME}"  }}
  <ParamLong."BaseResolution">  {{ 256  }}
}}
"""
YAPS = f"""### ASCCONV BEGIN ###
tSequenceFileName = ""%SiemensSeq%\\tfl""
tProtocolName = ""t1_mprage {NAME}""
sPatient.tPatientName = "{NAME}"
sKSpace.lBaseResolution = 256
tReferenceImage0 = ""{UID}""
sWipMemBlock.tFree = ""seen by {NAME} 4711-22 on 20160323""
tMade = ""for {NAME} at 40259""
tStamp = "20160323145345"
tDay = "2016-03-23"
tComment = "copied 2016-03-23 from Quellenhof"
### ASCCONV END ###
"""
SAMPLES = bytes(range(256)) * 8


def header(**more: str) -> bytes:
    buffers = {"Config": CONFIG, "Dicom": CONFIG.replace("XProtocol", "XP"), "MeasYaps": YAPS, **more}
    body = struct.pack("<I", len(buffers))
    for name, text in buffers.items():
        encoded = text.encode("latin-1") + b"\0"
        body += name.encode() + b"\0" + struct.pack("<I", len(encoded)) + encoded
    length = -(-(len(body) + 4 + 20) // 32) * 32
    return (struct.pack("<I", length) + body + b"in memory").ljust(length, b"\0")


def many(*measurements: bytes) -> bytes:
    listed, at, body = b"", 10240, b""
    for number, each in enumerate(measurements):
        padded = each.ljust(-(-len(each) // 512) * 512, b"\xa5")
        listed += struct.pack("<IIQQ", number + 7, number + 70, at, len(each))
        listed += f"{NAME}^Anna".encode().ljust(64, b"\0") + f"t1_mprage_{NAME}".encode().ljust(64, b"\0")
        body += padded
        at += len(padded)
    return (struct.pack("<II", 0, len(measurements)) + listed).ljust(10240, b"\0") + body


def judge(before: bytes, after: bytes) -> None:
    assert len(before) == len(after)
    for left in (
        b"4711",
        b"in memory",
        b"anna",
        b"quellenhof",
        b"40259",
        b"19571204",
        b"20160323",
        b"2016-03-23",
        UID.encode(),
    ):
        assert left not in after.lower()
    for kept in (b"*tfl3d1_16ns", b"%SiemensSeq%\\tfl", b'"BaseResolution">  { 256', b"lBaseResolution = 256", b"t1_mprage"):
        assert kept in after


def test_one_measurement_of_vb(clean: Clean, tmp_path: Path) -> None:
    before = header(Padding="x" * 12000) + SAMPLES
    (tmp_path / "meas.dat").write_bytes(before)
    data, report = clean(tmp_path / "meas.dat")
    judge(before, data)
    assert data.endswith(SAMPLES)
    assert data[: data.index(b"Config")] == before[: before.index(b"Config")]
    assert report.headers == {"FileType": "MR_RAW"}
    assert b'"PatientSex">  { 1' in data  # the default profile keeps patient characteristics


def test_many_measurements_of_vd(clean: Clean, tmp_path: Path) -> None:
    first, second = header() + SAMPLES + b"odd", header(Phoenix=YAPS) + SAMPLES
    before = many(first, second)
    (tmp_path / "meas.dat").write_bytes(before + MARK)
    data, _ = clean(tmp_path / "meas.dat")
    at, length = struct.unpack_from("<QQ", data, 8 + 152 + 8)
    judge(before[: at + length], data)
    assert data[32:36] == b"E001"
    assert data[96:160].rstrip(b"\0") == b"t1_mprage_" + b"x" * len(NAME)
    assert data[10240 + len(header()) : 10240 + len(first)] == SAMPLES + b"odd"
    assert not any(data[10240 + len(first) : at])
    assert data.endswith(SAMPLES)


def test_patient_characteristics_go_with_their_option(clean: Clean, tmp_path: Path) -> None:
    (tmp_path / "meas.dat").write_bytes(header(Padding="x" * 12000) + SAMPLES)
    data, _ = clean(tmp_path / "meas.dat", 'schema = 1\noptions = ["clean_desc"]\n')
    assert b'"PatientSex">  { 0' in data
    assert b"00.000000" in data
    assert b"70.5" not in data


def test_the_same_uid_stays_the_same(clean: Clean, tmp_path: Path) -> None:
    text = f'<ParamString."tOther"> {{ "{UID}" }}\n<ParamString."tAgain"> {{ "{UID}" }}\n'
    found = []
    for name in "ab":
        (tmp_path / name).write_bytes(header(Padding="x" * 12000, Meas=text) + SAMPLES)
        data = clean(tmp_path / name)[0]
        at = data.index(b'"tOther"> { "') + 13
        other = data[at : at + len(UID)]
        assert other == data[data.index(b'"tAgain"> { "') + 13 :][: len(UID)]
        assert other.count(b".") == UID.count(".")
        found.append(other)
    assert found[0] == found[1]


@pytest.mark.parametrize("cut", [200, 10245, -600])
def test_cut_short(clean: Clean, tmp_path: Path, cut: int) -> None:
    (tmp_path / "meas.dat").write_bytes(many(header() + SAMPLES + bytes(264))[:cut])
    with pytest.raises(Unreadable):
        clean(tmp_path / "meas.dat")


def test_switches_and_numbers_are_no_identities(clean: Clean, tmp_path: Path) -> None:
    more = """<XProtocol> {
  <ParamString."tPatientNameShown">  { "true"  }
  <ParamString."PerformingPhysician">  { "xxxxxxx"  }
  <ParamString."OperatorsName">  { "anonymous"  }
  <ParamBool."bOn">  { "true"  }
  <ParamLong."lCounter">  { 20100115  }
  <ParamDouble."dSomething">  { <Precision> 6  19991231.000000  }
}
"""
    yaps = '\nlOther = 20100115\nsPhysImaging.bTrue = "true"\nlDate = 20100115\n'
    (tmp_path / "meas.dat").write_bytes(header(Phoenix=more, Spice=yaps, Padding="x" * 12000) + SAMPLES)
    data, _ = clean(tmp_path / "meas.dat")
    for kept in ('<ParamBool."bOn">  { "true"  }', "{ 20100115  }", "19991231.000000", "lOther = 20100115", 'bTrue = "true"'):
        assert kept.encode() in data
    assert b"lDate = 19000101" in data
