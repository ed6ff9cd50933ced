"""DICOM objects without pixels as somebody looks at them: structured reports as a tree, contours and beams as tables, waveforms
as lines, encapsulated documents page by page; of all others, the data set itself as text.
"""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID

from catalog.filetypes import traces
from catalog.filetypes.model import Look, Preview
from catalog.filetypes.plain_text import text_preview
from catalog.pure.errors import Unreadable

_LARGEST_DOCUMENT = 64 << 20
_LONGEST_VALUE, _MOST_SHOWN_BYTES, _DEEPEST, _MOST_ITEMS = 200, 32, 32, 500
_MOST_CHANNELS = 40
_SAMPLES = {"SB": "i1", "UB": "u1", "SS": "i2", "US": "u2", "SL": "i4", "UL": "u4"}
_BULK = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


def preview(file: BinaryIO, look: Look) -> Preview:
    """Show a DICOM object that has no pixels.

    Raises:
        Unreadable: it holds something that can be drawn, and it cannot be shown.
    """
    file.seek(0)
    dataset = pydicom.dcmread(file, force=True)
    if "EncapsulatedDocument" in dataset:
        return _document(dataset, look)
    if dataset.get("WaveformSequence"):
        return _waveforms(dataset, look)
    return text_preview([_title(dataset), "", *_content(dataset)])


def _title(dataset: Dataset) -> str:
    return UID(str(dataset.get("SOPClassUID", ""))).name or "A DICOM object of no known class"


def _content(dataset: Dataset) -> Iterator[str]:
    """Yield what an object is about, then its data set."""
    if dataset.get("ContentSequence"):
        yield from _report(dataset, 0)
        yield ""
    if dataset.get("StructureSetROISequence"):
        yield from _structures(dataset)
        yield ""
    if dataset.get("BeamSequence"):
        yield from _beams(dataset)
        yield ""
    yield "Data set"
    yield from _elements(dataset, 0)


def _document(dataset: Dataset, look: Look) -> Preview:
    data = bytes(dataset.EncapsulatedDocument)
    kind = str(dataset.get("MIMETypeOfEncapsulatedDocument", ""))
    if len(data) > _LARGEST_DOCUMENT:
        raise Unreadable("its document is too large to be shown")
    if data[:1024].find(b"%PDF-") >= 0:
        from catalog.filetypes import pdf_picture  # late: a library of its own

        return pdf_picture.preview(data, look)
    text = data[: _MOST_ITEMS * _LONGEST_VALUE].decode("utf-8", "replace") if "text" in kind or "xml" in kind else ""
    del dataset.EncapsulatedDocument
    lines = [f"{_title(dataset)}: {kind or 'of no stated type'}, {len(data):,} bytes", "", *text.splitlines(), ""]
    return text_preview([*lines, "Data set", *_elements(dataset, 0)])


def _report(item: Dataset, depth: int) -> Iterator[str]:
    """Yield the content tree of a structured report (PS3.3 C.17.3), a line an item."""
    yield f"{'  ' * depth}{_meaning(item.get('ConceptNameCodeSequence')) or item.get('ValueType', '')}{_value(item)}"
    if depth < _DEEPEST:
        for one in (item.get("ContentSequence") or [])[:_MOST_ITEMS]:
            yield from _report(one, depth + 1)


def _value(item: Dataset) -> str:
    if measured := item.get("MeasuredValueSequence"):
        unit = _code(measured[0].get("MeasurementUnitsCodeSequence"))
        return f": {measured[0].get('NumericValue', '')} {unit}".rstrip()
    if codes := item.get("ConceptCodeSequence"):
        return f": {_meaning(codes)}"
    for keyword in ("TextValue", "PersonName", "Date", "Time", "DateTime", "UID"):
        if keyword in item:
            return f": {item.get(keyword)}"
    if references := item.get("ReferencedSOPSequence"):
        return f": {references[0].get('ReferencedSOPInstanceUID', '')}"
    return ""


