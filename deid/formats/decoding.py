"""Bytes as text, whatever their encoding: what can be decoded is never opaque. Pure.

UTF-8, UTF-16 and UTF-32 have marks or a shape of their own; of the older encodings charset-normalizer finds the likeliest.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass

from charset_normalizer import from_bytes

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is a part of it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_MOST_NOISE = 0.02  # of the signs of a text that nobody can see
_MOST_UNASSIGNED = 0.3
_GUESSED_FROM = 1 << 16
_SPACES = "\t\r\n\f\v\x1a\x85"
_BINARY = re.compile(rb"[\0-\x08\x0e-\x19\x1c-\x1f\x7f]")
_RUN = re.compile(rb"[\x20-\x7e\x80-\xff\t]{5,}")
_ASCII_RUN = re.compile(rb"[\x20-\x7e\t]{5,}")
_BY_CHANCE = 20  # so many signs in a row are seldom chance
_AROUND, _NOISY = 24, 0.25  # bytes on each side of a run, and how many of them no ASCII has
_WIDE_RUN = re.compile(rb"(?:[\x20-\x7e\xa0-\xff]\0){5,}")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text and the name of its encoding in Python."""

    text: str
    codec: str


def decoded(data: bytes, *, cut: bool = False) -> Decoded | None:
    """The text that some bytes are; None if they are none. `cut`: they are the beginning of more."""
    if not data:
        return None
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return _as(data, codec, cut=cut)
    if b"\0" in data:
        return next((found for codec in _WIDE if (found := _wide(data, codec, cut=cut))), None) or _with_noise(data, cut=cut)
    return _as(data, "utf-8", cut=cut) or _older(data)


def readings(data: bytes) -> list[Decoded]:
    """All texts that some bytes may be: an older encoding is a guess, and in a wrong one signs swallow their neighbours."""
    found = decoded(data)
    if found is None:
        return []
    other = None if found.codec.startswith("utf") else _likeliest(data)
    return [found, *([other] if other is not None and other.codec != found.codec else [])]


def _as(data: bytes, codec: str, *, cut: bool) -> Decoded | None:
    try:
        text = codecs.getincrementaldecoder(codec)().decode(data, final=not cut)
    except UnicodeDecodeError:
        return None
    return Decoded(text, codec) if text and _is_plain(text) else None


def _wide(data: bytes, codec: str, *, cut: bool) -> Decoded | None:
    """Text of two or four bytes a sign without a mark: most of its signs are of the first page."""
    width = 4 if "32" in codec else 2
    whole = data if not cut else data[: len(data) // width * width]
    if len(whole) % width:
        return None
    found = _as(whole, codec, cut=cut)
    if found is None or sum(sign < "\u0250" for sign in found.text) < 0.6 * len(found.text):
        return None
    return found


def _with_noise(data: bytes, *, cut: bool) -> Decoded | None:
    """A text with a few zero bytes in it."""
    return _as(data, "utf-8", cut=cut) if data.count(0) <= _MOST_NOISE * len(data) else None


def _older(data: bytes) -> Decoded | None:
    """An encoding of one or some bytes a sign."""
    if len(_BINARY.findall(data)) > _MOST_NOISE * len(data):
        return None
    return _as(data, "cp1252", cut=False) or _likeliest(data) or _as(data, "latin-1", cut=False)


def _likeliest(data: bytes) -> Decoded | None:
    best = from_bytes(_sample(data), threshold=0.4).best()
    try:
        return _as(data, best.encoding, cut=False) if best is not None else None
    except LookupError:
        return None


def _sample(data: bytes) -> bytes:
    """The part of a long text around the first sign that is not ASCII: the rest says nothing."""
    at = next(iter(re.finditer(rb"[\x80-\xff]", data)), None)
    start = max(0, at.start() - _GUESSED_FROM // 2) if at else 0
    return data[start : start + _GUESSED_FROM]


def _is_plain(text: str) -> bool:
    """Whether next to nothing of it is what no text holds."""
    sample = text if len(text) < 1 << 20 else text[: 1 << 19] + text[-(1 << 19) :]
    kinds = [unicodedata.category(sign) for sign in sample if sign not in _SPACES and not " " <= sign <= "~"]
    noise = sum(kind in ("Cc", "Cs") for kind in kinds)
    unknown = sum(kind in ("Cn", "Co") for kind in kinds)
    return noise <= _MOST_NOISE * len(sample) and unknown <= _MOST_UNASSIGNED * len(kinds)


def shown(text: str) -> str:
    """A text as it is read: signs that nobody sees are gone, and what looks alike is alike."""
    if text.isascii() and text.isprintable():
        return text
    seen = "".join(sign for sign in text if sign in "\t\r\n" or unicodedata.category(sign) not in ("Cc", "Cf", "Co", "Cn"))
    return unicodedata.normalize("NFKC", seen)


def runs(data: bytes) -> str:
    """The stretches of bytes that can be read, a line each, also of two bytes a sign: for what is no text as a whole."""
    narrow = [found[0].decode("latin-1") for found in _ASCII_RUN.finditer(data) if not _is_chance(data, found)]
    some = (found for found in _RUN.finditer(data) if _reads_like_text(found[0]) and not _is_chance(data, found))
    wide = [found[0].decode("utf-16-le", "replace") for found in _WIDE_RUN.finditer(data)]
    return "\n".join([*narrow, *(found[0].decode("latin-1") for found in some), *wide])


def _is_chance(data: bytes, run: re.Match[bytes]) -> bool:
    """Whether a short run lies among bytes of all values, where runs come by chance: samples, or what was compressed."""
    neighbours = data[max(0, run.start() - 1) : run.start()] + data[run.end() : run.end() + 1]
    if run.end() - run.start() >= _BY_CHANCE or b"\0" in neighbours:  # a field is padded
        return False
    before = data[max(0, run.start() - _AROUND) : run.start()]
    after = data[run.end() : run.end() + _AROUND]
    return all(sum(byte >= 0x80 for byte in side) >= _NOISY * len(side) for side in (before, after) if len(side) == _AROUND)


def _reads_like_text(run: bytes) -> bool:
    """Whether a run is more than bytes that happen to be letters."""
    plain = sum(byte < 0x7F and (chr(byte).isalnum() or byte in b" .,:;-_/^=\t") for byte in run)
    return plain >= 0.8 * len(run)
