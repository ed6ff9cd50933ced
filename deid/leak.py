"""The last check: does anything that was taken out still stand somewhere in the result?

Searches the encoded header of the clean file (everything but pixel data, private blobs included) for the removed names,
codes, dates and UIDs, in the file's own character sets, UTF-8 and UTF-16, without regard to case and accents. Pure; it
knows bytes and needles, not DICOM rules. Only values of four characters and more are searched: shorter ones are in any file.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from ahocorasick_rs import BytesAhoCorasick

from deid.rules.policy import NUMERIC_VRS
from deid.rules.vocabulary import allowed, clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from deid.rules.values import Ledger

SHORTEST = 4
_FREE = 6  # from this length on a hit counts even inside a longer word
_NAME_PARTS = re.compile(r"[\^=\\\s,;./_\-]+")
_UID = re.compile(rb"(?<![0-9])[0-9]++(?:\.[0-9]++){3,}+")  # possessive: a million digits must not cost their square
_WIDE_UID = re.compile(rb"(?:[0-9.]\0){9,}+")
_FEW_UIDS = 64
_EAST = 0x2E80  # from here on the signs of east Asia
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
PLACEHOLDERS = frozenset(
    {"anonymous", "anonymized", "anonymised", "anon", "unknown", "none", "removed", "patient", "name", "test", "null", "noname"}
    | {"phantom", "default", "subject", "deidentified", "undefined", "unspecified", "doctor", "physician", "operator", "user"}
    | {"study", "physicist", "technician", "first", "last", "middle", "given", "family", "null", "yyyy", "0000", "00000000"}
)


class Needle(NamedTuple):
    """One spelling of a removed value. `kind`: name, code, date, birth date. `term`: it is also an ordinary word."""

    text: bytes
    kind: str
    term: bool = False


def _folded(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _spellings(text: str) -> Iterator[str]:
    """The ways a name may be written: as it is, by case, without accents, with ae for an umlaut."""
    for form in (text, _folded(text), text.translate(_UMLAUTS)):
        yield from (form, form.lower(), form.upper(), form.title())


_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "é": "e", "è": "e"})


def name_parts(text: str) -> Iterator[str]:
    """The parts of a person's name long enough to be searched for; two signs are enough for those of east Asia."""
    for raw in _NAME_PARTS.split(text):
        part = raw.strip("\0 '\"()")
        short = len(part) < SHORTEST and not (len(part) >= 2 and ord(part[0]) > _EAST)
        if not short and part.casefold() not in PLACEHOLDERS:
            yield part


def _code_parts(text: str) -> Iterator[str]:
    """The values of an identifier worth a search: not zeros, not terms that any file may hold."""
    for raw in text.split("\\"):
        part = raw.strip(" \0")
        terms = not any(c.isdigit() for c in part) and all(allowed(word) for word in part.casefold().split())
        if len(part) >= SHORTEST and not terms and part.casefold() not in PLACEHOLDERS and set(part) - set("0 .-"):
            yield part


def date_spellings(value: bytes) -> Iterator[str]:
    """A date in its usual spellings."""
    digits = re.sub(rb"[^0-9]", b"", value).decode()
    if len(digits) != 8 or digits in ("00000000", "19000101"):
        return
    year, month, day = digits[:4], digits[4:6], digits[6:]
    for joint in ("", "-", ".", "/", " "):
        yield joint.join((year, month, day))
        yield joint.join((day, month, year))
    yield from (f"{month}/{day}/{year}", f"{month}-{day}-{year}")
    if 1 <= int(month) <= 12:
        name = _MONTHS[int(month) - 1]
        for joint in (" ", "-"):
            yield from (f"{day}{joint}{name}{joint}{year}", f"{int(day)}{joint}{name}{joint}{year}")
        yield f"{name} {int(day)}, {year}"


