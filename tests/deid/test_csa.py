"""Siemens CSA headers made from nothing: what stays, what goes, always at equal length, and nothing that does not parse."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread

import deid
from deid import csa
from deid.mapping import Mapping
from deid.rules.values import Ledger, Values
from tests.deid.csa_builder import Tag, build, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MARK = b"Zqxmarkovic"
KEY = b"k" * 32
OLD_UID = "1.3.12.2.1107.5.2.32.35119.2010011420070434054586384"
PROFILE = """schema = 1
options = ["modified_dates", "clean_desc"]
[[rule]]
tag = "(0029,xx10)@SIEMENS CSA HEADER"
action = "clean"
using = "csa"
[[rule]]
tag = "(0029,xx20)@SIEMENS CSA HEADER"
action = "C"
using = "csa"
"""


def values(known: frozenset[str] = frozenset()) -> Values:
    return Values(
        Mapping(KEY, "A"), b"E001", b"A", -400, "shift", frozenset(), known, lambda raw: raw.decode("latin-1"), Ledger()
    )


def cleaned(*tags: Tag, newer: bool = True) -> dict[str, list[bytes]]:
    blob = build(list(tags), newer=newer)
    new = csa.clean(blob, values())
    assert new is not None
    assert len(new) == len(blob)
    return read(new)


MEASURED = [
    Tag("B_value", "IS", [b"1000    "]),
    Tag("DiffusionGradientDirection", "FD", [b"0.99997449", b"-0.00505012", b"5.05e-003"]),
    Tag("B_matrix", "FD", [b"992.00000000"] * 6),
    Tag("SliceNormalVector", "FD", [b"0.00000000", b"0.00523632", b"0.99998629"]),
    Tag("MosaicRefAcqTimes", "FD", [b"6489.99999999", b"6350.00000001"]),
    Tag("NumberOfImagesInMosaic", "US", [b"48      "]),
    Tag("PhaseEncodingDirectionPositive", "IS", [b"1       "]),
    Tag("BandwidthPerPixelPhaseEncode", "FD", [b"19.05500000"]),
    Tag("SliceMeasurementDuration", "DS", [b"40.00000000"]),
    Tag("ImagePositionPatient", "DS", [b"-805.0", b"-825.01911853", b"-75.0976409"]),
    Tag("DiffusionDirectionality", "CS", [b"DIRECTIONAL"]),
    Tag("ICE_Dims", "LO", [b"X_1_1_1_2_1_1_48_1_1_1_1_201"]),
    Tag("AcquisitionMatrixText", "SH", [b"128p*128"]),
    Tag("ImaCoilString", "LO", [b"T:HEA;HEP"]),
    Tag("PositivePCSDirections", "SH", [b"+LPH"]),
    Tag("ImaPATModeText", "LO", [b"p2"]),
    Tag("SequenceName", "SH", [b"ep2d_diff"]),
    Tag("FMRIStimulLevel", "FD", []),
]


@pytest.mark.parametrize("newer", [True, False])
def test_what_is_measured_stays(newer: bool) -> None:
    assert cleaned(*MEASURED, newer=newer) == {tag.name: tag.values for tag in MEASURED}


@pytest.mark.parametrize(
    ("tag", "kept"),
    [
        (Tag("UsedPatientWeight", "IS", [b"88      "]), b"0       "),
        (Tag("PatReinPattern", "ST", [b"1;HFS;88.00;32.90;2;0;0;1331869268"]), b""),
        (Tag("PatientName", "PN", [MARK]), b""),
        (Tag("PatientName", "LO", [b"brain"]), b""),
        (Tag("ImageComments", "LT", [b"t1 brain"]), b""),
        (Tag("DeviceSerialNumber", "LO", [b"35119"]), b""),
        (Tag("DeviceSerialNumber", "IS", [b"35119"]), b"0    "),
        (Tag("Whatever", "LO", [b"t1 " + MARK]), b"t1"),
        (Tag("Whatever", "UN", [MARK]), b""),
        (Tag("Whatever", "OB", [b"t1"]), b""),
        (Tag("Whatever", "AE", [b"t1"]), b""),
        (Tag("B_value", "IS", [MARK]), b"0          "),
        (Tag("B_value", "IS", [b"1000 " + MARK]), b"0".ljust(16)),
        (Tag("ICE_Dims", "LO", [b"X_1_1_1_1_" + MARK]), b"X"),
        (Tag("ImaCoilString", "LO", [b"T:MARKOVIC"]), b"T"),
        (Tag("DiffusionDirectionality", "CS", [MARK]), b""),
        (Tag("AcquisitionDate", "DA", [b"20080312"]), b"20070206"),
        (Tag("AcquisitionDate", "DA", [MARK]), b""),
        (Tag("AcquisitionTime", "TM", [b"103522.125"]), b"103522.125"),
        (Tag("AcquisitionDateTime", "DT", [b"20080312103522"]), b"20070206103522"),
        (Tag("RepresentativeImage", "UI", [b"1.2.840.10008.5.1.4.1.1.4"]), b"1.2.840.10008.5.1.4.1.1.4"),
        (Tag("RepresentativeImage", "UI", [MARK]), b""),
        (Tag("RepresentativeImage", "UI", [b"1.2.840.10008." + MARK]), b""),
        (Tag("RepresentativeImage", "UI", [b"1.3.12.2.1107.5"]), b""),  # the new one does not find room
        (Tag("RepresentativeImage", "UI", [OLD_UID.encode()]), Mapping(KEY, "A").uid(OLD_UID).encode()),
    ],
)
@pytest.mark.parametrize("newer", [True, False])
def test_what_identifies_goes(tag: Tag, kept: bytes, newer: bool) -> None:
    assert cleaned(MEASURED[0], tag, newer=newer)[tag.name] == [kept]


def test_a_value_never_takes_the_place_of_its_end() -> None:
    """C programs read on until a zero: a UID one byte too long would run into what follows."""
    olds = (f"1.3.12.2.1107.5.2.32.35119.{'7' * n}" for n in range(5, 30))
    old = next(old for old in olds if len(Mapping(KEY, "A").uid(old)) == len(old) + 1)
    assert cleaned(MEASURED[0], Tag("RepresentativeImage", "UI", [old.encode()]))["RepresentativeImage"] == [b""]


@pytest.mark.parametrize("newer", [True, False])
def test_what_lay_in_memory_goes(newer: bool) -> None:
    """Scanners write what they last held behind each name and value: station names, and other patients'."""
    tags = [Tag(tag.name, tag.vr, tag.values, MARK) for tag in MEASURED]
    blob = build(tags, newer=newer, tail=MARK)
    assert blob.count(MARK) > 2 * len(tags)
    new = csa.clean(blob, values())
    assert new is not None
    assert len(new) == len(blob)
    assert MARK[:2] not in new  # nor in the two or three bytes that fill up to the next four
    assert read(new) == {tag.name: tag.values for tag in tags}


