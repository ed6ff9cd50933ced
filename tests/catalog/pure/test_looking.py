"""What somebody may say of images that they were shown, or were not."""

import pytest

from catalog.pure.errors import Refused
from catalog.pure.looking import Evidence, SeenSeries


def test_all_seen_needs_no_reason() -> None:
    found = Evidence([SeenSeries("3", 300, 300, suspected=True), SeenSeries("4", 2, 2)])
    assert (found.images, found.not_seen) == (302, 0)
    found.require("")


def test_what_was_not_seen_needs_a_reason() -> None:
    found = Evidence([SeenSeries("3", 300, 22)])
    with pytest.raises(Refused, match="278 of 300 images were not seen"):
        found.require("  ")
    found.require("a phantom")


def test_suspected_pixels_are_seen_or_cannot_be_drawn() -> None:
    with pytest.raises(Refused, match=r"series 4 \(1 of 3 not seen\)"):
        Evidence([SeenSeries("3", 3, 0), SeenSeries("4", 3, 2, suspected=True)]).require("a reason")
    cut_off = Evidence([SeenSeries("4", 3, 2, undrawable=1, suspected=True)])
    cut_off.require("it is cut off")
    with pytest.raises(Refused, match="1 of 3"):
        cut_off.require("")
