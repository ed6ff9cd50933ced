"""What a reviewer has really seen of images, and whether saying "I looked through them" needs more. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.pure.errors import Refused


@dataclass(frozen=True, slots=True)
class SeenSeries:
    """What one reviewer was shown of a series.

    Args:
        label: the series.
        images: its pictures: a file that nobody opened counts as one, one that was opened as many as it holds.
        seen: how many of these were drawn large enough to read text in them.
        undrawable: how many files could not be drawn when they were asked for; they are among those that were not seen.
        suspected: the checks suspect text in its pixels.
    """

    label: str
    images: int
    seen: int
    undrawable: int = 0
    suspected: bool = False

    @property
    def not_seen(self) -> int:
        """How many pictures were not shown."""
        return max(0, self.images - self.seen)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one reviewer was shown of some series."""

    series: Sequence[SeenSeries]

    @property
    def images(self) -> int:
        """How many pictures there are."""
        return sum(one.images for one in self.series)

    @property
    def not_seen(self) -> int:
        """How many of them were not shown."""
        return sum(one.not_seen for one in self.series)

    @property
    def to_look_at(self) -> Sequence[SeenSeries]:
        """The suspected series of which pictures that can be drawn were not shown."""
        return [one for one in self.series if one.suspected and one.not_seen > one.undrawable]

    def require(self, reason: str) -> None:
        """Check that who says "I looked through the images" may.

        Args:
            reason: why the pictures that were not shown identify nobody.

        Raises:
            Refused: a suspected series was not shown whole; or something was not shown, and there is no reason.
        """
        if suspected := self.to_look_at:
            named = ", ".join(f"{one.label} ({one.not_seen} of {one.images} not seen)" for one in suspected)
            raise Refused(f"text is suspected in the pixels of series {named}: look at all its images, or at its contact sheet")
        if self.not_seen and not reason.strip():
            raise Refused(
                f"{self.not_seen} of {self.images} images were not seen: look at them, or say why they identify nobody"
            )
