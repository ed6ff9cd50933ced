"""One CSA value made clean. What a value may be follows from its VR and, where the VR says too little, from its name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deid.csa import protocol
from deid.csa.words import DAY, ids_mapped, is_personal, text_cleaned
from deid.rules.policy import DATE_VRS, Verdict

if TYPE_CHECKING:
    from deid.rules.values import Values

_NUMERIC = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
_TEXT = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
_NUMBER = re.compile(rb" *[+\-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+\-]?\d+)? *|(?i: *-?(?:nan|inf) *)")
_COILS = re.compile(rb"[A-Z]{1,3}\d{0,2}(?:[:;,+\-][A-Z]{0,3}\d{0,2}){0,40}")
# Texts the machine writes in a shape of its own.
_SHAPES = {
    "ICE_Dims": re.compile(rb"[X\d]{1,4}(?:_[X\d]{1,4}){4,20}"),
    "AcquisitionMatrixText": re.compile(rb"\d{1,4}[ps]?(?: ?\* ?\d{1,4}[ps]?){1,2}"),
    "PositivePCSDirections": re.compile(rb"[+\-][LRAPHF]{3}"),
    "ImaCoilString": _COILS,
    "CoilString": _COILS,
    "UsedChannelString": re.compile(rb"[X\-_]*"),
}


def clean(name: str, vr: str, text: bytes, room: int, values: Values) -> bytes:
    """What stands in the place of `text`, at most `room` bytes; empty where nothing of it may stay."""
    if not text.strip():
        return text
    if vr in _NUMERIC:
        kept = _NUMBER.fullmatch(text) and not is_personal(name) and not DAY.fullmatch(text.decode("latin-1").strip())
        return text if kept else b"0".ljust(len(text))  # readers make a number of it: nothing would stop them
    if protocol.recognised(text):
        return protocol.clean(text, values)
    if is_personal(name):
        return b""
    if vr == "UI":
        return ids_mapped(text, room, values)
    if vr in DATE_VRS or vr == "CS":
        new = values.clean(Verdict("C", "CSA", vr), 0, text) or b""
        if new != text:
            values.remember(vr, 0, text)
        return new
    if vr in _TEXT:
        shape = _SHAPES.get(name)
        return text if shape is not None and shape.fullmatch(text) else text_cleaned(name, text, values)
    return b""
