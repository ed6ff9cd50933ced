"""A grey picture out of an array: what previews of images without a picture format are made of."""

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.filetypes.model import Preview

MOST_BYTES = 64 << 20
_SIDE = 256
_SPREAD = (1, 99)


def preview_of(plane: NDArray[Any]) -> Preview | None:
    """Return a plane of numbers as a PNG of at most 256 pixels a side, stretched between its darkest and brightest parts."""
    if plane.ndim != 2 or not plane.size or plane.dtype.kind not in "iufb":
        return None
    step = max(1, -(-max(plane.shape) // _SIDE))
    values = np.nan_to_num(plane[::step, ::step].astype(np.float64), posinf=0, neginf=0)
    low, high = np.percentile(values, _SPREAD)
    scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return Preview("image/png", _png(np.clip(scaled * 255, 0, 255).astype(np.uint8)))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    height, width = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
