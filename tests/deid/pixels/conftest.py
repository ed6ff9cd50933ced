"""Pictures made from nothing, in every native shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydicom import Dataset


@pytest.fixture
def picture(mr: Dataset) -> Callable[..., Dataset]:
    """Makes a data set with random pixels: its own photometric interpretation, bits, planes and frames."""

    def make(
        kind: str = "MONOCHROME2",
        bits: int = 8,
        stored: int | None = None,
        signed: int = 0,
        planar: int = 0,
        frames: int = 1,
        size: tuple[int, int] = (7, 10),
    ) -> Dataset:
        (rows, columns), samples = size, 3 if kind.startswith(("RGB", "YBR")) else 1
        stored = stored or bits
        low = -(1 << stored - 1) if signed else 0
        shape = (frames, rows, columns, 2 if kind == "YBR_FULL_422" else samples)
        pixels = np.random.default_rng(5).integers(low, low + (1 << stored), shape, np.int64)
        mr.Rows, mr.Columns, mr.SamplesPerPixel, mr.NumberOfFrames = rows, columns, samples, frames
        mr.PhotometricInterpretation = kind
        mr.BitsAllocated, mr.BitsStored, mr.HighBit, mr.PixelRepresentation = bits, stored, stored - 1, signed
        if samples == 3:
            mr.PlanarConfiguration = planar
        if kind == "PALETTE COLOR":
            for n, colour in enumerate(("Red", "Green", "Blue")):
                setattr(mr, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
                table = np.roll(np.arange(256, dtype="u2") * 200 + n, 77)
                setattr(mr, f"{colour}PaletteColorLookupTableData", table.tobytes())
        ordered = np.moveaxis(pixels, 3, 1) if planar else pixels
        mr.PixelData = ordered.astype(f"<{'i' if signed else 'u'}{bits // 8}").tobytes()
        mr["PixelData"].VR = "OB" if bits == 8 else "OW"
        return mr

    return make