@pytest.mark.parametrize("newer", [True, False])
def test_what_does_not_parse_to_the_last_byte_is_removed(newer: bool) -> None:
    blob = build(MEASURED, newer=newer)
    assert csa.clean(blob, values()) is not None
    last = len(build(MEASURED[:-1], newer=newer)) + 84
    for cut in [*range(0, last, 7), last - 1]:
        assert csa.clean(blob[:cut], values()) is None
    at = 8 if newer else 0
    wrong = [
        (at, struct.pack("<I", 0)),  # no tags
        (at, struct.pack("<I", 1001)),  # too many
        (at + 4, struct.pack("<I", 78)),  # the mark
        (at + 8, b"\x07"),  # the name
        (at + 8, bytes(64)),
        (at + 8, b"x" * 64),
        (at + 8 + 64, struct.pack("<i", -1)),  # the multiplicity
        (at + 8 + 68, b"is\0\0"),  # the VR
        (at + 8 + 76, struct.pack("<i", -1)),  # the number of items
        (at + 8 + 76, struct.pack("<i", 1 << 20)),
        (at + 8 + 80, struct.pack("<i", 78)),  # the tag's mark
        (at + 8 + 84, struct.pack("<i", -1)),  # the item's numbers
        (at + 8 + 84 + 4, struct.pack("<i", 1 << 30)),
        (at + 8 + 84 + 8, struct.pack("<i", 78)),
    ]
    for place, bad in wrong:
        assert csa.clean(blob[:place] + bad + blob[place + len(bad) :], values()) is None, place
    assert csa.clean(b"", values()) is None
    assert csa.clean(b"SV10", values()) is None


