"""What is no image can be looked at all the same: reports, contours, beams, documents, signals, headers, variables."""

import io
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
import PIL.Image
import pydicom
import pytest
from pydicom.dataset import Dataset

from catalog.filetypes import registry
from catalog.filetypes.model import Look, Preview
from catalog.filetypes.plain_text import MOST_CHARACTERS, text_preview
from catalog.filetypes.registry import named
from catalog.pure.errors import Unreadable
from gateway.drawing import child
from tests.synthetic import ROOT, part10


def looked(path: Path, name: str, content: bytes, **look: int) -> Preview:
    kind = named(name)
    assert kind is not None
    path.write_bytes(content)
    found = registry.preview_of(kind, path, Look(**look))
    assert found is not None
    return found


def text(found: Preview) -> str:
    assert found.media_type == "text/plain; charset=utf-8"
    return found.data.decode()


def picture(found: Preview) -> PIL.Image.Image:
    image = PIL.Image.open(io.BytesIO(found.data))
    image.load()
    low, high = image.convert("L").getextrema()
    assert low < high, "something is to be seen"
    return image


def item(**values: object) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def named_as(meaning: str, value: str = "1") -> list[Dataset]:
    return [item(CodeValue=value, CodingSchemeDesignator="DCM", CodeMeaning=meaning)]


def a_dicom(sop_class: str, **values: object) -> bytes:
    return part10(item(SOPClassUID=sop_class, SOPInstanceUID=f"{ROOT}.1", PatientName="Doe^Jane", **values))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "1"


def test_a_report_is_a_tree(path: Path) -> None:
    length = item(
        ValueType="NUM", ConceptNameCodeSequence=named_as("Length"),
        MeasuredValueSequence=[item(NumericValue="12.5", MeasurementUnitsCodeSequence=named_as("millimetre", "mm"))],
    )  # fmt: skip
    finding = item(
        ValueType="TEXT", ConceptNameCodeSequence=named_as("Finding"), TextValue="seen by Dr House", ContentSequence=[length]
    )
    content = a_dicom(
        pydicom.uid.BasicTextSRStorage, ValueType="CONTAINER", ConceptNameCodeSequence=named_as("Report"),
        ContentSequence=[finding],
    )  # fmt: skip
    shown = text(looked(path, "DCM", content))
    assert "Basic Text SR Storage\n\nReport\n  Finding: seen by Dr House\n    Length: 12.5 mm\n" in shown
    assert "Patient's Name: Doe^Jane" in shown


def test_contours_and_beams_are_tables(path: Path) -> None:
    contours = [item(NumberOfContourPoints=4, ContourData=[0.0] * 12), item(NumberOfContourPoints=3, ContourData=[0.0] * 9)]
    content = a_dicom(
        pydicom.uid.RTStructureSetStorage,
        StructureSetROISequence=[item(ROINumber=1, ROIName="Liver of Doe"), item(ROINumber=2, ROIName="PTV")],
        ROIContourSequence=[item(ReferencedROINumber=1, ContourSequence=contours)],
    )  # fmt: skip
    rows = [line.split() for line in text(looked(path, "DCM", content)).splitlines()]
    assert ["1", "Liver", "of", "Doe", "2", "7"] in rows
    assert ["2", "PTV", "0", "0"] in rows
    beams = [item(BeamNumber=1, BeamName="AP", RadiationType="PHOTON", ControlPointSequence=[item(GantryAngle=90)])]
    shown = text(looked(path, "DCM", a_dicom(pydicom.uid.RTPlanStorage, BeamSequence=beams)))
    assert ["1", "AP", "PHOTON", "1", "90.0"] in [line.split() for line in shown.splitlines()]


def test_waveforms_are_lines(path: Path) -> None:
    samples = (np.sin(np.arange(1000)) * 1000).astype("<i2").repeat(2)
    group = item(
        NumberOfWaveformChannels=2, NumberOfWaveformSamples=1000, WaveformBitsAllocated=16, WaveformSampleInterpretation="SS",
        ChannelDefinitionSequence=[item(ChannelSourceSequence=named_as(name)) for name in ("Lead I", "Lead II")],
    )  # fmt: skip
    group.add_new("WaveformData", "OW", samples.tobytes())
    found = looked(path, "DCM", a_dicom(pydicom.uid.TwelveLeadECGWaveformStorage, WaveformSequence=[group]), side=0)
    assert picture(found).size == (1200, 96)


