"""Tables, JSON, markup and plain text in any encoding: decoded, looked through, and JSON also cleaned key by key.

No rule of ours can tell whether a word in a table is a name; who knows the table can. So all but JSON of known keys needs the
word of the study's profile (`attest`), and is looked through all the same.
"""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING

from deid.errors import Held, Unreadable
from deid.formats import bids, markup, sidecar
from deid.formats.base import Context, Work, mapped
from deid.formats.decoding import Decoded, decoded, readings
from deid.formats.looks import Finding, findings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_LARGEST = 1 << 28
_SMALL, _END = 1 << 20, 4096
_NUMBERS = re.compile(r"[-+0-9.eE \t\r\n]+")
_ENDINGS = {"CSV": ".csv", "TSV": ".tsv", "JSON": ".json", "TEXT": ".txt"}


class Text:
    """Cleans or passes text files."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By being text in any encoding: small files as a whole, large ones at both ends."""
        size = source.stat().st_size
        if decoded(head, cut=size > len(head)) is None:
            return False
        with source.open("rb") as stream:
            if size <= _SMALL:
                return decoded(stream.read()) is not None
            stream.seek(-_END, 2)
            return _looks_decodable(stream.read(), head)

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean or pass one file, or hold it."""
        data = mapped(source)
        if len(data) > _LARGEST:
            raise Unreadable("a text of more than 256 MB")
        raw = bytes(data)
        texts = readings(raw)
        if not texts:
            raise Held("a text that turns into something else: nobody can look it through")
        kind = kind_of(texts[0].text)
        work = Work(context)
        ending = _ENDINGS[kind]
        text = texts[0].text
        if kind == "JSON":
            unknown: sidecar.Unknown | None = "drop" if context.renamed else None
            raw = bids.dataset_description(text, work) or sidecar.clean(text, raw, work, unknown=unknown)
            raw = bids.renamed(raw.decode("utf-8", "replace"), work).encode() if context.renamed else raw
        elif kind == "TSV" and (bids.is_table(text) or bids.is_numbers(text)):
            raw = raw if bids.is_numbers(text) else bids.clean_table(text, work).encode("utf-8", "replace")
        elif kind == "TEXT" and context.renamed and not markup.kind_of(text):
            raw = _known_words(text, work)
        elif is_gradients(texts[0].text):
            ending = ".bvec" if len(texts[0].text.split("\n")) > 2 else ".bval"
        else:
            if not context.attests(kind):
                raise Held(f"a {kind} file may hold anything: the profile must attest {kind} for it")
            markup_kind = markup.kind_of(texts[0].text)
            if markup_kind:
                ending = markup_kind
            hold([finding for text in texts for finding in _all_findings(text)], work)
        work.write("text", raw)
        return work.finish(target, ending, {"FileType": kind})


def _known_words(text: str, work: Work) -> bytes:
    """A text of a dataset (README, CHANGES) with only known words; an empty one would be no README."""
    lines = [work.text(f"line {number}", line.encode()) for number, line in enumerate(text.splitlines(), 1)]
    return b"\n".join(lines).strip() + b"\n" if any(lines) else b"dataset\n"


def _looks_decodable(tail: bytes, head: bytes) -> bool:
    """Whether a file's end is text as its beginning is; the cut may have parted signs, so a few bytes may go."""
    if head.count(0) * 4 > len(head):
        return tail.count(0) * 4 > len(tail)
    return any(decoded(tail[skip:]) is not None for skip in range(4))


def _all_findings(text: Decoded) -> list[Finding]:
    return findings(markup.readable(text.text) or text.text)


def hold(found: Sequence[Finding], work: Work) -> None:
    """Hold a file by what was found in it: the first place, and how much more there is."""
    unique = sorted(dict.fromkeys(found), key=lambda each: each.line)
    if unique:
        more = f", and {len(unique) - 1} more of the kind" if len(unique) > 1 else ""
        work.doubt(f"{unique[0].what}{more}", f"line {unique[0].line}" if unique[0].line else None)


def kind_of(text: str) -> str:
    """JSON, TSV, CSV or TEXT, by what it is."""
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        try:
            json.loads(text.lstrip("\ufeff"))
        except (ValueError, RecursionError):
            return "TEXT"
        return "JSON"
    lines = [line for line in text.splitlines()[:20] if line.strip()]
    if len(lines) < 2:
        return "TEXT"
    for kind, delimiter in (("TSV", "\t"), ("CSV", ","), ("CSV", ";")):
        try:
            counts = {len(row) for row in csv.reader(lines, delimiter=delimiter)}
        except csv.Error:
            continue
        if len(counts) == 1 and counts.pop() > 1:
            return kind
    return "TEXT"


def is_gradients(text: str) -> bool:
    """Whether a text is the b-values or directions of a diffusion image: one or three rows of as many small numbers."""
    if len(text) > _SMALL or not _NUMBERS.fullmatch(text):
        return False
    try:
        rows = [[float(cell) for cell in line.split()] for line in text.splitlines() if line.strip()]
    except ValueError:
        return False
    if len(rows) not in (1, 3) or len({len(row) for row in rows}) != 1 or len(rows[0]) < 2:
        return False
    numbers = [number for row in rows for number in row]
    return max(map(abs, numbers)) <= 1 + 1e-3 if len(rows) == 3 else all(0 <= number <= 1e5 for number in numbers)