def test_the_older_format_s_sign_that_nothing_follows() -> None:
    blob = build([Tag("First", "IS", [b"1"] * 6), *MEASURED], newer=False)
    at = blob.index(b"SliceNormalVector") + 84
    none = blob[:at] + struct.pack("<4i", 0, 0, 77, 0) + blob[blob.index(b"MosaicRefAcqTimes") :]
    new = csa.clean(none, values())
    assert new is not None
    assert b"MosaicRefAcqTimes" in new
    assert b"6489.99999999" in new


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,30}", fullmatch=True)
TEXTS = st.one_of(
    st.sampled_from([MARK, b"1000    ", b"t1 brain", b"0.5", OLD_UID.encode(), b"20080312", b"", b"1e5", b"DIRECTIONAL"]),
    st.binary(max_size=40).map(lambda raw: raw.replace(b"\0", b"")),
)
VRS = st.sampled_from(["IS", "DS", "FD", "LO", "SH", "LT", "ST", "UN", "UI", "DA", "DT", "TM", "PN", "CS", "UT", "AS"])
TAGS = st.lists(st.builds(Tag, NAMES, VRS, st.lists(TEXTS, max_size=4), st.binary(max_size=9)), min_size=1, max_size=8)


@settings(deadline=None)
@given(TAGS, st.booleans(), st.binary(max_size=5))
def test_any_header_keeps_its_length_and_its_shape(tags: list[Tag], newer: bool, tail: bytes) -> None:
    blob = build(tags, newer=newer, tail=tail)
    new = csa.clean(blob, values())
    assert new is not None
    assert len(new) == len(blob)
    before, after = read(blob), read(new)
    assert list(after) == list(before)
    assert [len(items) for items in after.values()] == [len(items) for items in before.values()]
    assert b"qxmarkovic" not in new.lower()
    assert b"35119" not in new
    again = csa.clean(new, values())
    assert again is not None
    assert len(again) == len(new)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_cleaned_or_removed(data: bytes) -> None:
    for blob in (data, b"SV10\x04\x03\x02\x01\x01\0\0\0M\0\0\0" + data, b"<XProtocol>" + data):
        new = csa.clean(blob, values())
        assert new is None or len(new) == len(blob)


BEGIN = b"### ASCCONV BEGIN object=MrProtDataImpl@MrProtocolData version=41310008 converter=%MEASCONST%/Prot_Converter.txt ###"
PHOENIX = b"""<XProtocol>
{
  <Name> "PhoenixMetaProtocol"
  <ID> 1000002
  <ParamMap."">
  {
    <ParamString."PatientName"> { "Zqxmarkovic^Otto" }
    <ParamString."PatientID"> { "t1" }
    <ParamDouble."flUsedPatientWeight"> { <Precision> 6 67.5 }
    <ParamLong."Count"> { 1 }
    <ParamString."tStudy"> { "1.3.12.2.1107.5.2.32.35119.2010011420070434054586384" }
    <ParamMap.""DICOM""> { } Zqxmarkovic was here, born 1957
    <ParamString.""Protocol0"">
    {
      "<XProtocol>
BEGIN
ulVersion                                = 0x14b44b6
tSequenceFileName                        = ""%SiemensSeq%\\ep2d_diff""
tProtocolName                            = ""t1+AF8-mprage+AF8-Zqxmarkovic""
tReferenceImage0                         = ""1.3.12.2.1107.5.2.32.35119.2010011420070434054586384""
tPatientComment                          = ""t1""
lPatientBirthday                         = 19571204
alTR[0]                                  = 8300000 # Zqxmarkovic
sSliceArray.asSlice[0].dThickness        = 2.5
sDiffusion.lDiffWeightings               = 2
sTXSPEC.asNucleusInfo[0].tNucleus        = ""1H""
sWipMemBlock.tFree                       = ""Zqxmarkovic, flair""
lBad                                     = 12 Zqxmarkovic
lWorse                                   = Zqxmarkovic
Zqxmarkovic was here
### ASCCONV END ###"
    }
  }
}
""".replace(b"BEGIN", BEGIN)


