"""May this image carry burned-in text? Rules on headers only; no pixel is looked at here.

A reason means: held until a mask rule covers it, or a named human has approved the pixels. PS3.15 E.3.1 (Clean Pixel Data).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADERS = {
    "SOPClassUID": 0x00080016,
    "Modality": 0x00080060,
    "ImageType": 0x00080008,
    "ConversionType": 0x00080064,
    "BurnedInAnnotation": 0x00280301,
}
_MODALITIES = {
    "US": "ultrasound images usually carry names at their edge",
    "IVUS": "intravascular ultrasound images usually carry names at their edge",
    "ES": "endoscopy pictures usually carry names at their edge",
    "XC": "a photograph",
    "GM": "a microscopy picture",
    "SC": "a secondary capture",
    "OT": "an image of no known kind",
    "DOC": "a document",
}
_CAPTURES = "1.2.840.10008.5.1.4.1.1.7"
_ULTRASOUND = ("1.2.840.10008.5.1.4.1.1.6.", "1.2.840.10008.5.1.4.1.1.3.")
_LIGHT = "1.2.840.10008.5.1.4.1.1.77.1."
_SLIDES = "1.2.840.10008.5.1.4.1.1.77.1.6"
_TYPES = ("SAVE", "SCREEN", "CAPTURE", "REPORT", "DOSE")


def suspicion(headers: Mapping[str, str], *, pixels: bool) -> str | None:
    """Why the pixels of an image may show an identity, or None. `headers` by DICOM keyword; `pixels`: it has some."""
    if not pixels:
        return None
    if headers.get("BurnedInAnnotation", "").upper() == "YES":
        return "the file says that text is burned in"
    sop_class = headers.get("SOPClassUID", "")
    if sop_class == _CAPTURES or sop_class.startswith(_CAPTURES + "."):
        return "a secondary capture"
    if sop_class.startswith(_ULTRASOUND):
        return _MODALITIES["US"]
    if sop_class.startswith(_LIGHT) and not sop_class.startswith(_SLIDES):
        return "a picture taken with light"
    if reason := _MODALITIES.get(headers.get("Modality", "")):
        return reason
    kinds = headers.get("ImageType", "").upper()
    if any(kind in kinds for kind in _TYPES):
        return "the image type names a screen capture or report"
    if headers.get("ConversionType"):
        return "a converted picture"
    return None
