"""What the image pixel module says of a picture (PS3.3 C.7.6.3), and which sample values are black in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deid.engine.nodes import Element, find

if TYPE_CHECKING:
    from collections.abc import Callable

    from deid.engine.nodes import Node, Syntax

_SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS = 0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011
_PLANAR, _ALLOCATED, _STORED, _HIGH, _SIGNED = 0x00280006, 0x00280100, 0x00280101, 0x00280102, 0x00280103
_DESCRIPTORS = (0x00281101, 0x00281102, 0x00281103)
_LUTS = (0x00281201, 0x00281202, 0x00281203)
TAGS = frozenset({_SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS, _PLANAR, _ALLOCATED, _STORED, _HIGH, _SIGNED})
TAGS |= {*_DESCRIPTORS, *_LUTS}
_GREY = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
_LARGEST_FRAME = 1 << 29


class Unfit(Exception):
    """A mask rule matches, but this picture cannot be masked by it. Says why; holds nothing of the file."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Picture:
    """The shape of every frame of a file, and what its samples mean. `darkest`: the entry of a palette that is."""

    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    planar: int
    allocated: int
    stored: int
    high: int
    signed: int
    little: bool
    darkest: int = 0

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """One sample as it lies in native pixel data."""
        return np.dtype(f"{'<' if self.little else '>'}{'i' if self.signed else 'u'}{self.allocated // 8}")

    @property
    def frame_bytes(self) -> int:
        """The length of a native frame."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * samples * (self.allocated // 8)

    @property
    def black(self) -> tuple[int, ...]:
        """The sample values of a black pixel."""
        if self.photometric.startswith("YBR_FULL"):
            grey = 1 << (self.stored - 1)
            return (0, grey, grey)
        if self.samples == 3:
            return (0, 0, 0)
        if self.photometric == "PALETTE COLOR":
            return (self.darkest,)
        lowest = -(1 << (self.stored - 1)) if self.signed else 0
        highest = lowest + (1 << self.stored) - 1
        return ((highest if self.photometric == "MONOCHROME1" else lowest) << (self.high + 1 - self.stored),)


def read(nodes: list[Node], syntax: Syntax, decode: Callable[[bytes], str]) -> Picture:
    """The picture a top-level data set describes. `Unfit` unless it is one whose pixels can be blanked."""

    def text(tag: int) -> str:
        node = find(nodes, tag)
        return decode(node.value).strip(" \0") if isinstance(node, Element) else ""

    def number(tag: int, default: int = 0) -> int:
        node = find(nodes, tag)
        if not isinstance(node, Element) or len(node.value) < 2:
            return default
        return int.from_bytes(node.value[:2], "little" if syntax.little else "big")

    frames = text(_FRAMES) or "1"
    allocated = number(_ALLOCATED)
    stored = number(_STORED, allocated)
    picture = Picture(
        rows=number(_ROWS),
        columns=number(_COLUMNS),
        frames=int(frames) if frames.isdecimal() and len(frames) < 8 else 0,
        samples=number(_SAMPLES, 1),
        photometric=text(_PHOTOMETRIC),
        planar=number(_PLANAR),
        allocated=allocated,
        stored=stored,
        high=number(_HIGH, stored - 1),
        signed=number(_SIGNED),
        little=syntax.little,
        darkest=_darkest(nodes, little=syntax.little),
    )
    _check(picture)
    return picture


def _check(picture: Picture) -> None:
    if not (picture.rows and picture.columns and picture.frames):
        raise Unfit("the picture does not say how large it is")
    if picture.allocated not in (8, 16, 32) or not picture.stored <= picture.high + 1 <= picture.allocated:
        raise Unfit("samples of such a size cannot be masked")
    if not picture.stored or picture.signed not in (0, 1) or picture.planar not in (0, 1):
        raise Unfit("the picture describes its samples in no way the standard knows")
    if picture.photometric not in (_GREY if picture.samples == 1 else _COLOUR if picture.samples == 3 else ()):
        raise Unfit("colours of such a kind cannot be masked")
    if picture.photometric == "YBR_FULL_422" and (picture.columns % 2 or picture.allocated != 8):
        raise Unfit("colours of such a kind cannot be masked")
    if picture.rows * picture.columns * picture.samples * (picture.allocated // 8) > _LARGEST_FRAME:
        raise Unfit("one frame of it is too large")


def _darkest(nodes: list[Node], *, little: bool) -> int:
    """The index whose red, green and blue are lowest; 0 if there is no palette that can be read."""
    order = "<" if little else ">"
    total: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None
    first = 0
    for descriptor, lut in zip(_DESCRIPTORS, _LUTS, strict=True):
        about, data = find(nodes, descriptor), find(nodes, lut)
        if not (isinstance(about, Element) and isinstance(data, Element)) or len(about.value) != 6:
            return 0
        entries, first, _ = (int(n) for n in np.frombuffer(about.value, order + "u2"))
        entries = entries or 1 << 16
        width = "u1" if len(data.value) < 2 * entries else order + "u2"
        values = np.frombuffer(data.value[: len(data.value) // 2 * 2], width)[:entries].astype(np.int64)
        if not len(values) or (total is not None and len(total) != len(values)):
            return 0
        total = values if total is None else total + values
    return 0 if total is None else first + int(np.argmin(total))