def test_the_phoenix_protocol() -> None:
    v = values()
    new = csa.clean(PHOENIX, v)
    assert new is not None
    assert len(new) == len(PHOENIX)
    assert b"qxmarkovic" not in new.lower()
    assert b"35119" not in new
    assert b"19571204" not in new
    assert b"1957" not in new
    lines = {left.strip(): right.strip() for left, _, right in (line.partition(b" = ") for line in new.split(b"\n"))}
    uid = Mapping(KEY, "A").uid(OLD_UID).encode()
    assert lines[b"ulVersion"] == b"0x14b44b6"
    assert lines[b"tSequenceFileName"] == b'""%SiemensSeq%\\ep2d_diff""'
    assert lines[b"tProtocolName"].startswith(b'""t1')
    assert lines[b"tReferenceImage0"] == b'""' + uid + b'""'
    assert lines[b"tPatientComment"] == b'""""'
    assert lines[b"lPatientBirthday"] == b"0"
    assert lines[b"alTR[0]"] == b"8300000"
    assert lines[b"sSliceArray.asSlice[0].dThickness"] == b"2.5"
    assert lines[b"sDiffusion.lDiffWeightings"] == b"2"
    assert lines[b"sTXSPEC.asNucleusInfo[0].tNucleus"] == b'""1H""'
    assert b"flair" in lines[b"sWipMemBlock.tFree"]
    assert lines[b"lBad"] == lines[b"lWorse"] == b""
    assert b'<ParamString."PatientName"> { ""' in new
    assert b'<ParamString."PatientID"> { ""' in new
    assert b"<Precision> 0 0 " in new
    assert b'<ParamLong."Count"> { 1 }' in new
    assert b'"' + uid + b'"' in new
    assert b"version=41310008" in new
    assert new.count(b"\n") == PHOENIX.count(b"\n")
    assert OLD_UID.encode() in v.ledger.uids


def test_a_protocol_is_remembered_with_all_it_took_out() -> None:
    v = values()
    first = csa.clean(PHOENIX, v)
    assert v.mapping.memo
    again = replace(v, ledger=Ledger())
    assert csa.clean(PHOENIX, again) == first
    assert again.ledger.uids == v.ledger.uids != set()
    other = replace(v, known=frozenset({"flair"}))
    assert b"flair" not in (csa.clean(PHOENIX, other) or b"flair")


def test_a_section_s_head_is_one_that_machines_write() -> None:
    text = b"### ASCCONV BEGIN Zqxmarkovic ###\nlX = 1\n### ASCCONV END ###"
    assert csa.clean(text, values()) == b"### ASCCONV BEGIN ###            \nlX = 1\n### ASCCONV END ###"


def test_a_parameter_named_like_the_patient_goes() -> None:
    lines = b"### ASCCONV BEGIN ###\nsQuandermann.lX = 1\nQuandermann.lX = 1\n### ASCCONV END ###"
    text = b'<XProtocol> <ParamLong."Quandermann"> { 1 } ' + lines
    new = csa.clean(text, values(frozenset({"quandermann"})))
    assert new is not None
    assert b'"Quandermann"' not in new
    assert new.count(b"Quandermann") == 1  # within a longer word: the leak check holds the file


def with_csa(mr: Dataset, image: bytes, series: bytes = b"") -> Dataset:
    block = mr.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x10, "OB", image + b"\0" * (len(image) % 2))
    if series:
        block.add_new(0x20, "OB", series + b"\0" * (len(series) % 2))
    return mr