def _meaning(codes: object) -> str:
    return str(codes[0].get("CodeMeaning", "")) if isinstance(codes, pydicom.Sequence) and codes else ""


def _code(codes: object) -> str:
    return str(codes[0].get("CodeValue", "")) if isinstance(codes, pydicom.Sequence) and codes else ""


def _structures(dataset: Dataset) -> Iterator[str]:
    contours = {each.get("ReferencedROINumber"): each for each in dataset.get("ROIContourSequence") or []}
    kinds = {each.get("ReferencedROINumber"): each for each in dataset.get("RTROIObservationsSequence") or []}
    yield f"{'region':>6}  {'name':<32} {'kind':<16} {'contours':>8} {'points':>8}"
    for region in dataset.StructureSetROISequence:
        number = region.get("ROINumber")
        drawn = (contours[number].get("ContourSequence") or []) if number in contours else []
        points = sum(int(each.get("NumberOfContourPoints") or 0) for each in drawn)
        kind = kinds[number].get("RTROIInterpretedType", "") if number in kinds else ""
        yield f"{number!s:>6}  {region.get('ROIName', '')!s:<32} {kind!s:<16} {len(drawn):>8} {points:>8}"


def _beams(dataset: Dataset) -> Iterator[str]:
    yield f"{'beam':>6}  {'name':<32} {'radiation':<12} {'type':<10} {'points':>6}  gantry angles"
    for beam in dataset.BeamSequence:
        points = beam.get("ControlPointSequence") or []
        angles = [f"{one.GantryAngle}" for one in points if "GantryAngle" in one]
        yield (
            f"{beam.get('BeamNumber', '')!s:>6}  {beam.get('BeamName', '')!s:<32} {beam.get('RadiationType', '')!s:<12} "
            f"{beam.get('BeamType', '')!s:<10} {len(points):>6}  {', '.join(angles[:8])}"
        )


def _elements(dataset: Dataset, depth: int) -> Iterator[str]:
    for element in dataset:
        indent = "  " * depth
        named = f"{indent}({element.tag.group:04x},{element.tag.element:04x}) {element.VR} {element.name}"
        if element.VR != "SQ":
            yield f"{named}: {_plain(element)}"
            continue
        yield f"{named}: {len(element.value)} items"
        for number, item in enumerate(element.value[:_MOST_ITEMS]):
            if depth < _DEEPEST:
                yield f"{indent}  item {number + 1}"
                yield from _elements(item, depth + 2)


def _plain(element: DataElement) -> str:
    value = element.value
    if element.VR in _BULK and isinstance(value, bytes):
        more = " …" if len(value) > _MOST_SHOWN_BYTES else ""
        return f"{len(value):,} bytes {value[:_MOST_SHOWN_BYTES].hex(' ')}{more}"
    text = "\\".join(map(str, value)) if isinstance(value, pydicom.multival.MultiValue) else str(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + " …"


def _waveforms(dataset: Dataset, look: Look) -> Preview:
    groups = dataset.WaveformSequence
    frame = min(max(0, look.frame or 0), len(groups) - 1)
    group = groups[frame]
    kind = _SAMPLES.get(str(group.get("WaveformSampleInterpretation", "")))
    channels = int(group.get("NumberOfWaveformChannels") or 0)
    if kind is None or channels <= 0:
        return text_preview([_title(dataset), "", "Its samples are of no kind that can be drawn", "", *_elements(group, 0)])
    samples = np.frombuffer(bytes(group.get("WaveformData") or b""), f"<{kind}")
    rows = samples[: len(samples) // channels * channels].reshape(-1, channels)
    if not rows.size:
        raise Unreadable("it has no samples")
    names = [_meaning(each.get("ChannelSourceSequence")) for each in group.get("ChannelDefinitionSequence") or []]
    names += [f"channel {number + 1}" for number in range(len(names), channels)]
    signals = [(names[at], rows[:, at].astype(np.float32)) for at in range(min(channels, _MOST_CHANNELS))]
    data, height = traces.draw(signals, look.side)
    return Preview("image/png", data, frame, len(groups), traces.WIDTH, height)
