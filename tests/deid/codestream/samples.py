"""One stream of every codec that can be made here, each with a decoder; and segments of text to plant in them."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from deid.pixels import codec
from deid.pixels.picture import Picture
from tests.deid.corpus import files

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS, COLUMNS = 40, 48
TEXT = b"Zqxmarkovic"


def grey() -> NDArray[np.uint8]:
    ramp = np.add.outer(np.arange(ROWS), np.arange(COLUMNS) * 3)
    return (ramp + np.random.default_rng(3).integers(0, 9, ramp.shape)).astype("u1")


def colour() -> NDArray[np.uint8]:
    return np.stack([grey(), grey()[::-1], grey()[:, ::-1]], axis=2)


def picture(samples: int = 1) -> Picture:
    kind = "MONOCHROME2" if samples == 1 else "RGB"
    return Picture(ROWS, COLUMNS, 1, samples, kind, 0, 8, 8, 7, 0, True)


def pillow(pixels: NDArray[np.uint8], kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def encoded(syntax: str, pixels: NDArray[np.uint8]) -> bytes:
    samples = 1 if pixels.ndim == 2 else 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made: bytes = get_encoder(syntax).encode(
            pixels, rows=ROWS, columns=COLUMNS, samples_per_pixel=samples, bits_allocated=8, bits_stored=8,
            pixel_representation=0, planar_configuration=0, number_of_frames=1,
            photometric_interpretation="MONOCHROME2" if samples == 1 else "RGB" if syntax != JPEG2000Lossless else "YBR_RCT",
        )  # fmt: skip
    return made


def shipped(name: str) -> tuple[bytes, Dataset]:
    """The first frame of a file that pydicom ships."""
    ds = dcmread(next(path for path in files() if path.name == name))
    return next(generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames", 1)))), ds


def streams() -> dict[str, tuple[str, bytes, int]]:
    """By name: transfer syntax, one frame, samples of a pixel."""
    found = {
        "baseline": (str(JPEGBaseline8Bit), pillow(grey(), "JPEG"), 1),
        "progressive": (str(JPEGBaseline8Bit), pillow(grey(), "JPEG", progressive=True), 1),
        "restarts": (str(JPEGBaseline8Bit), pillow(grey(), "JPEG", restart_marker_blocks=2), 1),
        "colour": (str(JPEGBaseline8Bit), pillow(colour(), "JPEG", comment=b"made by a machine"), 3),
        "with profile": (str(JPEGBaseline8Bit), pillow(colour(), "JPEG", icc_profile=b"no profile" * 20), 3),
    }
    found["jpeg 2000"] = (str(JPEG2000Lossless), encoded(JPEG2000Lossless, grey()), 1)
    found["jpeg 2000 colour"] = (str(JPEG2000Lossless), encoded(JPEG2000Lossless, colour()), 3)
    found["jpeg 2000 tiles"] = (str(JPEG2000), pillow(grey(), "JPEG2000", no_jp2=True, tile_size=(16, 16)), 1)
    found["jp2 boxes"] = (str(JPEG2000Lossless), pillow(grey(), "JPEG2000"), 1)
    found["jpeg-ls"] = (str(JPEGLSLossless), encoded(JPEGLSLossless, grey()), 1)
    found["rle"] = (str(RLELossless), encoded(RLELossless, grey()), 1)
    found["rle colour"] = (str(RLELossless), encoded(RLELossless, colour()), 3)
    return found


def decoded(syntax: str, frame: bytes, samples: int) -> NDArray[np.uint8]:
    """The samples of a frame, by the decoders that everything else here uses."""
    found: NDArray[np.uint8] = codec.decoded(frame, syntax, picture(samples))[0]
    return found
