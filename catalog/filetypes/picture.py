"""A picture out of an array: what previews of images are made of."""

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.filetypes.model import Look, Preview
from catalog.pure.errors import Unreadable

MOST_BYTES = 64 << 20
_SPREAD = (1, 99)
_FEWEST_LEVELS = 1e-6
_QUICK = 1  # of zlib: a picture that is looked at once
_GREY, _COLOUR = 0, 2
_CHANNELS = 3

Window = tuple[float, float]
"""Centre and width of the values that become grey."""


def preview_of(
    plane: NDArray[Any], look: Look, *, frame: int = 0, frames: int = 1, window: Window | None = None, inverted: bool = False
) -> Preview:
    """Return a plane as a PNG: of numbers (two axes) in grey, of bytes with red, green and blue (three) in colour.

    Args:
        plane: rows of pixels.
        look: how somebody wants it.
        frame: which picture of its file it is.
        frames: how many there are.
        window: what the file says should be grey.
        inverted: low values are bright.

    Raises:
        Unreadable: it is no plane of numbers.
    """
    rows, columns = plane.shape[:2] if plane.ndim > 1 else (0, 0)
    if not plane.size or plane.dtype.kind not in "iufb" or plane.shape[2:] not in {(), (_CHANNELS,)}:
        raise Unreadable("its pixels are of no kind that can be shown")
    step = max(1, -(-max(rows, columns) // look.side)) if look.side else 1
    shown = plane[::step, ::step]
    if plane.ndim > 2:
        return Preview("image/png", _png(_bytes(shown)), frame, frames, columns, rows)
    values = np.nan_to_num(shown.astype(np.float32), posinf=0, neginf=0)
    centre, width = _window(values, look, window)
    low = centre - width / 2
    grey = np.clip((values - low) * (255 / width), 0, 255).astype(np.uint8)
    return Preview("image/png", _png(255 - grey if inverted else grey), frame, frames, columns, rows, (centre, width))


def _window(values: NDArray[np.float32], look: Look, stored: Window | None) -> Window:
    if look.centre is not None and look.width is not None:
        return look.centre, max(look.width, _FEWEST_LEVELS)
    if stored is not None and stored[1] > 0 and not look.whole and all(np.isfinite(stored)):
        return stored
    low, high = (values.min(), values.max()) if look.whole else np.percentile(values, _SPREAD)
    if high <= low:  # next to nothing but one value: what is left must be seen all the same
        low, high = values.min(), values.max()
    return float(low + high) / 2, max(float(high - low), _FEWEST_LEVELS)


def _bytes(plane: NDArray[Any]) -> NDArray[np.uint8]:
    if plane.dtype == np.uint8:
        return np.ascontiguousarray(plane)
    highest = float(plane.max()) or 1.0
    scaled: NDArray[np.uint8] = np.clip(plane.astype(np.float32) * (255 / highest), 0, 255).astype(np.uint8)
    return scaled


def _png(pixels: NDArray[np.uint8]) -> bytes:
    height, width = pixels.shape[:2]
    kind = _COLOUR if pixels.ndim > 2 else _GREY
    lines = np.zeros((height, 1 + width * (_CHANNELS if kind == _COLOUR else 1)), np.uint8)  # a filter of none before each
    lines[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), _QUICK)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