def needles(ledger: Ledger, decode: Callable[[bytes], str], encodings: Iterable[str], own: str) -> frozenset[Needle]:
    """What to search for, lower-cased bytes. `own` is text of ours that is in every result: no needle may lie in it."""
    texts = [(part, "name") for value in ledger.names for part in name_parts(decode(value))]
    texts += [(part, "code") for value in ledger.codes for part in _code_parts(decode(value))]
    texts += [(spelling, "date") for value in ledger.dates - ledger.births for spelling in date_spellings(value)]
    texts += [(spelling, "birth date") for value in ledger.births for spelling in date_spellings(value)]
    codecs = dict.fromkeys(("utf-8", "utf-16-le", "utf-16-be", "latin-1", *encodings))
    found: set[Needle] = set()
    for text, kind in texts:
        if text.lower() in own:
            continue
        term = kind in ("name", "code") and allowed(text.casefold())
        for spelling in set(_spellings(text)) if kind == "name" else {text}:
            for codec in codecs:
                with suppress(UnicodeError, LookupError):
                    found.add(Needle(spelling.encode(codec).lower(), kind, term))
    return frozenset(needle for needle in found if len(needle.text) >= SHORTEST)


class Search:
    """An automaton over a set of needles. Making one costs; the many files of an exam share it."""

    def __init__(self, wanted: frozenset[Needle]) -> None:
        self._needles = sorted(wanted)
        self._automaton = BytesAhoCorasick([n.text for n in self._needles]) if self._needles else None

    def hits(self, lowered: bytes) -> list[tuple[int, int, Needle]]:
        """All places a needle lies, boundaries considered."""
        if self._automaton is None:
            return []
        found = self._automaton.find_matches_as_indexes(lowered, overlapping=True)
        return [
            (start, end, self._needles[index])
            for index, start, end in found
            if _stands_alone(lowered, start, end, self._needles[index])
        ]


def _stands_alone(haystack: bytes, start: int, end: int, needle: Needle) -> bool:
    """Short words must not be parts of longer ones, numbers not parts of longer numbers or of UIDs."""
    step = 2 if b"\0" in needle.text else 1
    before, after = haystack[max(0, start - step) : start], haystack[end : end + step]
    before, after = before.replace(b"\0", b""), after.replace(b"\0", b"")
    if needle.text.replace(b"\0", b"").isdigit():
        return not (before.isdigit() or after.isdigit() or before == b"." or after == b".")
    if len(needle.text) // step >= _FREE or not needle.text.isascii():
        return True
    return not (before.isalpha() or after.isalpha())


def uid_hits(data: bytes, old: frozenset[bytes]) -> list[int]:
    """Where one of the `old` UIDs lies in the data, also in UTF-16 and with further components behind it."""
    if len(old) <= _FEW_UIDS and not any(uid in data or _wide(uid) in data for uid in old):
        return []
    found = [m.start() for m in _UID.finditer(data) if _known_uid(m[0], old)]
    found += [m.start() for m in _WIDE_UID.finditer(data) if _known_uid(m[0].replace(b"\0", b""), old)]
    return found


def _wide(uid: bytes) -> bytes:
    """A UID in UTF-16, of either order."""
    return b"\0".join(uid[at : at + 1] for at in range(len(uid)))


def _known_uid(token: bytes, old: frozenset[bytes]) -> bool:
    if token in old:
        return True
    parts = token.split(b".")
    return any(b".".join(parts[:n]) in old for n in range(5, len(parts)))


def excused(needle: Needle, vr: str, value: bytes, *, ours: bool) -> bool:
    """Whether a hit is no leak: digits in a number or a time, a shifted date that fell on a removed one, a term in a code.

    DS and IS were looked at when they were cleaned: what is left there counts, measures or refers.
    """
    digits = needle.text.isdigit()
    if vr in ("DS", "IS"):
        return digits
    if vr in NUMERIC_VRS:
        return len(needle.text) <= _FREE
    if vr in ("DA", "DT", "TM"):
        return ours if "date" in needle.kind else digits
    if vr == "CS" and value.startswith(b"ISO") and digits:
        return True  # the number of a character set
    if vr == "CS":
        return needle.kind == "name" and allowed(needle.text.decode("latin-1")) and value.isupper()
    if needle.term and vr in ("LO", "SH", "UC"):
        text = value.decode("latin-1").strip(" \0")
        return clean_text(text) == text  # terms and nothing else
    return vr == "UI" and digits and len(needle.text) < 8


def certain(needle: Needle, vr: str) -> bool:
    """Whether a hit can be nothing but an identity: a whole one, long enough, no ordinary word, and where text stands.

    Short words and dates of visits come about by chance; so do bytes of a number.
    """
    if needle.kind == "date" or needle.term or vr in NUMERIC_VRS:
        return False
    return len(needle.text.replace(b"\0", b"")) >= _FREE
