"""How large one frame is, for the formats whose streams do not say so themselves."""

from __future__ import annotations

from typing import NamedTuple


class Size(NamedTuple):
    """`pixels` of a frame, `pixel_bytes` of one pixel over all its samples, `native` bytes of the frame uncompressed."""

    pixels: int
    pixel_bytes: int
    native: int
