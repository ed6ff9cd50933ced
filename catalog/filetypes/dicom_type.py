"""DICOM as a file type: one family, whose members are named by their modality when they are published."""

from collections.abc import Mapping
from typing import BinaryIO

from catalog.filetypes.model import Field, Look, Plain, Preview, Value
from catalog.filetypes.sample import Sample

_PREFIX_END = 132


class Dicom(Plain):
    """DICOM of every modality. Its values come with the headers that de-identification hands out."""

    name = "DCM"
    labels = ("DCM",)
    fields = (
        Field("Modality", "CS"),
        Field("SOPClassUID", "UI", meaning="what kind of object it is"),
        Field("StudyInstanceUID", "UI", meaning="as published"),
        Field("SeriesInstanceUID", "UI", meaning="as published"),
        Field("TransferSyntaxUID", "UI", meaning="how it is encoded"),
        Field("ProtocolName", "LO"),
        Field("StudyDate", "DA", meaning="as published, that is, shifted"),
        Field("ImageType", "CS"),
        Field("Manufacturer", "LO"),
        Field("ManufacturerModelName", "LO"),
        Field("InstanceNumber", "IS", per_file=True),
        Field("Columns", "US", meaning="pixels across"),
        Field("Rows", "US", meaning="pixels down"),
        Field("NumberOfFrames", "IS"),
        Field("BitsStored", "US"),
        Field("PixelSpacing", "DS", "mm", meaning="rows\\columns"),
        Field("SliceThickness", "DS", "mm"),
        Field("SpacingBetweenSlices", "DS", "mm"),
        Field("EchoTime", "DS", "ms"),
        Field("RepetitionTime", "DS", "ms"),
        Field("InversionTime", "DS", "ms"),
        Field("FlipAngle", "DS", "deg"),
        Field("MagneticFieldStrength", "DS", "T"),
        Field("EchoNumbers", "IS"),
        Field("ScanningSequence", "CS"),
        Field("MRAcquisitionType", "CS"),
        Field("DiffusionBValue", "FD", "s/mm2", per_file=True),
        Field("KVP", "DS", "kV"),
        Field("ConvolutionKernel", "SH"),
        Field("XRayTubeCurrent", "IS", "mA", per_file=True),
    )

    def recognise(self, sample: Sample) -> bool:
        """By the prefix (PS3.10 7.1)."""
        return sample.head[128:_PREFIX_END] == b"DICM"

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Return nothing: see the class."""
        return {}

    def preview(self, file: BinaryIO, look: Look) -> Preview | None:
        """Show one of its frames."""
        from catalog.filetypes.dicom_picture import preview  # late: looking at names must not wait for pydicom

        return preview(file, look)
