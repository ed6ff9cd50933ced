"""WADO-RS of pixels (PS3.18 10.4.1.1.6, 10.4.1.1.4): frames as they are stored or decoded, pictures and thumbnails.

Encapsulated frames go out as they are to who takes them; else they are decoded, in a process of its own. Pictures are drawn as
the desk draws them.
"""

import io
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from PIL import Image
from pydicom import encaps
from werkzeug.wrappers import Response

from catalog.filetypes.model import Look, Preview
from catalog.pure.errors import ArchimedError, Invalid, NotFound, Unreadable
from catalog.view import OpenFile
from gateway.dicom import heads
from gateway.dicomweb.headers import Header, read_header
from gateway.dicomweb.media import ANY, EXPLICIT, IMPLICIT, MULTIPART, OCTETS, Wanted, fits
from gateway.dicomweb.multipart import Out
from gateway.dicomweb.retrieving import Chosen, Retrieving, not_acceptable, unchanged
from gateway.drawing.processes import is_text
from gateway.http.answers import Answer

_JPEG, _PNG = "image/jpeg", "image/png"
_MEDIA = {
    "1.2.840.10008.1.2.4.50": _JPEG, "1.2.840.10008.1.2.4.51": _JPEG, "1.2.840.10008.1.2.4.57": _JPEG,
    "1.2.840.10008.1.2.4.70": _JPEG, "1.2.840.10008.1.2.4.80": "image/jls", "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2", "1.2.840.10008.1.2.4.91": "image/jp2", "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx", "1.2.840.10008.1.2.4.201": "image/jphc", "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc", "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.110": "image/jxl", "1.2.840.10008.1.2.4.111": "image/jxl", "1.2.840.10008.1.2.4.112": "image/jxl",
}  # fmt: skip
"""Media types of encapsulated frames by their transfer syntax (PS3.18 table 8.7.3-5)."""

MOST_FRAMES = 1000
_THUMBNAIL_SIDE = 128
_LARGEST_SIDE = 8192
_QUALITY = 90


@dataclass(frozen=True, slots=True)
class Viewport:
    """How a picture is asked for: the box that it shall fit into, its window, its quality as JPEG."""

    box: tuple[int, int] | None = None
    centre: float | None = None
    width: float | None = None
    quality: int = _QUALITY


def viewport(parameters: Sequence[tuple[str, str]], *, small: bool) -> Viewport:
    """Return how a URL asks for a picture (PS3.18 8.3.5).

    Raises:
        Invalid: a parameter cannot be used.
    """
    given = dict(parameters)
    box, centre, width = (_THUMBNAIL_SIDE, _THUMBNAIL_SIDE) if small else None, None, None
    try:
        if "viewport" in given:
            sides = [round(float(side)) for side in given["viewport"].split(",")[:2]]
            box = (sides[0], sides[1])
            if not all(1 <= side <= _LARGEST_SIDE for side in box):
                raise ValueError
        if "window" in given:
            centre, width = (float(part) for part in given["window"].split(",")[:2])
            if not (width > 0 and abs(centre) < 1e12):
                raise ValueError
        quality = int(given.get("quality", _QUALITY))
        if not 1 <= quality <= 100:
            raise ValueError
    except (ValueError, IndexError, OverflowError):
        raise Invalid("viewport is WIDTH,HEIGHT in pixels, window is CENTRE,WIDTH,linear, quality is from 1 to 100") from None
    return Viewport(box, centre, width, quality)


def numbers(text: str) -> list[int]:
    """Return the frames that a path names, from 1.

    Raises:
        NotFound: there can be no such frames.
    """
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise NotFound("frames are named by numbers") from None
    if not found or min(found) < 1 or len(found) > MOST_FRAMES:
        raise NotFound("there are no such frames")
    return found


