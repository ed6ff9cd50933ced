"""What software derives from images (highdicom's SEG, SR, KO, PR, maps): both engines agree, and references go on pointing."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import highdicom as hd
import pytest
from pydicom import Dataset, dcmread

import deid
from tests.deid.conftest import KEY
from tests.deid.derived import IDENTIFIER, KINDS, MARK, NAME, images, made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REFERENCES = {"ReferencedSOPInstanceUID", "ReferencedFrameOfReferenceUID"}
SECRETS = (MARK, IDENTIFIER, *NAME.split("^"), "19571204", "1.2.3.4.5")


def cleaned(ds: Dataset, folder: Path, study: str = "2008-0003") -> Dataset:
    """The clean object, by both engines alike and without a trace of the secrets."""
    path = folder / "in.dcm"
    ds.save_as(path, enforce_file_format=True)
    outs = []
    for engine in ("fast", "safe"):
        out = io.BytesIO()
        cleaner = deid.Cleaner(deid.load_profile(None), KEY, study, "E001", pixels_approved=True, engine=engine)
        report = cleaner.clean(path, out)
        assert not [secret for secret in SECRETS if secret in f"{report}{report.actions}"]
        outs.append(out.getvalue())
    assert outs[0] == outs[1]
    assert not [secret for secret in SECRETS if secret.lower().encode() in outs[0].lower()]
    assert path.read_bytes().lower().count(MARK.lower().encode()) or ds.Modality == "CT"
    return dcmread(io.BytesIO(outs[0]))


def uids(ds: Dataset, keyword: str) -> Iterator[str]:
    """All values of a UID, at every depth."""
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                yield from uids(item, keyword)
        elif element.keyword == keyword and element.value:
            yield element.value


@pytest.mark.parametrize("kind", KINDS)
def test_references_point_at_the_clean_images(kind: str, tmp_path: Path) -> None:
    before, after = made(kind), cleaned(made(kind), tmp_path)
    mapped = {
        str(image.SOPInstanceUID): str(cleaned(image, tmp_path).SOPInstanceUID)
        for image in images()
        if str(image.SOPInstanceUID) in set(uids(before, "ReferencedSOPInstanceUID"))
    }
    assert mapped
    found = list(uids(after, "ReferencedSOPInstanceUID"))
    assert found == [mapped[uid] for uid in uids(before, "ReferencedSOPInstanceUID")]
    clean = cleaned(images()[0], tmp_path)
    assert after.StudyInstanceUID == clean.StudyInstanceUID
    assert after.PatientID == clean.PatientID == "E001"
    if "FrameOfReferenceUID" in after:
        assert after.FrameOfReferenceUID == clean.FrameOfReferenceUID
    assert not set(found) & set(uids(cleaned(made(kind), tmp_path, "2009-0001"), "ReferencedSOPInstanceUID"))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("SEG")])
def test_a_segmentation_goes_on_being_one(kind: str, tmp_path: Path) -> None:
    before, after = made(kind), hd.seg.Segmentation.from_dataset(cleaned(made(kind), tmp_path))
    assert after.PixelData == before.PixelData
    sources = [str(cleaned(image, tmp_path).SOPInstanceUID) for image in images()]
    assert {str(uid) for *_, uid in after.get_source_image_uids()} == set(sources)
    pixels = after.get_pixels_by_source_instance(sources, assert_missing_frames_are_empty=True)
    assert pixels[:, 20:60, 30:70].all()
    assert pixels.sum() == 3 * 40 * 40


def test_a_map_keeps_its_numbers(tmp_path: Path) -> None:
    assert cleaned(made("parametric map"), tmp_path).FloatPixelData == made("parametric map").FloatPixelData


def test_a_report_keeps_what_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "clean.dcm"
    cleaned(made("SR"), tmp_path).save_as(path)
    report = hd.sr.srread(path)
    (group,) = report.content.get_planar_roi_measurement_groups()
    (measurement,) = group.get_measurements()
    assert (measurement.value, measurement.name.meaning, measurement.unit.value) == (12.5, "Diameter", "mm")
    assert group.finding_type.meaning == "Mass"
    assert group.reference_type.meaning == "Image Region"
