"""Which names in a Siemens header speak of a person or a machine, and which words of its texts may stay.

A header says the same in two places, as items and as a protocol: both ask here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deid.rules import vocabulary

if TYPE_CHECKING:
    from deid.rules.values import Values

DAY = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
"""A number that is a date: scanners leave some in numbers of no use."""
UID = re.compile(r"\d+(?:\.\d+){4,}")
_PERSONAL = re.compile(
    r"patient(?!pos|orient)|patrein|birth|weight(?!ing)|serial|loid|jobid|operator|physician|institution|hospital|stationname"
    r"|(?<!sequence)filename|comment|landmarks|accession",
    re.IGNORECASE,
)
_GEOMETRY = re.compile(r"(?:Csi)?Image(?:Position|Orientation)Patient")
_TYPED = re.compile(r"protocol|descr|comment|title|step|reason|study|body|text$|^$", re.IGNORECASE)
_TECHNICAL = frozenset(
    {"siemens", "numaris", "predicted", "measured", "fast", "normal", "whisper", "void", "none", "no", "yes", "true", "false"}
    | {"head", "body", "whole", "local", "adaptive", "scalar", "angio", "spine", "default", "user", "cc", "complexadd", "nd"}
    | {"channelmixing", "normalizealgo", "prescan", "acc"}
)
_NUCLEUS = re.compile(rb"\d{1,3}[A-Z][a-z]?")
_FOLDERS = re.compile(r"(%(?:SiemensSeq|CustomerSeq|ServiceSeq|SiemensEvaDefProt|CustomerEvaProt)%[\\/])(.*)", re.DOTALL)


def is_personal(name: str) -> bool:
    """Whether an attribute of this name tells of the patient, the people around or the machine: its value goes."""
    return bool(_PERSONAL.search(name)) and not _GEOMETRY.fullmatch(name)


def ids_mapped(text: bytes, room: int, values: Values) -> bytes:
    """UIDs as this study has them; empty if they do not find room."""
    old = text.decode("latin-1").strip()
    new = "\\".join(values.mapping.uid(part) if UID.fullmatch(part.strip()) else "" for part in old.split("\\")).encode()
    if new == old.encode("latin-1"):
        return text
    values.ledger.uids.add(text)
    return new if len(new) <= room else b""


def text_cleaned(name: str, text: bytes, values: Values) -> bytes:
    """A text with only words that may stay, never longer than it was: what a human typed knows the vocabulary alone."""
    if _NUCLEUS.fullmatch(text):
        return text
    decoded = values.decode(text)
    folder = _FOLDERS.fullmatch(decoded)
    prefix, rest = (folder[1], folder[2]) if folder else ("", decoded)
    clean = vocabulary.clean_text if _TYPED.search(name) else vocabulary.clean_machine
    kept = prefix + clean(rest, values.words | _TECHNICAL, values.known)
    return text if kept == decoded.strip() else kept.encode("ascii")[: len(text)]