class Frames:
    """Answers of pixels. One a process, shared by its threads."""

    def __init__(self, retrieving: Retrieving) -> None:
        self._retrieving = retrieving

    def frames(self, chosen: Chosen, wanted_frames: Sequence[int], wanted: Sequence[Wanted]) -> Answer:
        """Return frames of an instance.

        Raises:
            NotFound: it has no such frames.
        """
        (file,) = chosen.files
        with closing(chosen.open(file)) as opened:
            header, syntax = read_header(opened), heads.stored(opened).transfer_syntax
            count = _count(header)
            if not header.pixels or max(wanted_frames) > count:
                raise NotFound("the instance has no such frames")
            for each in wanted:
                how = _how(each, syntax)
                if how is None:
                    continue
                # HEAD is answered from the same, so that its size is right.
                data = [
                    self._frame(opened, header, syntax, number - 1, count, decoded=how == OCTETS) for number in wanted_frames
                ]
                opened.count(sum(map(len, data)))
                content = f"{how}; transfer-syntax={EXPLICIT if how == OCTETS else syntax}"
                parts = [Out(content, len(frame), lambda frame=frame: [frame]) for frame in data]  # type: ignore[misc] # bound now
                tag = chosen.tag("frames", how, *map(str, wanted_frames))
                alone = not each.is_multipart and each.kind not in {"*/*", "multipart/*"} and len(parts) == 1
                return self._retrieving.sent(chosen, how, parts, tag, alone=alone)
        return not_acceptable('frames are sent as multipart/related; type="application/octet-stream"; transfer-syntax=*')

    def _frame(self, opened: OpenFile, header: Header, syntax: str, at: int, count: int, *, decoded: bool) -> bytes:
        if not decoded:
            return _encapsulated(opened, header, at, count)
        if syntax in {EXPLICIT, IMPLICIT} and header.length is not None:
            return _native(opened, header, at)
        return self._retrieving.drawn(opened, Look(frame=at), "frame").data

    def picture(self, chosen: Chosen, frame: int | None, how: Viewport, wanted: Sequence[Wanted]) -> Answer:
        """Return a picture of an instance: of a frame, from 1, or of the one in the middle."""
        kind = next((kind for each in wanted for kind in (_JPEG, _PNG) if fits(each, kind)), "")
        if not kind:
            return not_acceptable("pictures are sent as image/jpeg or image/png")
        tag = chosen.tag("picture", kind, str(frame), repr(how))
        if (same := unchanged(chosen.request, tag)) is not None:
            return same
        (file,) = chosen.files
        look = Look(
            frame=None if frame is None else frame - 1, side=max(how.box) if how.box else 0, centre=how.centre, width=how.width
        )
        try:
            with closing(chosen.open(file)) as opened:
                preview = self._retrieving.drawn(opened, look)
                opened.count(len(preview.data))
        except Unreadable as error:
            return not_acceptable(str(error))
        if is_text(preview):
            return not_acceptable("the instance has no pixels")
        if frame is not None and frame > preview.frames:
            raise NotFound("the instance has no such frame")
        headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
        return Response(_as_kind(preview, kind, how), 200, headers, content_type=kind)


def _how(wanted: Wanted, syntax: str) -> str | None:
    """Return the media type in which a frame goes to who wants this: octets are decoded, all else goes as it is stored."""
    own = _MEDIA.get(syntax)
    anything = wanted.content in {"", "*/*", "multipart/*"}
    if own is not None and wanted.syntax in {ANY, syntax} and (anything or wanted.content in {OCTETS, own, "image/*"}):
        return own
    if own is not None and wanted.content in {own, "image/*"} and wanted.syntax == "":
        return own
    plain = wanted.syntax in {"", ANY, EXPLICIT}
    if plain and (anything or wanted.content == OCTETS or (wanted.kind == MULTIPART and wanted.part == "")):
        return OCTETS
    return None


def _count(header: Header) -> int:
    try:
        return max(1, int(header.dataset.get("NumberOfFrames") or 1))
    except (ValueError, TypeError):
        raise Unreadable("the instance does not say how many frames it has") from None


def _native(opened: OpenFile, header: Header, at: int) -> bytes:
    dataset = header.dataset
    try:
        samples = int(dataset.get("SamplesPerPixel") or 1)
        pixels = int(dataset.Rows) * int(dataset.Columns) * samples
        allocated = int(dataset.BitsAllocated)
        halved = dataset.get("PhotometricInterpretation") == "YBR_FULL_422"
    except (ValueError, TypeError, AttributeError):
        raise Unreadable("the instance does not say how large its frames are") from None
    bits = pixels * allocated * 2 // 3 if halved else pixels * allocated
    first, last = at * bits, (at + 1) * bits
    begin = header.offset + first // 8
    if last > (header.length or 0) * 8:
        raise NotFound("the instance has no such frames")
    data = opened.read_at(begin, -(-last // 8) - first // 8)
    if first % 8 == 0 and last % 8 == 0:
        return data
    # Frames of single bits follow each other without a gap (PS3.5 8.1.1).
    spread = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[first % 8 :][:bits]
    return np.packbits(spread, bitorder="little").tobytes()


def _encapsulated(opened: OpenFile, header: Header, at: int, count: int) -> bytes:
    source = io.BufferedReader(heads.Reading(opened), 1 << 20)
    source.seek(header.offset)
    extended = None
    if "ExtendedOffsetTable" in header.dataset:
        extended = (header.dataset.ExtendedOffsetTable, header.dataset.ExtendedOffsetTableLengths)
    try:
        return encaps.get_frame(source, at, number_of_frames=count, extended_offsets=extended)
    except ArchimedError:
        raise
    except Exception:  # noqa: BLE001 - pydicom lets out whatever the bytes provoke, and its text quotes them
        raise NotFound("the instance has no such frames") from None


def _as_kind(preview: Preview, kind: str, how: Viewport) -> bytes:
    """Return a picture of ours in a media type, no larger than asked for."""
    if preview.media_type == kind and how.box is None:
        return preview.data
    with Image.open(io.BytesIO(preview.data)) as picture:
        picture.load()
        if how.box is not None:
            picture.thumbnail(how.box)
        written = io.BytesIO()
        if kind == _JPEG:
            picture.convert("L" if picture.mode in {"L", "1", "I;16"} else "RGB").save(written, "JPEG", quality=how.quality)
        else:
            picture.save(written, "PNG")
        return written.getvalue()
