"""Pictures: PNG, JPEG, TIFF and BigTIFF."""

import struct
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from catalog.filetypes.model import FORMAT, Field, Look, Plain, Preview, Value
from catalog.filetypes.picture import MOST_BYTES, preview_of
from catalog.filetypes.sample import Sample
from catalog.pure.errors import Unreadable

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_TIFF = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
_READ = 1 << 20
_GREY_MODES = frozenset({"1", "L", "I", "F", "I;16", "I;16B", "I;16L"})
_EIGHT_BITS = (127.5, 255.0)
_MOST_SEGMENTS, _MOST_TAGS = 1000, 1000
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # samples a pixel of PNG's colour types
_WIDTH, _HEIGHT, _SAMPLES = 256, 257, 277
_SHAPES = {1: "B", 3: "H", 4: "I", 16: "Q"}


class Image(Plain):
    """A picture in one of the common formats."""

    name = "IMAGE"
    labels = ("PNG", "JPEG", "TIFF")
    fields = (
        FORMAT,
        Field("Columns", "US", meaning="pixels across"),
        Field("Rows", "US", meaning="pixels down"),
        Field("BitsAllocated", "US", meaning="bits a sample"),
        Field("SamplesPerPixel", "US", meaning="1 grey, 3 colour"),
    )

    def recognise(self, sample: Sample) -> bool:
        """By the signature."""
        return sample.head.startswith((_PNG, _JPEG)) or sample.head[:4] in _TIFF

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Read the size; of a TIFF that of its first picture."""
        head = file.read(_READ)
        if head.startswith(_PNG):
            return _png(head)
        if head.startswith(_JPEG):
            return _jpeg(head)
        return _tiff(head, file)

    def preview(self, file: BinaryIO, look: Look) -> Preview | None:
        """Show the picture, of a TIFF one of its pages; drawn anew, so that nothing of its own reaches a browser."""
        import PIL.Image  # late: looking at names must not wait for it

        with PIL.Image.open(file, formats=("PNG", "JPEG", "TIFF")) as image:
            frames = getattr(image, "n_frames", 1)
            frame = min(max(0, look.frame), frames - 1) if look.frame is not None else 0
            image.seek(frame)
            columns, rows = image.size
            if columns * rows * len(image.getbands()) > MOST_BYTES:
                raise Unreadable("it is too large to be shown")
            grey = image.mode in _GREY_MODES
            plane = np.asarray(image if grey else image.convert("RGB"))
        return preview_of(plane, look, frame=frame, frames=frames, window=_EIGHT_BITS if image.mode == "L" else None)


def _png(head: bytes) -> dict[str, Value]:
    if len(head) < 33 or head[12:16] != b"IHDR":
        return {"Format": "PNG"}
    width, height, bits, colour = struct.unpack_from(">IIBB", head, 16)
    return _about("PNG", width, height, bits, _CHANNELS.get(colour, 0))


def _jpeg(head: bytes) -> dict[str, Value]:
    at = 2
    for _ in range(_MOST_SEGMENTS):
        if at + 10 > len(head) or head[at] != 0xFF:
            break
        marker, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        if marker in _FRAMES:
            bits, height, width, samples = struct.unpack_from(">BHHB", head, at + 4)
            return _about("JPEG", width, height, bits, samples)
        at += 1 if marker == 0xFF else 2 + length
    return {"Format": "JPEG"}


def _tiff(head: bytes, file: BinaryIO) -> dict[str, Value]:
    order = _TIFF.get(head[:4])
    if order is None:
        return {}
    big = 43 in head[2:4]
    form = "BigTIFF" if big else "TIFF"
    (start,) = struct.unpack_from(order + ("Q" if big else "I"), head.ljust(16, b"\0"), 8 if big else 4)
    if start >= 1 << 62:
        return {"Format": form}
    file.seek(start)
    table = file.read(8 + 20 * _MOST_TAGS)
    code, width, value = ("Q", 20, 12) if big else ("H", 12, 8)
    if len(table) < 8:
        return {"Format": form}
    (count,) = struct.unpack_from(order + code, table)
    found: dict[int, int] = {}
    for index in range(min(count, _MOST_TAGS)):
        at = struct.calcsize(code) + width * index
        if at + width > len(table):
            break
        tag, kind = struct.unpack_from(order + "HH", table, at)
        if kind in _SHAPES:
            (found[tag],) = struct.unpack_from(order + _SHAPES[kind], table, at + value)
    return _about(form, found.get(_WIDTH, 0), found.get(_HEIGHT, 0), 0, found.get(_SAMPLES, 1))


def _about(form: str, width: int, height: int, bits: int, samples: int) -> dict[str, Value]:
    values = {"Columns": width, "Rows": height, "BitsAllocated": bits, "SamplesPerPixel": samples}
    return {"Format": form, **{name: value for name, value in values.items() if value}}
