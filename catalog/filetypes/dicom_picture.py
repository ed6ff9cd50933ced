"""One frame of a DICOM file as somebody looks at it: decoded, with the values it stands for, in grey or colour."""

import io
from typing import Any, BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ExplicitVRLittleEndian

from catalog.filetypes import dicom_content
from catalog.filetypes.model import Look, Preview
from catalog.filetypes.picture import MOST_BYTES, Window, preview_of
from catalog.pure.errors import Unreadable

_LONGEST_VALUE = 1024
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def preview(file: BinaryIO, look: Look) -> Preview:
    """Show a frame; the one in the middle, unless another is asked for. Of what has no pixels, show what it holds.

    Raises:
        Unreadable: it has pixels, and they cannot be shown.
    """
    dataset = pydicom.dcmread(file, force=True, defer_size=_LONGEST_VALUE)
    if not any(name in dataset for name in _PIXELS):
        if "Rows" in dataset:
            raise Unreadable("it is an image without pixels")
        return dicom_content.preview(file, look)
    frames = max(1, int(dataset.get("NumberOfFrames") or 1))
    if not (dataset.get("Rows") and dataset.get("Columns") and dataset.get("BitsAllocated")):
        raise Unreadable("it does not say how large its picture is")
    samples = int(dataset.get("SamplesPerPixel") or 1)
    if int(dataset.Rows) * int(dataset.Columns) * samples * max(8, int(dataset.BitsAllocated)) // 8 > MOST_BYTES:
        raise Unreadable("one picture of it is too large to be shown")
    frame = min(max(0, look.frame), frames - 1) if look.frame is not None else frames // 2
    file.seek(0)
    try:
        plane = pixel_array(file, index=frame, force=True)
    except (NotImplementedError, RuntimeError, ValueError, AttributeError):
        raise Unreadable("its pixels are cut off, damaged, or compressed in a way that cannot be undone here") from None
    return _shown(plane, dataset, look, frame, frames)


def frame_bytes(file: BinaryIO, frame: int) -> bytes:
    """Return the decoded pixels of a frame, from 0, little endian, as a native Pixel Data element would hold them.

    Raises:
        Unreadable: they cannot be decoded.
    """
    try:
        plane = pixel_array(file, index=frame, force=True, raw=True)
    except (NotImplementedError, RuntimeError, ValueError, AttributeError, IndexError):
        raise Unreadable("its pixels are cut off, damaged, or compressed in a way that cannot be undone here") from None
    return np.ascontiguousarray(plane).astype(plane.dtype.newbyteorder("<"), copy=False).tobytes()


def uncompressed(file: BinaryIO) -> bytes:
    """Return a whole file anew, with decoded pixels, in Explicit VR Little Endian.

    Raises:
        Unreadable: it cannot be decoded.
    """
    dataset = pydicom.dcmread(file)
    try:
        if dataset.file_meta.TransferSyntaxUID.is_compressed:
            dataset.decompress(as_rgb=False, generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        written = io.BytesIO()
        dataset.save_as(written, implicit_vr=False, little_endian=True, enforce_file_format=True)
    except (NotImplementedError, RuntimeError, ValueError, AttributeError, TypeError, KeyError):
        raise Unreadable("it cannot be written without compression") from None
    return written.getvalue()


def _shown(plane: NDArray[Any], dataset: FileDataset, look: Look, frame: int, frames: int) -> Preview:
    kind = str(dataset.get("PhotometricInterpretation", ""))
    if kind == "PALETTE COLOR":
        coloured = apply_color_lut(plane, dataset)
        wide = coloured.dtype.itemsize > 1
        return preview_of((coloured >> 8).astype(np.uint8) if wide else coloured, look, frame=frame, frames=frames)
    if plane.ndim > 2:
        return preview_of(_eight_bits(plane, dataset), look, frame=frame, frames=frames)
    values = apply_modality_lut(plane, dataset)
    return preview_of(values, look, frame=frame, frames=frames, window=_window(dataset), inverted=kind == "MONOCHROME1")


def _eight_bits(plane: NDArray[Any], dataset: FileDataset) -> NDArray[Any]:
    """Return colours as bytes, whatever the number of bits in which they are stored."""
    shift = int(dataset.get("BitsStored") or 8) - 8
    return (plane >> shift).astype(np.uint8) if shift > 0 and plane.dtype.kind in "iu" else plane


def _window(dataset: FileDataset) -> Window | None:
    """Return the first window that the file gives."""
    try:
        centre, width = dataset.get("WindowCenter"), dataset.get("WindowWidth")
        first = [one[0] if isinstance(one, pydicom.multival.MultiValue) else one for one in (centre, width)]
        return (float(first[0]), float(first[1])) if None not in first else None
    except (TypeError, ValueError, IndexError):
        return None