def a_pdf(pages: int) -> bytes:
    content = b"BT /F1 24 Tf 40 100 Td (Doe, Jane) Tj ET"
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(content), content))
    kids = []
    for _ in range(pages):
        page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/Resources<</Font<</F1 3 0 R>>>>>>"
        objects.append(page)
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, b" ".join(kids))
    body, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj%s endobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + end


def test_pages_of_documents_are_pictures(path: Path) -> None:
    found = looked(path, "PDF", a_pdf(3), frame=2, side=0)
    assert (found.frame, found.frames, picture(found).size) == (2, 3, (600, 400))
    packed = a_dicom(
        pydicom.uid.EncapsulatedPDFStorage, EncapsulatedDocument=a_pdf(1), MIMETypeOfEncapsulatedDocument="application/pdf"
    )
    assert picture(looked(path, "DCM", packed, side=0)).size == (600, 400)
    with pytest.raises(Unreadable, match="damaged"):
        looked(path, "PDF", b"%PDF-1.4 and no more")


def test_variables_of_matlab_are_a_table(path: Path) -> None:
    def element(kind: int, data: bytes) -> bytes:
        return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)

    def variable(name: bytes, kind: int, sizes: tuple[int, int], values: bytes) -> bytes:
        flags, dimensions = element(6, struct.pack("<II", kind, 0)), element(5, struct.pack("<ii", *sizes))
        return element(14, flags + dimensions + element(1, name) + values)

    head = b"MATLAB 5.0 MAT-file, made by Doe".ljust(124) + b"\0\1IM"
    packed = zlib.compress(variable(b"volume", 6, (64, 32), element(9, bytes(8 * 64 * 32))))
    content = head + struct.pack("<II", 15, len(packed)) + packed + variable(b"who", 4, (1, 3), element(16, b"Doe"))
    rows = [line.split() for line in text(looked(path, "MAT", content)).splitlines()]
    assert ["volume", "double", "64", "x", "32"] in rows
    assert ["who", "char", "1", "x", "3", "=", "Doe"] in rows


def test_trees_of_hdf5_are_text(path: Path) -> None:
    with h5py.File(path, "w") as made:
        made.attrs["subject"] = "Doe"
        made["nirs/data1/dataTimeSeries"] = np.zeros((100, 4), "f4")
        made["formatVersion"] = "1.0"
        made["away"] = h5py.ExternalLink("/etc/passwd", "/")
    shown = text(looked(path, "SNIRF", path.read_bytes()))
    for line in (
        "@subject = Doe",
        "    dataTimeSeries: float32 [100, 4]",
        "formatVersion: object [] = 1.0",
        "away: a link, not followed",
    ):
        assert line in shown.splitlines()


def test_headers_are_text_up_to_what_is_none(path: Path) -> None:
    content = b"NRRD0004\ntype: short\nsizes: 2 2\nsubject: Doe\n\n\0\1\2\3"
    assert text(looked(path, "NRRD", content)) == "NRRD0004\ntype: short\nsizes: 2 2\nsubject: Doe\n"


def test_text_ends_where_it_is_too_much() -> None:
    shown = text(text_preview(["x" * 100] * 10_000))
    assert len(shown) <= MOST_CHARACTERS + 20
    assert shown.endswith("… and more")
    assert text(text_preview(["a\u202eb\0c"])) == "a\ufffdb\ufffdc"


def test_what_no_type_draws_is_shown_by_its_bytes(path: Path) -> None:
    path.write_bytes(bytes(range(256)) + b"Doe, Jane \0")
    answer = child._drawn({"path": str(path), "type": "RAW", "look": {"side": 0}})
    told, _, data = answer.partition(b"\n")
    assert b"text/plain" in told
    assert data.startswith(b"A file of no known type: 267 bytes")
    assert b"Doe, Jane" in data
