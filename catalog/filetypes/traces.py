"""Signals as a picture: a line for each, with its name."""

import io
from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.ImageDraw
from numpy.typing import NDArray

WIDTH = 1200
_BAND, _NAMES = 48, 140
_PAPER, _INK, _LINE = "#ffffff", "#1c2228", "#1d5b86"

Signal = tuple[str, NDArray[np.float32]]


def draw(signals: Sequence[Signal], side: int) -> tuple[bytes, int]:
    """Return a PNG of signals below each other, and how high it is before it is made as small as `side` (0: not)."""
    height = _BAND * len(signals)
    image = PIL.Image.new("RGB", (WIDTH, height), _PAPER)
    pen = PIL.ImageDraw.Draw(image)
    for row, (name, values) in enumerate(signals):
        top = row * _BAND
        pen.text((6, top + _BAND // 2 - 6), "".join(c if c.isprintable() else "?" for c in name), fill=_INK)
        points = _points(values, top)
        if len(points) > 1:
            pen.line(points, fill=_LINE)
    if side:
        image.thumbnail((side, side))
    packed = io.BytesIO()
    image.save(packed, "PNG")
    return packed.getvalue(), height


def _points(values: NDArray[np.float32], top: int) -> list[tuple[float, float]]:
    """Return where a signal's line goes; of more samples than pixels, the lowest and highest of each pixel."""
    across = WIDTH - _NAMES
    values = np.nan_to_num(values, posinf=0, neginf=0)
    if len(values) > 2 * across:
        bins = values[: len(values) // across * across].reshape(across, -1)
        values = np.stack([bins.min(axis=1), bins.max(axis=1)], axis=1).reshape(-1)
    if not len(values):
        return []
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / (high - low) if high > low else np.full(len(values), 0.5, np.float32)
    x = _NAMES + np.linspace(0, across - 1, len(values))
    y = top + 3 + (1 - scaled) * (_BAND - 6)
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True)]
