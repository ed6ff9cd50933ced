"""Objects that highdicom derives from the CT images pydicom ships: segmentation, map, report, key objects, presentation.

highdicom ships no files, so they are made when a test asks. What stands in them as text is a mark or a name.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING

import highdicom as hd
import numpy as np
from highdicom.sr.coding import CodedConcept
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

if TYPE_CHECKING:
    from collections.abc import Callable

NAME, IDENTIFIER, MARK = "Quandermann^Eulalie", "PID-778812", "Zqxmarkovic"
_SLICES = 3
_MAKER = {"manufacturer": MARK, "manufacturer_model_name": MARK, "software_versions": MARK, "device_serial_number": MARK}


def _uid(number: int) -> str:
    return f"1.2.3.4.5.{number}"


@cache
def images() -> list[Dataset]:
    """A series of three slices of somebody."""
    found = []
    for number in range(_SLICES):
        image = dcmread(str(get_testdata_file("CT_small.dcm")))
        image.remove_private_tags()
        image.PatientName, image.PatientID, image.PatientBirthDate = NAME, IDENTIFIER, "19571204"
        image.InstanceNumber = number + 1
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = _uid(number)
        x, y, _ = image.ImagePositionPatient
        image.ImagePositionPatient = [x, y, 5 * number]
        found.append(image)
    return found


def _about(number: int) -> dict[str, object]:
    return {"series_instance_uid": _uid(100 + number), "series_number": 10 + number, "sop_instance_uid": _uid(200 + number)} | {
        "instance_number": 1
    }


def _segmentation(kind: str, syntax: str, number: int) -> Dataset:
    mask = np.zeros((_SLICES, 128, 128), np.uint8)
    mask[:, 20:60, 30:70] = 1
    described = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label=MARK,
        segmented_property_category=codes.SCT.Tissue,
        segmented_property_type=codes.SCT.Liver,
        algorithm_type="MANUAL",
        tracking_uid=_uid(300),
        tracking_id=MARK,
    )
    return hd.seg.Segmentation(
        source_images=images(),
        pixel_array=mask,
        segmentation_type=kind,
        segment_descriptions=[described],
        series_description=f"{MARK} liver",
        content_creator_name=NAME,
        content_description=MARK,
        transfer_syntax_uid=syntax,
        **_about(number),
        **_MAKER,
    )


def _map() -> Dataset:
    window = hd.VOILUTTransformation(window_center=0.5, window_width=1.0)
    mapping = hd.pm.RealWorldValueMapping(MARK, MARK, codes.UCUM.NoUnits, (0.0, 1.0), slope=1.0, intercept=0.0)
    return hd.pm.ParametricMap(
        source_images=images(),
        pixel_array=np.linspace(0, 1, _SLICES * 128 * 128, dtype=np.float32).reshape(_SLICES, 128, 128),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[window],
        content_label="MAP",
        content_description=MARK,
        **_about(3),
        **_MAKER,
    )


def _report() -> Dataset:
    person = hd.sr.PersonObserverIdentifyingAttributes(name=NAME)
    observer = hd.sr.ObserverContext(observer_type=codes.DCM.Person, observer_identifying_attributes=person)
    region = hd.sr.ImageRegion(
        graphic_type=hd.sr.GraphicTypeValues.CIRCLE,
        graphic_data=np.array([[50.0, 50.0], [60.0, 50.0]]),
        source_image=hd.sr.SourceImageForRegion.from_source_image(images()[1]),
    )
    group = hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=_uid(301), identifier=MARK),
        referenced_region=region,
        finding_type=codes.SCT.Mass,
        measurements=[hd.sr.Measurement(codes.SCT.Diameter, 12.5, codes.UCUM.Millimeter)],
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_person_context=observer),
        procedure_reported=CodedConcept("77477000", "SCT", MARK),
        imaging_measurements=[group],
    )
    return hd.sr.Comprehensive3DSR(
        evidence=images(),
        content=content[0],
        manufacturer=MARK,
        is_complete=True,
        is_verified=True,
        verifying_observer_name=NAME,
        verifying_organization=MARK,
        **_about(4),
    )


def _key_objects() -> Dataset:
    content = hd.ko.KeyObjectSelection(
        document_title=codes.DCM.OfInterest, referenced_objects=images()[:2], description=f"seen by {MARK} on 2004-01-19"
    )
    return hd.ko.KeyObjectSelectionDocument(evidence=images()[:2], content=content, manufacturer=MARK, **_about(5))


def _presentation() -> Dataset:
    text = hd.pr.TextObject(
        text_value=f"{MARK} 19571204", units=hd.pr.AnnotationUnitsValues.PIXEL, bounding_box=(10.0, 10.0, 40.0, 20.0)
    )
    layer = hd.pr.GraphicLayer("LAYER", order=1, description=MARK)
    note = hd.pr.GraphicAnnotation(referenced_images=images()[:1], graphic_layer=layer, text_objects=[text])
    return hd.pr.GrayscaleSoftcopyPresentationState(
        referenced_images=images(),
        content_label="LABEL",
        content_description=MARK,
        content_creator_name=NAME,
        graphic_layers=[layer],
        graphic_annotations=[note],
        concept_name=codes.DCM.PresentationState,
        institution_name=MARK,
        **_about(6),
        **_MAKER,
    )


_MADE: dict[str, Callable[[], Dataset]] = {
    "SEG bits": lambda: _segmentation("BINARY", ExplicitVRLittleEndian, 0),
    "SEG implicit": lambda: _segmentation("BINARY", ImplicitVRLittleEndian, 0),
    "SEG RLE": lambda: _segmentation("FRACTIONAL", RLELossless, 1),
    "parametric map": _map,
    "SR": _report,
    "KO": _key_objects,
    "PR": _presentation,
}
KINDS = tuple(_MADE)


@cache
def made(kind: str) -> Dataset:
    """One of them; `KINDS` names all."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _MADE[kind]()