@pytest.mark.parametrize("engine", ["fast", "safe"])
def test_through_a_profile(mr: Dataset, saved: Callable[..., Path], engine: str) -> None:
    phoenix = PHOENIX.replace(b"Zqxmarkovic", b"Quandermann")
    series = build([Tag("UsedPatientWeight", "IS", [b"88"]), Tag("MrPhoenixProtocol", "UN", [phoenix], b"Quandermann")])
    path = saved(with_csa(mr, build(MEASURED), series))
    out = io.BytesIO()
    report = deid.Cleaner(deid.load_profile(PROFILE), KEY, "A", "E001", engine=engine).clean(path, out)
    assert report.engine == engine
    ds = dcmread(io.BytesIO(out.getvalue()))
    assert read(ds[0x0029, 0x1010].value)["B_value"] == [b"1000    "]
    assert len(ds[0x0029, 0x1020].value) == len(series) + len(series) % 2
    assert b"alTR[0]" in ds[0x0029, 0x1020].value
    assert b"quandermann" not in out.getvalue().lower()
    assert [a.action for a in report.actions if a.path == "(0029,1020)"] == ["C"]
    assert [a.rule for a in report.actions if a.path == "(0029,1020)"] == ["profile line 7"]


@pytest.mark.parametrize("engine", ["fast", "safe"])
def test_a_header_that_does_not_parse_is_removed_and_the_report_says_so(
    mr: Dataset, saved: Callable[..., Path], engine: str
) -> None:
    out = io.BytesIO()
    path = saved(with_csa(mr, build(MEASURED)[:-3]))
    report = deid.Cleaner(deid.load_profile(PROFILE), KEY, "A", "E001", engine=engine).clean(path, out)
    assert (0x0029, 0x1010) not in dcmread(io.BytesIO(out.getvalue()))
    assert [a.action for a in report.actions if a.path == "(0029,1010)"] == ["X"]


@pytest.mark.parametrize("engine", ["fast", "safe"])
def test_the_leak_check_looks_into_what_was_cleaned(mr: Dataset, saved: Callable[..., Path], engine: str) -> None:
    """A number that is the patient's ID is no text that the cleaning could doubt: the file is held."""
    mr.PatientID = "7788123456"
    path = saved(with_csa(mr, build([Tag("MeasurementIndex", "IS", [b"7788123456"])])))
    with pytest.raises(deid.Held) as caught:
        deid.Cleaner(deid.load_profile(PROFILE), KEY, "A", "E001", engine=engine).clean(path, io.BytesIO())
    assert caught.value.tag_path == "(0029,1010)"


def test_by_default_it_is_cleaned_and_without_private_attributes_removed(mr: Dataset, saved: Callable[..., Path]) -> None:
    path = saved(with_csa(mr, build([*MEASURED, Tag("PatientName", "PN", [MARK])])))
    found = []
    for profile in (None, "schema = 1\noptions = []\n"):
        out = io.BytesIO()
        deid.Cleaner(deid.load_profile(profile), KEY, "A", "E001").clean(path, out)
        assert MARK not in out.getvalue()
        found.append(dcmread(io.BytesIO(out.getvalue())))
    assert read(found[0][0x0029, 0x1010].value)["B_value"] == [b"1000    "]
    assert (0x0029, 0x1010) not in found[1]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('tag = "(0029,xx10)@SIEMENS CSA HEADER"\naction = "clean"\nusing = "cas"', "there is 'csa'"),
        ('tag = "(0029,xx10)@SIEMENS CSA HEADER"\naction = "keep"\nusing = "csa"', "only action = 'clean'"),
        ('tag = "ImageComments"\naction = "clean"\nusing = "csa"', "for private elements"),
        ('vr = "OB"\naction = "clean"\nusing = "csa"', "for private elements"),
    ],
)
def test_rules_that_may_not_be(rule: str, said: str) -> None:
    with pytest.raises(deid.ProfileError) as caught:
        deid.load_profile(f"schema = 1\n[[rule]]\n{rule}\n")
    assert any(said in problem for problem in caught.value.problems)
