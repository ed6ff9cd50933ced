"""What must be known of a file before its first value is cleaned: who it is about, its character set, its kind. Pure."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.charset import convert_encodings, decode_bytes

from deid.engine.nodes import Element, Sequence
from deid.leak import PLACEHOLDERS, name_parts
from deid.rules.vocabulary import fold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Sequence as Seq

    from deid.engine.nodes import Node

CHARSET, SOP_CLASS, SOP_INSTANCE, MODALITY = 0x00080005, 0x00080016, 0x00080018, 0x00080060
NAME, PATIENT_ID, BIRTH_DATE = 0x00100010, 0x00100020, 0x00100030
OTHER_IDS = 0x00101000
PEOPLE = (0x00080090, 0x00081048, 0x00081050, 0x00081060, 0x00081070, 0x00101001, 0x00101005, 0x00101060, 0x00321032)
CODES = (0x00080050, 0x00101000, 0x00380010, 0x00200010, 0x00181000, 0x00081010)
WANTED = frozenset({CHARSET, SOP_CLASS, SOP_INSTANCE, MODALITY, NAME, PATIENT_ID, BIRTH_DATE, *PEOPLE, *CODES})
_WORD = re.compile(r"[^\W_]+")
_DIGITS = re.compile(r"\d{6,}")
_DELIMITERS = {0x0D, 0x0A, 0x09, 0x0C, 0x5C, 0x5E, 0x3D}


@dataclass(frozen=True, slots=True)
class Facts:
    """Top-level values of one original file. Holds identities: never goes into a report, an error or a log."""

    values: dict[int, bytes]
    encodings: tuple[str, ...]
    nested_names: frozenset[bytes] = frozenset()

    def __repr__(self) -> str:
        return "Facts(...)"

    def text(self, tag: int) -> str:
        """A value as text."""
        return self.decode(self.values.get(tag, b"")).strip(" \0")

    def decode(self, value: bytes) -> str:
        """Bytes as text in the file's character sets; what cannot be read stays visible as replacement signs."""
        if value.isascii() and b"\x1b" not in value:
            return value.decode("ascii")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return decode_bytes(value, list(self.encodings), _DELIMITERS)
            except (UnicodeError, LookupError, ValueError):
                return value.decode("latin-1")

    @property
    def subject(self) -> bytes | None:
        """What the date shift hangs on: the patient's ID, without one the name and birth date, without those nothing."""
        identifier = self.values.get(PATIENT_ID, b"").strip(b" \0")
        if identifier:
            return identifier
        name = self.values.get(NAME, b"").strip(b" \0^")
        return name + b"|" + self.values.get(BIRTH_DATE, b"").strip(b" \0") if name else None

    def numbers(self) -> frozenset[str]:
        """The numbers by which the patient is known: an ID, or the digits of one, that no measurement equals by chance."""
        return frozenset(digits for tag in (PATIENT_ID, OTHER_IDS) for digits in _DIGITS.findall(self.text(tag)))

    def known_words(self) -> frozenset[str]:
        """Folded words of the identities in this file: no text may keep them, were they in the vocabulary ten times."""
        words = {fold(w) for tag in (NAME, PATIENT_ID) for w in _WORD.findall(self.text(tag)) if len(w) > 1}
        words |= {fold(w) for tag in (*PEOPLE, *CODES) for w in _WORD.findall(self.text(tag)) if len(w) > 2}
        words |= {fold(w) for name in self.nested_names for w in name_parts(self.decode(name))}
        return frozenset(words - PLACEHOLDERS)


def facts(nodes: Seq[Node]) -> Facts:
    """The facts of a data set, with the names of people at any depth."""
    values = {node.tag: node.value for node in nodes if node.tag in WANTED and isinstance(node, Element)}
    names = frozenset(value for node in nodes if isinstance(node, Sequence) for value in _names(node))
    return Facts(values, encodings(values.get(CHARSET, b"")), names)


def _names(node: Sequence) -> Iterator[bytes]:
    for item in node.items:
        for child in item.nodes:
            if isinstance(child, Sequence):
                yield from _names(child)
            elif child.vr == "PN":
                yield child.value


def encodings(charset: bytes) -> tuple[str, ...]:
    """Python's names for the character sets a file declares; an unknown one reads as Latin-1."""
    names = charset.decode("latin-1").strip(" \0").split("\\")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return tuple(convert_encodings(names if len(names) > 1 else names[0] or "ISO_IR 6"))
        except (LookupError, ValueError, AttributeError):
            return ("iso8859",)
