"""Rectangles against a picture's size: what is blanked and what stays. Pure; knows no file.

Everything is clipped to the picture. A rule that would blank nothing, or everything, does not fit the picture: None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from deid.rules.model import Rect

    Mask: TypeAlias = NDArray[np.bool_]

_SLACK = 20
_SMALLEST_SIDE = 100
_LEAST_LEFT = 10


def mask(rows: int, columns: int, rects: Sequence[Rect], *, keep: bool) -> Mask | None:
    """Which pixels are blanked: those inside the rectangles, or with `keep` those outside all of them."""
    blank = np.full((rows, columns), keep, np.bool_)
    for rect in rects:
        blank[rect.top : rect.top + rect.height, rect.left : rect.left + rect.width] = not keep
    return None if blank.all() or not blank.any() else blank


def leaves_enough(blank: Mask) -> bool:
    """Whether a mask leaves a tenth of the picture: one that leaves less was made for another, and what it shows is none."""
    return int(np.count_nonzero(~blank)) * _LEAST_LEFT >= blank.size


def usable(rows: int, columns: int, rects: Sequence[Rect]) -> list[Rect]:
    """The regions that frame something of this picture: two pixels and a hundredth of its side, both ways, once clipped."""

    def long_enough(start: int, length: int, side: int) -> bool:
        clipped = min(start + length, side) - start
        return clipped >= 2 and clipped * _SMALLEST_SIDE >= side

    return [rect for rect in rects if long_enough(rect.left, rect.width, columns) and long_enough(rect.top, rect.height, rows)]


def paired(blank: Mask) -> Mask:
    """A mask widened to pairs of columns: where two pixels share their colour, neither shows without the other."""
    halves = blank[:, 0::2] | blank[:, 1::2]
    return np.repeat(halves, 2, axis=1)


def fits(rows: int, columns: int, rects: Sequence[Rect]) -> bool:
    """Whether the regions a device described can be clipped to this picture, or were measured before it was resized.

    Resizing shrinks both sides, so regions that reach well beyond both, or beyond one while they end far from the other,
    frame something else now: names that stood outside may stand inside. A picture that was only cut, or whose device is
    careless by a few pixels, still fits.
    """
    right = max(rect.left + rect.width for rect in rects)
    bottom = max(rect.top + rect.height for rect in rects)
    wide, high = right > columns + columns // _SLACK, bottom > rows + rows // _SLACK
    if wide and high:
        return False
    if wide or high:
        return bottom * 5 >= rows * 4 if wide else right * 5 >= columns * 4
    return True
