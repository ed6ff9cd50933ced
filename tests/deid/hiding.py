"""Hiding places: each plants one identity where careless tools leave it. Every marker is unlike any other text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom import Dataset, Sequence
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag

if TYPE_CHECKING:
    from collections.abc import Callable

MARK = "Zqxmarkovic"


def _item(**values: object) -> Sequence:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return Sequence([ds])


def _code(meaning: str, scheme: str = "99LOCAL") -> Sequence:
    return _item(CodeValue="X1", CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _concept(value: str, scheme: str, meaning: str) -> Sequence:
    return _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _private(ds: Dataset, vr: str, value: object, creator: str = "ACME 1.1", element: int = 1) -> None:
    ds.private_block(0x0029, creator, create=True).add_new(element, vr, value)


def _nested(depth: int, leaf: Dataset) -> Sequence:
    for _ in range(depth):
        outer = Dataset()
        outer.ReferencedSeriesSequence = Sequence([leaf])
        leaf = outer
    return Sequence([leaf])


def _content(**values: object) -> Callable[[Dataset], None]:
    return lambda ds: setattr(ds, "ContentSequence", _item(**values))


def _set(keyword: str, value: object) -> Callable[[Dataset], None]:
    return lambda ds: setattr(ds, keyword, value)


def _add(tag: int, vr: str, value: object) -> Callable[[Dataset], None]:
    return lambda ds: ds.add_new(tag, vr, value)


def _two_blocks(ds: Dataset) -> None:
    ds.private_block(0x0019, MARK, create=True).add_new(1, "LO", "x")
    ds.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", 1000)


def _raw(tag: int, vr: str, value: str) -> Callable[[Dataset], None]:
    """A value pydicom would refuse to write."""
    data = value.encode() + b" " * (len(value) % 2)

    def plant(ds: Dataset) -> None:
        ds._dict[BaseTag(tag)] = RawDataElement(BaseTag(tag), vr, len(data), data, 0, False, True)

    return plant


_TEXTS = [
    "OtherPatientNames",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "OperatorsName",
    "NameOfPhysiciansReadingStudy",
    "PhysiciansOfRecord",
    "RequestingPhysician",
    "PatientMotherBirthName",
    "PatientBirthName",
    "ResponsiblePerson",
    "ReviewerName",
    "ContentCreatorName",
    "PersonName",
    "VerifyingObserverName",
    "AccessionNumber",
    "StudyID",
    "AdmissionID",
    "OtherPatientIDs",
    "InstitutionName",
    "InstitutionAddress",
    "InstitutionalDepartmentName",
    "StationName",
    "DeviceSerialNumber",
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "RequestedProcedureDescription",
    "PerformedProcedureStepDescription",
    "ImageComments",
    "PatientComments",
    "AdditionalPatientHistory",
    "MedicalAlerts",
    "Allergies",
    "Occupation",
    "PatientAddress",
    "EthnicGroup",
    "PatientTelephoneNumbers",
    "DerivationDescription",
    "AcquisitionDeviceProcessingDescription",
    "AcquisitionComments",
    "FrameComments",
    "ContrastBolusAgent",
    "DocumentTitle",
    "ContentLabel",
    "ContentDescription",
    "SeriesNumber",
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
    "SequenceName",
    "ReceiveCoilName",
    "FilterType",
    "ClinicalTrialSubjectID",
    "ClinicalTrialSiteName",
    "ClinicalTrialProtocolID",
    "RequestedProcedureID",
    "DeidentificationMethod",
    "TextComments",
    "InterpretationText",
    "StudyComments",
    "VisitComments",
    "WindowCenterWidthExplanation",
    "LUTExplanation",
    "ImagePresentationComments",
    "UnformattedTextValue",
    "BranchOfService",
    "RetrieveAETitle",
    "StationAETitle",
    "IssuerOfPatientID",
    "PatientInsurancePlanCodeSequence",
]
_SKIPPED = {"SeriesNumber", "PatientInsurancePlanCodeSequence"}

PLACES: dict[str, Callable[[Dataset], None]] = {k: _set(k, MARK[:16]) for k in _TEXTS if k not in _SKIPPED}
PLACES |= {
    "unknown text attribute": _add(0x00189999, "LO", MARK),
    "unknown group": _add(0x41121234, "LT", MARK),
    "unlisted person": _add(0x00189998, "PN", MARK),
    "text attribute said to be OB": _add(0x00104000, "OB", MARK.encode() + b"\0"),
    "text attribute said to be UN": _add(0x0008103E, "UN", MARK.encode() + b"\0"),
    "coded string": _set("BodyPartExamined", MARK),
    "image type": lambda ds: setattr(ds, "ImageType", ["ORIGINAL", "PRIMARY", MARK]),
    "private text": lambda ds: _private(ds, "LO", MARK),
    "private bytes": lambda ds: _private(ds, "OB", b"\0\1" + MARK.encode() + b"\0"),
    "private unknown": lambda ds: _private(ds, "UN", MARK.encode() + b"\0"),
    "private sequence": lambda ds: _private(ds, "SQ", _item(PatientName=MARK)),
    "private in a safe block": lambda ds: _private(ds, "LO", MARK, "SIEMENS MR HEADER", 0x77),
    "private creator": lambda ds: _private(ds, "LO", "x", MARK),
    "private creator beside a kept block": _two_blocks,
    "private orphan": _add(0x00291099, "LO", MARK),
    "safe private of another VR": lambda ds: ds.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(
        0x0C, "LO", MARK
    ),
    "safe private text": lambda ds: ds.private_block(0x0019, "GEMS_ACQU_01", create=True).add_new(0x9E, "LO", MARK),
    "private in a sequence": lambda ds: setattr(ds, "ReferencedImageSequence", _with_private()),
    "deep": lambda ds: setattr(ds, "ReferencedSeriesSequence", _nested(12, _item(PatientName=MARK)[0])),
    "deep text": lambda ds: setattr(ds, "ReferencedSeriesSequence", _nested(5, _item(SeriesDescription=MARK)[0])),
    "request attributes": lambda ds: setattr(ds, "RequestAttributesSequence", _item(RequestedProcedureID=MARK[:16])),
    "original attributes": lambda ds: setattr(
        ds, "OriginalAttributesSequence", _item(ModifiedAttributesSequence=_item(PatientName=MARK))
    ),
    "other IDs": lambda ds: setattr(ds, "OtherPatientIDsSequence", _item(PatientID=MARK)),
    "issuer": lambda ds: setattr(ds, "IssuerOfAccessionNumberSequence", _item(LocalNamespaceEntityID=MARK)),
    "SR text": _content(ValueType="TEXT", TextValue=f"seen by {MARK} today"),
    "SR person": _content(ValueType="PNAME", PersonName=MARK),
    "SR local code": _content(ValueType="CODE", ConceptCodeSequence=_code(MARK)),
    "SR public code, typed meaning": _content(
        ConceptNameCodeSequence=_item(CodeValue="121071", CodingSchemeDesignator="DCM", CodeMeaning=MARK)
    ),
    "SR code value": _content(ConceptCodeSequence=_item(CodeValue=MARK, CodingSchemeDesignator="DCM", CodeMeaning="x")),
    "SR long code": _content(ConceptCodeSequence=_item(LongCodeValue=MARK, CodingSchemeDesignator="SCT", CodeMeaning="x")),
    "SR deep": _content(ContentSequence=_item(ContentSequence=_item(TextValue=MARK))),
    "SR observer": lambda ds: setattr(ds, "VerifyingObserverSequence", _item(VerifyingObserverName=MARK)),
    "coding scheme": lambda ds: setattr(
        ds, "CodingSchemeIdentificationSequence", _item(CodingSchemeDesignator="99X", CodingSchemeResponsibleOrganization=MARK)
    ),
    "overlay label": _add(0x60001500, "LO", MARK),
    "overlay description": _add(0x60000022, "LO", MARK),
    "overlay comments": _add(0x60004000, "LT", MARK),
    "overlay data": _add(0x60003000, "OW", MARK.encode() + b"\0"),
    "curve": _add(0x50000022, "LO", MARK),
    "icon": lambda ds: setattr(ds, "IconImageSequence", _item(TextComments=MARK, ImageComments=MARK)),
    "icon pixels": lambda ds: setattr(ds, "IconImageSequence", _picture()),
    "graphic text": lambda ds: setattr(
        ds, "GraphicAnnotationSequence", _item(TextObjectSequence=_item(UnformattedTextValue=MARK))
    ),
    "digital signature": lambda ds: setattr(ds, "DigitalSignaturesSequence", _item(CertificateOfSigner=MARK.encode() + b"\0")),
    "encrypted attributes": lambda ds: setattr(
        ds, "EncryptedAttributesSequence", _item(EncryptedContent=MARK.encode() + b"\0")
    ),
    "trailing padding": _add(0xFFFCFFFC, "OB", MARK.encode() + b"\0"),
    "waveform annotation": lambda ds: setattr(ds, "WaveformAnnotationSequence", _item(UnformattedTextValue=MARK)),
    "specimen": lambda ds: setattr(ds, "SpecimenDescriptionSequence", _item(SpecimenIdentifier=MARK)),
    "RT plan label": _set("RTPlanLabel", MARK),
    "RT structure": lambda ds: setattr(ds, "StructureSetROISequence", _item(ROIName=MARK, ROIDescription=MARK)),
    "functional group": lambda ds: setattr(
        ds, "SharedFunctionalGroupsSequence", _item(FrameAnatomySequence=_item(AnatomicRegionSequence=_code(MARK)))
    ),
    "UID as text": lambda ds: setattr(ds, "ImageComments", f"see 1.3.12.2.1107.5.2.32.35162.1 of {MARK}"),
    "second value": lambda ds: setattr(ds, "SoftwareVersions", ["syngo MR B17", MARK]),
    "after a NUL": lambda ds: setattr(ds, "Manufacturer", f"SIEMENS\0{MARK}"),
    "after a newline": lambda ds: setattr(ds, "ImageComments", f"brain\r\n{MARK}"),
    "URL": _set("RetrieveURL", f"http://pacs/{MARK}"),
    "number as text": _raw(0x00180081, "DS", MARK),
    "age": _add(0x00101010, "AS", MARK[:4]),
    "date that is none": _add(0x00080022, "DA", MARK),
    "date and time that are none": _add(0x0008002A, "DT", MARK),
    "time that is none": _add(0x00080032, "TM", MARK),
}


def _palette(ds: Dataset) -> None:
    ds.RedPaletteColorLookupTableDescriptor = [16, 0, 16]
    ds.RedPaletteColorLookupTableData = bytes(range(32)) + MARK.encode() + b"\0"


def _lut(*, described: bool = True) -> Sequence:
    lut = _item(ModalityLUTType="US")
    if described:
        lut[0].LUTDescriptor = [16, 0, 16]
    lut[0].add_new(0x00283006, "OW", bytes(range(32)) + MARK.encode() + b"\0")
    return lut


def _waveform() -> Sequence:
    group = _item(NumberOfWaveformChannels=1, NumberOfWaveformSamples=16, WaveformBitsAllocated=16, SamplingFrequency="500")
    group[0].WaveformSampleInterpretation = "SS"
    group[0].add_new(0x54001010, "OW", bytes(range(32)) + MARK.encode() + b"\0")
    return group


PLACES |= {
    # Content items, whose concept tells what they are.
    f"SR {name}, {kind}": _content(ValueType=kind, ConceptNameCodeSequence=_concept(value, scheme, meaning), **{keyword: MARK})
    for name, value, scheme, meaning in (
        ("subject's name", "121029", "DCM", "Subject Name"),
        ("subject's ID", "121030", "DCM", "Subject ID"),
        ("observer", "121008", "DCM", "Person Observer Name"),
        ("organization", "121009", "DCM", "Person Observer's Organization Name"),
        ("device", "121013", "DCM", "Device Observer Name"),
        ("serial number", "121016", "DCM", "Device Observer Serial Number"),
        ("place", "121017", "DCM", "Device Observer Physical Location During Observation"),
        ("accession number", "121022", "DCM", "Accession Number"),
        ("mother", "121036", "DCM", "Mother of fetus"),
        ("last name", "45394-4", "LN", "Last name"),
        ("surname", "184096005", "SCT", "Patient surname"),
        ("local name", "N1", "99LOCAL", "Patient's name"),
    )
    for kind, keyword in (("TEXT", "TextValue"), ("PNAME", "PersonName"))
}
PLACES |= {
    "SR measured by": _content(
        ValueType="NUM", MeasuredValueSequence=_item(NumericValue="1", MeasurementUnitsCodeSequence=_code(MARK, "UCUM"))
    ),
    "SR unit": _content(
        MeasuredValueSequence=_item(
            MeasurementUnitsCodeSequence=_item(CodeValue="{" + MARK + "}", CodingSchemeDesignator="UCUM", CodeMeaning="x")
        )
    ),
    "acquisition context": lambda ds: setattr(
        ds,
        "AcquisitionContextSequence",
        _item(ValueType="TEXT", ConceptNameCodeSequence=_concept("121106", "DCM", "Comment"), TextValue=MARK),
    ),
    "protocol context": lambda ds: setattr(ds, "ProtocolContextSequence", _item(ValueType="PNAME", PersonName=MARK)),
    # Values whose VR is not the dictionary's, or that their VR does not fit.
    "text in FD": _raw(0x00189087, "FD", MARK + " Anna"),
    "text in FL": _raw(0x00189345, "FL", MARK + "x Anna Maria"[: 24 - len(MARK) - 1]),
    "text in US": _raw(0x00280107, "US", MARK + " "),
    "UT for FD": _raw(0x00189087, "UT", MARK),
    "LO for US": _raw(0x00280107, "LO", MARK),
    "LT for CS": _raw(0x00180015, "LT", MARK),
    "SH for IS": _raw(0x00181150, "SH", MARK),
    "AE for FL": _raw(0x00189345, "AE", MARK),
    "text as IS": _raw(0x00181150, "IS", MARK),
    "text as DA": _raw(0x00080020, "DA", MARK),
    "text as UI": _raw(0x0020000D, "UI", MARK),
    # Codes of public schemes.
    **{
        f"value of {scheme}": lambda ds, scheme=scheme: setattr(
            ds, "ProcedureCodeSequence", _item(CodeValue=MARK, CodingSchemeDesignator=scheme, CodeMeaning="x")
        )
        for scheme in ("DCM", "SCT", "LN", "UCUM", "RADLEX", "FMA", "NCIt", "BI", "IBSI", "I10", "RFC5646")
    },
    **{
        f"meaning in {scheme}": lambda ds, scheme=scheme, value=value: setattr(
            ds, "ProcedureCodeSequence", _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=MARK)
        )
        for scheme, value in (
            ("SCT", "999999991"),
            ("LN", "99999-9"),
            ("UCUM", "mm"),
            ("RADLEX", "RID99999"),
            ("BI", "BI-RADS 4"),
            ("I10", "C71.9"),
        )
    },
    "scheme": lambda ds: setattr(
        ds, "ProcedureCodeSequence", _item(CodeValue="1", CodingSchemeDesignator=MARK[:16], CodeMeaning="x")
    ),
    # Where machines write.
    **{
        keyword: _set(keyword, f"Br40d {MARK}"[:16])
        for keyword in (
            "ConvolutionKernel",
            "ImagedNucleus",
            "AttenuationCorrectionMethod",
            "ReconstructionMethod",
            "RescaleType",
        )
    },
    # Names of structures.
    "ROI name": lambda ds: setattr(ds, "StructureSetROISequence", _item(ROIName=f"PTV_56 {MARK}")),
    "ROI label": lambda ds: setattr(ds, "RTROIObservationsSequence", _item(ROIObservationLabel=f"{MARK}_L"[:16])),
    "segment": lambda ds: setattr(ds, "SegmentSequence", _item(SegmentLabel=MARK, SegmentDescription=MARK)),
    "beam": lambda ds: setattr(ds, "BeamSequence", _item(BeamName=MARK, BeamDescription=MARK)),
    "structure set": _set("StructureSetLabel", MARK),
    # Private elements that stay.
    **{
        f"safe private, {creator}": lambda ds, group=group, creator=creator, element=element, vr=vr: ds.private_block(
            group, creator, create=True
        ).add_new(element, vr, MARK[:16])
        for group, creator, element, vr in (
            (0x0051, "SIEMENS MR HEADER", 0x0F, "LO"),
            (0x0021, "SIEMENS MR SDI 02", 0x4F, "LO"),
            (0x0043, "GEMS_PARM_01", 0xB6, "LO"),
            (0x2001, "Philips Imaging DD 001", 0x20, "LO"),
            (0x0065, "Image Private Header", 0x05, "SH"),
        )
    },
    "safe private, OB": lambda ds: ds.private_block(0x0025, "GEMS_SERS_01", create=True).add_new(
        0x1B, "OB", MARK.encode() + b"\0"
    ),
    "safe private, user data": lambda ds: ds.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(
        0x2A, "OB", MARK.encode() * 100
    ),
    "safe private sequence": lambda ds: ds.private_block(0x2005, "Philips MR Imaging DD 005", create=True).add_new(
        0x0F, "SQ", _item(PatientName=MARK, ImageComments=MARK)
    ),
    "phrase of a birth": _set("ImageComments", f"born as {MARK} on 10.04.1931"),
}


def _picture() -> Sequence:
    icon = _item(Rows=1, Columns=12, BitsAllocated=8, SamplesPerPixel=1)
    icon[0].add_new(0x7FE00010, "OW", MARK.encode() + b"\0")
    return icon


def _with_private() -> Sequence:
    inner = _item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.4", ReferencedSOPInstanceUID="1.2.3.4.5")
    _private(inner[0], "LO", MARK)
    return inner


PLACES |= {
    "behind the pixels": lambda ds: setattr(ds, "PixelData", ds.PixelData + MARK.encode() + b"\0"),
    "behind a palette": _palette,
    "behind a modality LUT": lambda ds: setattr(ds, "ModalityLUTSequence", _lut()),
    "behind a VOI LUT": lambda ds: setattr(ds, "VOILUTSequence", _lut()),
    "a table of no description": lambda ds: setattr(ds, "VOILUTSequence", _lut(described=False)),
    "behind a waveform": lambda ds: setattr(ds, "WaveformSequence", _waveform()),
    "offset table of native pixels": _add(0x7FE00001, "OV", (MARK + "!" * 5).encode()),
    "lengths of native frames": _add(0x7FE00002, "OV", (MARK + "!" * 5).encode()),
}
