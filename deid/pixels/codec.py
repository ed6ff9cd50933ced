"""One compressed frame in, one out: decoded by pydicom's plugins, blanked, compressed again without loss, and proven so.

What was RLE stays RLE; everything else becomes JPEG 2000 Lossless, or RLE where that cannot hold the samples: there is no
free lossless coder for the other JPEG family members, and a lossy one would change the pixels outside the mask. A coded size
or sample that is not the header's is refused before anything is decoded: no frame asks for more memory than its file says.
"""

from __future__ import annotations

import struct
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from deid.pixels.picture import Picture, Unfit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from deid.pixels.geometry import Mask

NAMES = {str(JPEG2000Lossless): "JPEG 2000 Lossless", str(RLELossless): "RLE Lossless"}
LOSSY = frozenset({str(JPEGBaseline8Bit), str(JPEGExtended12Bit), str(JPEGLSNearLossless)})
_JPEG = LOSSY | {str(JPEGLossless), str(JPEGLosslessSV1), str(JPEGLSLossless)}
_JPEG_2000 = frozenset({str(uid) for uid in (JPEG2000, JPEG2000Lossless, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL)})
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9), 0xFF})


class Codec:
    """Masks the frames of one file. `syntax` and `photometric` are those of the result, once a frame has been through."""

    def __init__(self, syntax: str, picture: Picture) -> None:
        require_known(syntax)
        self._source = syntax
        self._picture = picture
        self._targets = [str(RLELossless)] if syntax == RLELossless else [str(JPEG2000Lossless), str(RLELossless)]
        self.photometric = picture.photometric

    @property
    def syntax(self) -> str:
        """The transfer syntax of the frames that come out."""
        return self._targets[0]

    def mask(self, frame: bytes, blank: Mask) -> bytes:
        """A compressed frame, blanked and compressed again. `Unfit` if it cannot be decoded, or not be kept as it is."""
        if self._source != RLELossless:
            shape = coded_shape(frame, self._source)
            if shape is None or shape[:2] != (self._picture.rows, self._picture.columns):
                raise Unfit("the compressed picture is of another size than the file says")
            if shape[2] > self._picture.allocated:
                raise Unfit("the compressed samples are wider than the file says")  # and pydicom would cut them
        pixels, picture = decoded(frame, self._source, self._picture)
        if pixels.shape[:2] != blank.shape:
            raise Unfit("the compressed picture is of another size than the file says")
        pixels[blank] = picture.black if picture.samples == 3 else picture.black[0]
        while self._targets:
            packed = _encoded(pixels, self._targets[0], picture, allowed=self._source == RLELossless)
            if packed is not None:
                del self._targets[1:]  # one syntax for all frames
                self.photometric = _coded_as(picture.photometric, self._targets[0])
                return packed
            del self._targets[0]
        raise Unfit("the masked picture cannot be compressed without loss")


def require_known(syntax: str) -> None:
    """Raise `Unfit` if frames in a transfer syntax cannot be decoded here."""
    if syntax not in _JPEG | _JPEG_2000 | {str(RLELossless)}:
        raise Unfit("this compression, or video, cannot be undone here")


def coded_shape(frame: bytes, syntax: str) -> tuple[int, int, int] | None:
    """(rows, columns, bits of a sample) as the compressed frame itself says, or None."""
    if syntax in _JPEG_2000:
        at = _codestream(frame)
        if frame[at : at + 4] != b"\xff\x4f\xff\x51" or len(frame) < at + 43:
            return None
        right, bottom, left, top = struct.unpack_from(">4L", frame, at + 8)
        return bottom - top, right - left, (frame[at + 42] & 0x7F) + 1
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker in _FRAME_HEADERS:
            bits, rows, columns = struct.unpack_from(">BHH", frame, at + 4)
            return rows, columns, bits
        at += 1 if marker == 0xFF else 2 if marker in _NO_LENGTH else 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None


def _codestream(frame: bytes) -> int:
    """Where JPEG 2000 data begins: at once, or in a box of a JP2 file that somebody put in as it was."""
    at = 0
    if frame[4:8] == b"jP  ":
        while at + 8 <= len(frame) and frame[at + 4 : at + 8] != b"jp2c":
            at += max(8, int.from_bytes(frame[at : at + 4], "big"))
        at += 8
    return at


def _options(picture: Picture) -> dict[str, Any]:
    return {
        "rows": picture.rows,
        "columns": picture.columns,
        "number_of_frames": 1,
        "samples_per_pixel": picture.samples,
        "bits_allocated": picture.allocated,
        "bits_stored": picture.stored,
        "pixel_representation": picture.signed,
        "photometric_interpretation": picture.photometric,
        "planar_configuration": 0,
    }


def decoded(frame: bytes, syntax: str, picture: Picture) -> tuple[NDArray[Any], Picture]:
    """The samples of a compressed frame, colour by pixel and not converted, and the picture as they describe it."""
    item = b"\xfe\xff\x00\xe0"
    data = item + bytes(4) + item + (len(frame) + len(frame) % 2).to_bytes(4, "little") + frame + b"\0" * (len(frame) % 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pixels, found = get_decoder(syntax).as_array(data, raw=True, **_options(picture))
        except Exception as error:  # noqa: BLE001  any decoder error; its text may quote the file
            raise Unfit(f"the pixels cannot be decoded ({type(error).__name__})") from None
    kind = str(found["photometric_interpretation"])
    photometric = {"YBR_FULL_422": "YBR_FULL", "YBR_RCT": "RGB", "YBR_ICT": "RGB"}.get(kind, kind)
    native = replace(picture, photometric=photometric, planar=0, little=True)
    return np.array(pixels, native.dtype), native


def _coded_as(photometric: str, syntax: str) -> str:
    """RGB goes into JPEG 2000 by its reversible colour transform; the rest as it is."""
    return "YBR_RCT" if photometric == "RGB" and syntax == JPEG2000Lossless else photometric


def _encoded(pixels: NDArray[Any], syntax: str, picture: Picture, *, allowed: bool) -> bytes | None:
    """The frame compressed, if decoding it gives the very same samples.

    `allowed`: it was in this syntax before, so pydicom need not ask whether the standard has samples of this size in it.
    """
    options = _options(replace(picture, photometric=_coded_as(picture.photometric, syntax)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            packed: bytes = get_encoder(syntax).encode(pixels, validate=not allowed, **options)
            again, _ = decoded(packed, syntax, replace(picture, photometric=options["photometric_interpretation"]))
        except Unfit:
            return None
        except Exception:  # noqa: BLE001  what an encoder cannot do it says in many ways; the other one is tried
            return None
    return packed if np.array_equal(again, pixels) else None
