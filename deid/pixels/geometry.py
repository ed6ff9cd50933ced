"""Rectangles against a picture's size: what is blanked and what stays. Pure; knows no file.

Everything is clipped to the picture. A rule that would blank nothing, or everything, does not fit the picture: None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Mask: TypeAlias = NDArray[np.bool_]

_SLACK = 20


class Rect(NamedTuple):
    """A rectangle in pixels from the top left corner of the picture. Never of negative size or place."""

    left: int
    top: int
    width: int
    height: int


def mask(rows: int, columns: int, rects: Sequence[Rect], *, keep: bool) -> Mask | None:
    """Which pixels are blanked: those inside the rectangles, or with `keep` those outside all of them."""
    blank = np.full((rows, columns), keep, np.bool_)
    for rect in rects:
        blank[rect.top : rect.top + rect.height, rect.left : rect.left + rect.width] = not keep
    return None if blank.all() or not blank.any() else blank


def paired(blank: Mask) -> Mask:
    """A mask widened to pairs of columns: where two pixels share their colour, neither shows without the other."""
    halves = blank[:, 0::2] | blank[:, 1::2]
    return np.repeat(halves, 2, axis=1)


def fits(rows: int, columns: int, rects: Sequence[Rect]) -> bool:
    """Whether regions a device described can be of this picture, but for a little overhang that clipping cures.

    Regions that reach far beyond it were measured before the picture was resized: what they frame lies elsewhere now.
    """
    return all(
        rect.left + rect.width <= columns + columns // _SLACK and rect.top + rect.height <= rows + rows // _SLACK
        for rect in rects
    )
