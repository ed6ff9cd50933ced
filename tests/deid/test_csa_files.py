"""Real Siemens files: diffusion and geometry before and after, as nibabel and dcm2niix read them."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import Dataset, dcmread

import deid

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # nibabel calls its DICOM readers experimental
    from nibabel.nicom import csareader, dicomwrappers
    from nibabel.nicom.ascconv import parse_ascconv

DATA = Path(nibabel.__file__).parent / "nicom/tests/data"
NAMES = ["siemens_dwi_0.dcm.gz", "siemens_dwi_1000.dcm.gz"]
PROFILE = deid.examples()["neuro-mr"]
# What the CSA headers of these files say of the patient, the visit and the machine.
TOLD = (b"MRC35119", b"35119", b"1331869268", b"20100114", b"CBU", b"88.00")


def original(name: str, folder: Path) -> Path:
    path = folder / "before" / "in.dcm"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = (DATA / name).read_bytes()
    path.write_bytes(gzip.decompress(data) if name.endswith(".gz") else data)
    return path


def cleaned(path: Path, engine: str = "fast", profile: str = PROFILE) -> tuple[Path, deid.Report]:
    target = path.parents[1] / "after" / "out.dcm"
    target.parent.mkdir(exist_ok=True)
    with target.open("w+b") as stream:
        report = deid.Cleaner(deid.load_profile(profile), b"k" * 32, "A", "E001", engine=engine).clean(path, stream)
    return target, report


def headers(path: Path) -> tuple[Dataset, dict[str, object], dict[str, object]]:
    ds = dcmread(path)
    return ds, csareader.get_csa_header(ds, "image")["tags"], csareader.get_csa_header(ds, "series")["tags"]


@pytest.mark.parametrize("name", NAMES)
def test_nibabel_reads_the_same_diffusion(tmp_path: Path, name: str) -> None:
    before = original(name, tmp_path)
    after, report = cleaned(before)
    old, new = dicomwrappers.wrapper_from_file(before), dicomwrappers.wrapper_from_file(after)
    assert type(new) is dicomwrappers.MosaicWrapper
    assert new.b_value == old.b_value
    assert np.array_equal(new.affine, old.affine)
    assert np.array_equal(new.get_data(), old.get_data())
    if old.b_matrix is not None:
        assert np.array_equal(new.b_matrix, old.b_matrix)
        assert np.array_equal(new.q_vector, old.q_vector)
    assert {a.action for a in report.actions if a.path in ("(0029,1010)", "(0029,1020)")} == {"C"}


@pytest.mark.parametrize("name", NAMES)
def test_the_image_header_is_the_same_and_the_series_header_but_for_what_it_tells(tmp_path: Path, name: str) -> None:
    before = original(name, tmp_path)
    after, _ = cleaned(before)
    (old, old_image, old_series), (new, new_image, new_series) = headers(before), headers(after)
    assert new_image == old_image
    assert {tag for tag in old_series if old_series[tag] != new_series[tag]} == {
        "UsedPatientWeight",
        "PatReinPattern",
        "MrPhoenixProtocol",
    }
    for element in (0x1010, 0x1020):
        assert len(new[0x0029, element].value) == len(old[0x0029, element].value)
    data = after.read_bytes()
    assert [told for told in TOLD if told in before.read_bytes()]
    assert not [told for told in TOLD if told in data]


def test_the_protocol_keeps_its_numbers(tmp_path: Path) -> None:
    def protocol(path: Path) -> dict[str, object]:
        text = headers(path)[2]["MrPhoenixProtocol"]["items"][0]
        return parse_ascconv(text[text.index("### ASCCONV BEGIN") :], str_delim='""')[0]

    before = original(NAMES[1], tmp_path)
    old, new = protocol(before), protocol(cleaned(before)[0])
    assert list(old) == list(new)
    assert {key for key in old if old[key] != new[key]} <= {
        "tProtocolName",
        "tReferenceImage0",
        "tReferenceImage1",
        "tReferenceImage2",
        "tdefaultEVAProt",
        "sProtConsistencyInfo",
        "sTXSPEC",
        "asCoilSelectMeas",
    }
    assert (new["alTR"], new["sDiffusion"], new["sSliceArray"]) == (old["alTR"], old["sDiffusion"], old["sSliceArray"])


@pytest.mark.parametrize("name", NAMES)
def test_both_engines_alike_and_each_time(tmp_path: Path, name: str) -> None:
    before = original(name, tmp_path)
    fast, report = cleaned(before)
    data = fast.read_bytes()
    assert report.engine == "fast"
    assert cleaned(before, "safe")[0].read_bytes() == data
    assert cleaned(before)[0].read_bytes() == data


@pytest.mark.parametrize("blob", ["csa2_b0.bin", "csa2_b1000.bin", "csa2_zero_len.bin.gz"])
def test_headers_by_themselves(tmp_path: Path, blob: str) -> None:
    raw = (DATA / blob).read_bytes()
    raw = gzip.decompress(raw) if blob.endswith(".gz") else raw
    ds = dcmread(original(NAMES[0], tmp_path))
    ds[0x0029, 0x1010].value = raw
    path = tmp_path / "before" / "in.dcm"
    ds.save_as(path)
    new = dcmread(cleaned(path)[0])[0x0029, 0x1010].value
    assert len(new) == len(raw)
    old_tags, new_tags = csareader.read(raw)["tags"], csareader.read(new)["tags"]
    assert list(new_tags) == list(old_tags)
    for tag in ("B_value", "B_matrix", "DiffusionGradientDirection", "SliceNormalVector", "MosaicRefAcqTimes"):
        assert new_tags.get(tag) == old_tags.get(tag)
    assert b"MRC35119" not in new


@pytest.mark.parametrize("name", ["csa_str_1001n_items.bin", "ascconv_sample.txt"])
def test_no_whole_header_no_header(tmp_path: Path, name: str) -> None:
    ds = dcmread(original(NAMES[0], tmp_path))
    ds[0x0029, 0x1010].value = ((DATA / name).read_bytes() + b" ")[: (DATA / name).stat().st_size // 2 * 2]
    path = tmp_path / "before" / "in.dcm"
    ds.save_as(path)
    new = dcmread(cleaned(path)[0])
    assert ((0x0029, 0x1010) in new) == name.startswith("ascconv")  # a protocol by itself is one that can be cleaned


def converted(folder: Path) -> tuple[nibabel.Nifti1Image, dict[str, object], dict[str, str]]:
    """What dcm2niix makes of a folder: image, sidecar, and the other files' text by their ending."""
    out = folder.with_name(folder.name + "-nifti")
    out.mkdir()
    said = subprocess.run(
        [sys.executable, "-m", "dcm2niix", "-b", "y", "-ba", "n", "-z", "n", "-f", "x", "-o", str(out), str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.returncode == 0, said.stdout
    texts = {path.suffix: path.read_text() for path in out.iterdir() if path.suffix in (".bval", ".bvec")}
    return nibabel.load(out / "x.nii"), json.loads((out / "x.json").read_text()), texts


MEASURED = (
    *("EchoTime", "RepetitionTime", "FlipAngle", "SliceTiming", "PhaseEncodingDirection", "EffectiveEchoSpacing"),
    *("TotalReadoutTime", "BandwidthPerPixelPhaseEncode", "DwellTime", "ImageOrientationPatientDICOM", "PhaseEncodingSteps"),
    *("ParallelReductionFactorInPlane", "SliceThickness", "SpacingBetweenSlices", "ConversionSoftwareVersion"),
)


def both(tmp_path: Path, profile: str) -> tuple[Path, Path]:
    """The two images of one series as they came, and cleaned."""
    for folder in ("before", "after"):
        (tmp_path / folder).mkdir()
    for number, name in enumerate(NAMES):
        before = original(name, tmp_path / str(number))
        after, _ = cleaned(before, profile=profile)
        before.rename(tmp_path / "before" / f"{number}.dcm")
        after.rename(tmp_path / "after" / f"{number}.dcm")
    return tmp_path / "before", tmp_path / "after"


def test_dcm2niix_makes_the_same_of_it(tmp_path: Path) -> None:
    (old, old_json, old_texts), (new, new_json, new_texts) = map(converted, both(tmp_path, PROFILE))
    assert np.array_equal(new.affine, old.affine)
    assert np.array_equal(new.dataobj, old.dataobj)
    assert new_texts == old_texts
    assert "1000" in new_texts[".bval"]
    assert {key: new_json.get(key) for key in MEASURED} == {key: old_json.get(key) for key in MEASURED}
    assert len(new_json["SliceTiming"]) == 48


@pytest.mark.parametrize("rules", [True, False])
def test_where_only_these_headers_know_the_directions(tmp_path: Path, rules: bool) -> None:
    """Older scanners write no (0019,10xx): the cleaned header alone must do, and without it all is lost."""
    rule = '[[rule]]\ntag = "(0029,xx{})@SIEMENS CSA HEADER"\naction = "clean"\nusing = "csa"\n'
    profile = 'schema = 1\noptions = ["modified_dates"]\n' + (rule.format("10") + rule.format("20") if rules else "")
    (_, _, old), (_, _, new) = map(converted, both(tmp_path, profile))
    assert (new == old) == rules
    assert ("1000" in new[".bval"]) == rules
