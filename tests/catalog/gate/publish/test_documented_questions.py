"""Every question in docs/query.md finds the files that pydicom says it should, through de-identification and the catalogue."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from catalog import administration
from catalog.metadata import coverage
from catalog.pure.errors import Invalid
from deid import load_profile
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.synthetic import image

PAGE = Path(__file__).parents[4] / "docs" / "query.md"
HEART = 'schema = 1\nstandard = "2026c"\n[extract]\nfields = ["(0018,1060)"]\n'
B_VALUE = "`(0019,xx0C)@SIEMENS MR HEADER` >= 1000"


def _spacing(file: Dataset) -> list[float]:
    return [float(each) for each in file.get("PixelSpacing") or []]


def _echo(file: Dataset) -> float:
    found = file.get("EchoTime")
    return -1.0 if found is None else float(found)


def _is_diffusion(file: Dataset) -> bool:
    block = file.private_block(0x0019, "SIEMENS MR HEADER") if (0x0019, 0x0010) in file else None
    return block is not None and int(block[0x0C].value) >= 1000


TRUTH: dict[str, Callable[[Dataset, str, int], bool]] = {
    'file_type = "DCM_MR" and EchoTime >= 80 ms and study = "2008-0003"': lambda f, path, _: (
        f.Modality == "MR" and _echo(f) >= 80 and path.startswith("2008-0003/")
    ),
    "EchoTime > 80": lambda f, *_: _echo(f) > 80,
    "EchoTime > 0.08 s": lambda f, *_: _echo(f) > 80,
    "size > 1 kB": lambda _, __, size: size > 1000,
    "MagneticFieldStrength = 3 T": lambda f, *_: f.get("MagneticFieldStrength") == 3,
    'PixelSpacing = "1\\1"': lambda f, *_: _spacing(f) == [1, 1],
    "PixelSpacing = 1": lambda f, *_: 1 in _spacing(f),
    "PixelSpacing != 1": lambda f, *_: any(each != 1 for each in _spacing(f)),
    "PixelSpacing < 1": lambda f, *_: any(each < 1 for each in _spacing(f)),
    "not PixelSpacing = 1": lambda f, *_: 1 not in _spacing(f),
    'ImageType = "PRIMARY"': lambda f, *_: "PRIMARY" in f.ImageType,
    'ImageType = "ORIGINAL\\PRIMARY\\M\\ND"': lambda f, *_: list(f.ImageType) == ["ORIGINAL", "PRIMARY", "M", "ND"],
    'ImageType like "orig%"': lambda f, *_: any(each.startswith("ORIG") for each in f.ImageType),
    'SeriesDescription ~ "mprage"': lambda f, *_: "mprage" in f.get("SeriesDescription", ""),
    'SeriesDescription like "t1%"': lambda f, *_: f.get("SeriesDescription", "").startswith("t1"),
    "SeriesNumber in (3, 5)": lambda f, *_: f.SeriesNumber in {3, 5},
    "SeriesNumber not in (3, 5)": lambda f, *_: f.SeriesNumber not in {3, 5},
    "has EchoTime": lambda f, *_: f.get("EchoTime") is not None,
    "not EchoTime > 80": lambda f, *_: not _echo(f) > 80,
    "EchoTime != 80": lambda f, *_: _echo(f) not in {-1.0, 80.0},
    "has TriggerTime": lambda f, path, _: path.startswith("heart/") and f.get("TriggerTime") is not None,
    "TriggerTime >= 20": lambda f, path, _: path.startswith("heart/") and f.get("TriggerTime", 0) >= 20,
    B_VALUE: lambda f, *_: _is_diffusion(f),
    "Rows = 16 and (InstanceNumber = 1 or InstanceNumber = 3)": lambda f, *_: f.Rows == 16 and f.InstanceNumber in {1, 3},
    'file_type in ("NIFTI", "EDF") and size >= 1 GB': lambda *_: False,
}


def _documented() -> list[str]:
    found = re.search(r"These all work.*?```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1].splitlines()


def _with_b_value(content: bytes, b_value: int) -> bytes:
    file = pydicom.dcmread(io.BytesIO(content))
    file.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", b_value)
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture
def filled(gate: Gate) -> Gate:
    """Give two studies with different profiles: heart keeps the trigger time, 2008-0003 does not though its files have it."""
    administration.create_study(gate.database, gate.store, ROOT, "heart", profile=HEART)
    administration.add_grant(gate.database, ROOT, "ada", "heart")
    echoes = [image(series=5, instance=n, description="echoes", EchoTime=n * 40.0) for n in (1, 2, 3)]
    flair = [
        image(series=4, instance=n, description="flair", PixelSpacing=[1, "0.50"], MagneticFieldStrength=3) for n in (1, 2)
    ]
    derived = image(
        series=6, description="map", ImageType=["DERIVED", "SECONDARY"], PixelSpacing=["1.0", "1.00"], EchoTime=None
    )
    diffusion = _with_b_value(image(series=7, description="dwi", PixelSpacing=[2, 2], TriggerTime=20.0), 1000)
    gate.published(*(image(instance=n, TriggerTime=n * 10.0) for n in (1, 2, 3)), *echoes, *flair, derived, diffusion)
    cine = [image(study="8", instance=n, description="cine", TriggerTime=n * 10.0) for n in (1, 2, 3)]
    gate.published(*cine, image(study="8", series=4, description="scout"), study="heart")
    return gate


def test_every_documented_question(filled: Gate) -> None:
    view = filled.view()
    paths = {
        f"{one.study}/{one.exam}/{one.name}/{file.name}"
        for one in view.search("size > 0", with_files=True)
        for file in one.chosen
    }
    contents = {path: filled.read(path) for path in paths}
    truth = {path: (pydicom.dcmread(io.BytesIO(content)), len(content)) for path, content in contents.items()}
    assert len(truth) == 14
    assert _documented() == list(TRUTH), "a question of the page has no truth here, or the other way round"
    for question, expected in TRUTH.items():
        found = {
            f"{one.study}/{one.exam}/{one.name}/{file.name}"
            for one in view.search(question, with_files=True)
            for file in one.chosen
        }
        assert found == {path for path, (file, size) in truth.items() if expected(file, path, size)}, question


def test_what_some_studies_do_not_keep_is_told(filled: Gate) -> None:
    view = filled.view()
    assert view.not_known("EchoTime > 80") == []
    (note,) = view.not_known("has TriggerTime")
    assert f"TriggerTime is not kept by {STUDY}:" in note
    with pytest.raises(Invalid, match="not kept by any study that you may see"):
        filled.view("bob").search("has TriggerTime")


def test_what_was_published_before_the_profile_named_it_is_told(filled: Gate) -> None:
    administration.set_study(filled.database, filled.store, ROOT, STUDY, profile=HEART)
    (note,) = filled.view().not_known("has TriggerTime")
    assert note.startswith(f"TriggerTime is known of 0 of 5 DICOM series of {STUDY}:")


def test_what_the_default_profile_keeps() -> None:
    """The catalogue knows no de-identification, so it has these by heart."""
    named = {each.name for each in load_profile(None).extract if each.creator is not None}
    assert named == coverage.OF_THE_DEFAULT_PROFILE
