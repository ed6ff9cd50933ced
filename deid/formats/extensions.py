"""Extensions of NIfTI headers: what registered codes mean is cleaned, what nobody registered or anybody may fill in goes.

https://nifti.nimh.nih.gov/nifti-1/documentation/faq#Q21 lists the codes. Code 44 is NIfTI-MRS (JSON), 32 CIFTI-2 (XML), 4 AFNI
(XML), 6 a comment, 34 frame times. A header is followed by four bytes, the first 1 if there are extensions; each has its size
in bytes (a multiple of 16, these eight included), its code, and its data.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

from deid.errors import Held, Unreadable
from deid.formats import meta_xml, sidecar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deid.formats.base import Work

_AFNI, _COMMENT, _CIFTI, _FRAMES, _MRS = 4, 6, 32, 34, 44
_FLAG, _HEAD, _STEP = 4, 8, 16
_REQUIRED_OF_MRS = ("SpectrometerFrequency", "ResonantNucleus")


def cleaned(between: bytes, order: str, work: Work, *, needed: bool) -> bytes:
    """What stands between a header and its image, made clean: four bytes and the extensions that stay.

    `needed`: the image cannot be read without its extension (CIFTI). Raises `Held` if that is not there or cannot stay.
    """
    made = b""
    if between[:1] == b"\1":
        for code, data in _extensions(between[_FLAG:], order):
            new = _one(code, data, work)
            if new is None:
                work.note(f"extension {code}", "X", "NIfTI extension", data)
                continue
            if new != data:
                work.note(f"extension {code}", "C", "NIfTI extension", data)
            size = -(-(len(new) + _HEAD) // _STEP) * _STEP
            made += struct.pack(order + "ii", size, code) + new.ljust(size - _HEAD, b"\0")
            needed = needed and code != _CIFTI
    elif any(between):
        work.note("extension", "X", "bytes before the image", between)
    if needed:
        raise Held("a CIFTI file without the extension that says what its values are of")
    return (b"\1\0\0\0" if made else bytes(_FLAG)) + made


def _extensions(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEAD <= len(data):
        size, code = struct.unpack_from(order + "ii", data, at)
        if size < _HEAD or size % _STEP or at + size > len(data):
            if any(data[at:]):
                raise Unreadable("a NIfTI file with an extension that cannot be")
            return
        yield code, data[at + _HEAD : at + size]
        at += size


def _one(code: int, data: bytes, work: Work) -> bytes | None:
    text = data.rstrip(b"\0").decode("utf-8", "replace")
    if code == _MRS:
        return _spectroscopy(text, data.rstrip(b"\0"), work)
    if code in (_CIFTI, _AFNI):
        return meta_xml.cleaned(text, work)
    if code == _COMMENT:
        return work.text("comment", text.encode(), "comment") or None
    if code == _FRAMES and len(data) % 4 == 0:
        return data
    return None


def _spectroscopy(text: str, raw: bytes, work: Work) -> bytes:
    try:
        new = sidecar.clean(text, raw, work, unknown="drop")
        kept = json.loads(new)
    except (ValueError, RecursionError):
        raise Unreadable("a NIfTI-MRS file whose header extension is no JSON") from None
    if not isinstance(kept, dict) or not kept.keys() >= set(_REQUIRED_OF_MRS):
        raise Held("a NIfTI-MRS file without the frequency or the nucleus in its header extension")
    return new
