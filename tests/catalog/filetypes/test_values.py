"""What each type tells of a file is what independent readers find in it, and previews can be looked at."""

import io
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest

from catalog.filetypes import Preview, Value, file_types, named, registry
from tests.catalog.filetypes.families import FILES, NIBABEL, PAIR


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "17"


def values(file: Path, name: str) -> dict[str, Value]:
    kind = named(FILES[name][0])
    assert kind is not None
    file.write_bytes(FILES[name][1])
    found = registry.values_of(kind, file)
    assert set(found) <= {field.name for field in kind.fields}
    return found


def preview(file: Path, name: str) -> Preview | None:
    kind = named(FILES[name][0])
    assert kind is not None
    file.write_bytes(FILES[name][1])
    return registry.preview_of(kind, file)


@pytest.mark.parametrize(
    "name", ["anatomical.nii", "functional.nii", "example4d.nii.gz", "example_nifti2.nii.gz", "standard.nii.gz"]
)
def test_nifti_reads_as_nibabel_does(name: str) -> None:
    kind = named("NIFTI")
    assert kind is not None
    found = registry.values_of(kind, NIBABEL / name)
    header = nibabel.load(NIBABEL / name).header
    shape, zooms = header.get_data_shape(), header.get_zooms()
    names = ("Columns", "Rows", "NumberOfSlices", "NumberOfTemporalPositions")
    assert [found[name] for name, _ in zip(names, shape, strict=False)] == list(shape[:4])
    assert found["PixelSpacing"] == f"{zooms[1]:g}\\{zooms[0]:g}"
    assert found["SpacingBetweenSlices"] == pytest.approx(zooms[2])
    assert found["BitsAllocated"] == header["bitpix"]
    assert found["Format"] == ("NIfTI-2" if "nifti2" in name else "NIfTI-1")


def test_volumes_are_some_milliseconds_apart(file: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((4, 4, 4, 3), np.int16), np.eye(4))
    image.header.set_zooms((1, 1, 1, 2.5))
    for unit, expected in (("sec", 2500), ("msec", 2.5), ("usec", 0.0025)):
        image.header.set_xyzt_units("mm", unit)
        file.write_bytes(image.to_bytes())
        kind = named("NIFTI")
        assert kind is not None
        assert registry.values_of(kind, file)["RepetitionTime"] == pytest.approx(expected)


def test_recordings(file: Path) -> None:
    assert values(file, "edf+") == {
        "Format": "EDF+C", "NumberOfWaveformChannels": 2, "AcquisitionDuration": 3.0, "SamplingFrequency": 10.0,
    }  # fmt: skip
    assert values(file, "bdf")["Format"] == "BDF"


def test_raw_data(file: Path) -> None:
    told = {"EchoTime": 2.98, "RepetitionTime": 2300.0, "FlipAngle": 9.0, "MagneticFieldStrength": 2.89362}
    assert values(file, "twix of VB") == {"Format": "twix VB", "NumberOfMeasurements": 1, **told}
    assert values(file, "twix of VD") == {"Format": "twix VD", "NumberOfMeasurements": 2, **told}
    assert values(file, "ismrmrd") == {"Format": "ISMRMRD"}


def test_par(file: Path) -> None:
    found = values(file, "par")
    with (NIBABEL / f"{PAIR}.PAR").open() as text:
        header = nibabel.parrec.PARRECHeader.from_fileobj(text)
    assert (found["Columns"], found["Rows"], found["NumberOfSlices"]) == header.get_data_shape()[:3]
    assert found["Format"] == "PAR V4.2"
    assert found["RepetitionTime"] == pytest.approx(header.general_info["repetition_time"])


@pytest.mark.parametrize("name", ["png", "grey png", "jpeg", "tiff"])
def test_pictures(file: Path, name: str) -> None:
    found = values(file, name)
    with PIL.Image.open(file) as image:
        assert (found["Columns"], found["Rows"]) == image.size
        assert found["SamplesPerPixel"] == len(image.getbands())
        assert found["Format"] == image.format


def test_tables_and_variables(file: Path) -> None:
    assert values(file, "csv") == {"Format": "CSV", "NumberOfColumns": 3}
    assert values(file, "csv of Excel") == {"Format": "CSV", "NumberOfColumns": 2}
    assert values(file, "tsv") == {"Format": "TSV", "NumberOfColumns": 2}
    assert values(file, "json") == {"Format": "JSON", "EchoTime": 3.0}
    assert values(file, "mat") == {"Format": "MAT 5"}
    assert values(file, "mat 7.3") == {"Format": "MAT 7.3"}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("dicom", (16, 16)),
        ("nifti", (33, 41)),
        ("nifti of 4 dimensions, gzipped", (128, 96)),
        ("png", (30, 40)),
        ("jpeg", (30, 40)),
        ("edf+", (256, 20)),
        ("bdf", (256, 20)),
    ],
)
def test_previews_are_pictures(file: Path, name: str, size: tuple[int, int]) -> None:
    shown = preview(file, name)
    assert shown is not None
    with PIL.Image.open(io.BytesIO(shown.data)) as image:
        image.load()
        assert image.size == size
        assert image.get_format_mimetype() == shown.media_type
        low, high = image.convert("L").getextrema()
        assert low < high, "something is to be seen"


def test_previews_of_text(file: Path) -> None:
    shown = preview(file, "long csv")
    assert shown is not None
    assert shown.media_type == "text/plain; charset=utf-8"
    assert shown.data.startswith(b"onset,duration\n")
    assert len(shown.data) <= 4000


def test_the_header_of_a_pair_has_no_preview(file: Path) -> None:
    assert preview(file, "header of a pair") is None


def test_a_raw_file_shows_its_protocol(file: Path) -> None:
    shown = preview(file, "twix of VB")
    assert shown is not None
    assert shown.data.startswith(b"twix VB, measurements: 1")


def test_fields_have_one_unit_and_one_kind_wherever_they_stand() -> None:
    seen: dict[str, tuple[bool, str]] = {}
    for kind in file_types():
        for field in kind.fields:
            assert seen.setdefault(field.name, (field.is_number, field.unit)) == (field.is_number, field.unit), field.name
