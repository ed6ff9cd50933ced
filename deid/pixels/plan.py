"""What is to be blanked in one file: the rule, set against the picture's size; and doing it. Joins the rooms beside it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deid.engine.nodes import Element, find, tag_text
from deid.pixels import codec, geometry
from deid.pixels.masking import Encapsulated, Native
from deid.pixels.picture import Picture, Unfit, read
from deid.pixels.regions import REGIONS, regions
from deid.rules import maskrules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from deid.engine.nodes import Node, Syntax
    from deid.pixels.geometry import Mask
    from deid.rules.model import MaskRule

PIXEL_DATA = 0x7FE00010
_NATIVE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"})
_PHOTOMETRIC, _PLANAR, _BURNED_IN, _LOSSY = 0x00280004, 0x00280006, 0x00280301, 0x00282110


@dataclass(frozen=True, slots=True)
class Stored:
    """Pixel data as it lies in a file: the element's value, or its items without the delimiter if `undefined`."""

    data: memoryview
    vr: str
    undefined: bool


@dataclass(frozen=True, slots=True, eq=False)
class Masked:
    """Masked pixel data, to take the place of what was stored. `syntax`: the file's from now on."""

    value: Native | Encapsulated
    syntax: Syntax
    elements: tuple[Element, ...]
    rule: str

    def actions(self) -> list[tuple[str, str, str, str]]:
        """Lines for the report: path, action, rule, no hash."""
        again = f", as {codec.NAMES[self.syntax.uid]}" if isinstance(self.value, Encapsulated) else ""
        lines = [(tag_text(PIXEL_DATA), "C", self.rule + again, "")]
        return lines + [(tag_text(element.tag), "D", self.rule, "") for element in self.elements]


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """A rule that fits a picture. `blank`: the pixels that go."""

    label: str
    picture: Picture
    blank: Mask


@contextmanager
def masked(
    own: Sequence[MaskRule],
    nodes: list[Node],
    headers: Mapping[str, str],
    syntax: Syntax,
    decode: Callable[[bytes], str],
    locate: Callable[[], Stored | None],
) -> Iterator[Masked | None]:
    """The masked pixels of a file by a profile's `own` rules, or the shipped ones; None if no rule is for it.

    `nodes`: the top-level data set, or the `WANTED` of it; `headers`: what `seen` made of it; `locate` finds the pixel data.

    Raises:
        Unfit: a rule is for this picture, but cannot be followed, or asks for a human.
    """
    plan = _plan(own, nodes, headers, syntax, decode)
    if plan is None:
        yield None
        return
    stored = locate()
    if stored is None:
        raise Unfit("its pixels are of no kind that can be masked")
    value: Native | Encapsulated
    if stored.undefined:
        value = Encapsulated(stored.data, syntax.uid, plan.picture, plan.blank)
    else:
        words = not syntax.little and stored.vr == "OW" and plan.picture.allocated == 8
        value = Native(stored.data, plan.picture, plan.blank, swapped=words)
    after = replace(syntax, uid=value.syntax) if isinstance(value, Encapsulated) else syntax
    try:
        yield Masked(value, after, tuple(_elements(plan.picture, value, syntax)), f"mask: {plan.label}")
    finally:
        value.close()


def covered(
    own: Sequence[MaskRule], nodes: list[Node], headers: Mapping[str, str], syntax: Syntax, decode: Callable[[bytes], str]
) -> bool:
    """Whether a mask rule is for a picture, seen from its headers alone.

    Raises:
        Unfit: one is, but cannot be followed, or asks for a human.
    """
    plan = _plan(own, nodes, headers, syntax, decode)
    if plan is not None and syntax.uid not in _NATIVE:
        codec.require_known(syntax.uid)
    return plan is not None


def _plan(
    own: Sequence[MaskRule], nodes: list[Node], headers: Mapping[str, str], syntax: Syntax, decode: Callable[[bytes], str]
) -> _Plan | None:
    framed = regions(nodes, syntax)
    usable = geometry.usable(_int(headers, "Rows"), _int(headers, "Columns"), framed)
    rule = maskrules.find(own, headers, framed=bool(usable))
    if rule is None:
        if find(nodes, REGIONS) is not None:
            raise Unfit("its ultrasound regions frame nothing, or next to nothing, of it")
        return None
    if rule.holds:
        raise Unfit(f"{rule.label} asks for a human's eye")
    picture = read(nodes, syntax, decode)
    if rule.rects is None and not geometry.fits(picture.rows, picture.columns, framed):
        raise Unfit("the ultrasound regions reach beyond the picture: it was resized since")
    rects = usable if rule.rects is None else rule.rects
    blank = geometry.mask(picture.rows, picture.columns, rects, keep=rule.keep)
    if blank is None:
        raise Unfit(f"the mask of {rule.label} does not fit a picture of this size")
    if not geometry.leaves_enough(blank):
        raise Unfit(f"the mask of {rule.label} leaves next to nothing of the picture")
    return _Plan(rule.label, picture, blank)


def _int(headers: Mapping[str, str], keyword: str) -> int:
    text = headers.get(keyword, "")
    return int(text) if text.isdecimal() else 0


def _elements(picture: Picture, value: Native | Encapsulated, syntax: Syntax) -> Iterator[Element]:
    """What the header must say of the masked pixels, by ascending tag."""
    if isinstance(value, Encapsulated):
        yield Element(_PHOTOMETRIC, "CS", value.photometric.encode())
        if picture.samples > 1:
            yield Element(_PLANAR, "US", bytes(2))
    yield Element(_BURNED_IN, "CS", b"NO")
    if syntax.uid in codec.LOSSY:
        yield Element(_LOSSY, "CS", b"01")
