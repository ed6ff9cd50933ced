"""Rectangles against pictures of any size: clipping, overlaps, pairs, and regions that cannot be of this picture."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deid.pixels.geometry import fits, mask, paired
from deid.rules.model import Rect

SIDES = st.integers(1, 24)
PLACES = st.integers(0, 40)
RECTS = st.lists(st.builds(Rect, PLACES, PLACES, st.integers(1, 40), st.integers(1, 40)), max_size=5)


def inside(x: int, y: int, rects: list[Rect]) -> bool:
    return any(r.left <= x < r.left + r.width and r.top <= y < r.top + r.height for r in rects)


@given(SIDES, SIDES, RECTS, st.booleans())
def test_a_pixel_goes_by_the_rectangles_it_lies_in(rows: int, columns: int, rects: list[Rect], keep: bool) -> None:
    expected = np.array([[inside(x, y, rects) != keep for x in range(columns)] for y in range(rows)])
    blank = mask(rows, columns, rects, keep=keep)
    if expected.all() or not expected.any():
        assert blank is None  # a rule that hides nothing, or everything, does not fit the picture
    else:
        assert blank is not None
        assert blank.shape == (rows, columns)
        assert np.array_equal(blank, expected)


@given(SIDES, SIDES, RECTS)
def test_blanking_and_keeping_are_each_other_s_opposite(rows: int, columns: int, rects: list[Rect]) -> None:
    blank, keep = mask(rows, columns, rects, keep=False), mask(rows, columns, rects, keep=True)
    assert (blank is None) == (keep is None)
    if blank is not None and keep is not None:
        assert np.array_equal(blank, ~keep)


@given(SIDES, SIDES, RECTS)
def test_of_two_pixels_that_share_a_colour_both_go(rows: int, half: int, rects: list[Rect]) -> None:
    blank = mask(rows, half * 2, rects, keep=False)
    if blank is not None:
        wide = paired(blank)
        assert (wide | ~blank).all()
        assert np.array_equal(wide[:, 0::2], wide[:, 1::2])
        assert np.array_equal(wide[:, 0::2], blank[:, 0::2] | blank[:, 1::2])


def test_regions_of_a_resized_picture_do_not_fit() -> None:
    assert fits(480, 640, [Rect(84, 31, 512, 384)])
    assert fits(480, 640, [Rect(84, 31, 557, 450)])  # one pixel too far: devices count from 0 or from 1
    assert not fits(240, 320, [Rect(84, 31, 512, 384)])  # half the size it had
    assert fits(350, 800, [Rect(120, 60, 681, 459), Rect(176, 522, 568, 55)])  # cut at the bottom, full width
    assert not fits(240, 320, [Rect(10, 31, 200, 384)])  # beyond one side, and far from the other: resized
    assert not fits(320, 240, [Rect(31, 10, 384, 200)])
    assert not fits(10, 10, [Rect(0, 0, 5, 5), Rect(0, 0, 2**32 - 1, 2**32 - 1)])
