"""CSV, TSV, JSON and plain text: passed as they are, if the study's profile attests their type and nothing in them looks like
an identity. No rule of ours can tell whether a word in a table is a name; who knows the table can.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from deid.errors import Held, Unreadable
from deid.formats.base import Context, Work, mapped
from deid.rules.table import data_text
from deid.rules.vocabulary import fold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_LARGEST = 1 << 28
_HEAD = 4096
_MARKUP = ("<?xml", "<!doctype", "<html", "<svg", "{\\rtf", "%!ps")
_MONTHS = "jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz]"
_LOOKS = (
    ("a date", re.compile(r"(?<!\d)(?:19|20)\d\d[-./]?(?:0[1-9]|1[0-2])[-./]?(?:0[1-9]|[12]\d|3[01])(?!\d)")),
    ("a date", re.compile(r"(?<!\d)(?:0?[1-9]|[12]\d|3[01])[-./](?:0?[1-9]|1[0-2])[-./](?:19|20)\d\d(?!\d)")),
    ("a date", re.compile(r"(?<!\d)(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])/(?:19|20)\d\d(?!\d)")),
    ("a date", re.compile(rf"(?i)\b\d{{1,2}}[ \-.]+(?:{_MONTHS})[a-z]*[ \-.]+(?:19|20)\d\d\b")),
    ("a UID", re.compile(r"(?<![\d.])(?!2\.25\.|1\.2\.840\.10008\.)[0-2](?:\.\d{1,39}){5,}(?![\d.])")),
    ("a mail address", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}\.\w")),
    ("a telephone number", re.compile(r"(?<![\w.+-])(?:\+|00)\d{2,3}[ ()/-]*\d(?:[ ()/-]*\d){6,}(?![\w.])")),
    ("a social security number", re.compile(r"(?<!\d)756\.?\d{4}\.?\d{4}\.?\d{2}(?!\d)")),
    ("a name with a title", re.compile(r"(?i)\b(?:mrs?|ms|dr|prof|herr|frau|mme|monsieur|madame|patient(?:in)?:)\.? [A-ZÄÖÜ]")),
    ("a name", re.compile(r"[^\W\d_]{2}\^[^\W\d_]{2}")),
)


@cache
def identifying() -> frozenset[str]:
    """Words of columns and keys that hold identities: data/identifying.txt."""
    lines = (line for line in data_text("identifying.txt").splitlines() if not line.startswith("#"))
    return frozenset(word for line in lines for word in line.split())


class Text:
    """Passes text files that are attested."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By being UTF-8 without control characters."""
        if not head or head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return False
        try:
            text = codecs.getincrementaldecoder("utf-8-sig")().decode(head, final=len(head) < _HEAD)
        except UnicodeDecodeError:
            return False
        plain = all(c.isprintable() or c in "\t\r\n\f" for c in text)
        return plain and not text.lstrip().lower().startswith(_MARKUP)

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Pass one file, or hold it."""
        data = mapped(source)
        if len(data) > _LARGEST:
            raise Unreadable("a text of more than 256 MB")
        try:
            text = bytes(data).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise Unreadable("a text that is not UTF-8 throughout") from None
        kind = kind_of(text)
        if not context.attests(kind):
            raise Held(f"a {kind} file may hold anything: the profile must attest {kind} for it")
        judge(text, kind)
        work = Work(context)
        work.write("text", bytes(data))
        endings = {"CSV": ".csv", "TSV": ".tsv", "JSON": ".json", "TEXT": ".txt"}
        return work.finish(target, endings[kind], {"FileType": kind})


def kind_of(text: str) -> str:
    """JSON, TSV, CSV or TEXT, by what it is."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return "TEXT"
        return "JSON"
    lines = [line for line in text.splitlines()[:20] if line.strip()]
    for kind, delimiter in (("TSV", "\t"), ("CSV", ","), ("CSV", ";")):
        counts = {len(row) for row in csv.reader(lines, delimiter=delimiter)} if lines else set()
        if len(counts) == 1 and counts.pop() > 1:
            return kind
    return "TEXT"


def judge(text: str, kind: str) -> None:
    """Hold a text in which something looks like an identity; says on which line, not what."""
    for name, place in _headings(text, kind):
        if fold(re.sub(r"[\W_]+", "", name)) in identifying() or not identifying().isdisjoint(_words(name)):
            raise Held("a column or key is called like an identity", f"line {place}")
    for number, line in enumerate(text.splitlines(), 1):
        for what, pattern in _LOOKS:
            if pattern.search(line):
                raise Held(f"something looks like {what}", f"line {number}")


def _words(name: str) -> set[str]:
    return {fold(word) for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+", name)}


def _headings(text: str, kind: str) -> Iterator[tuple[str, int]]:
    """Names of columns and keys, with the line where they stand as far as that is known."""
    if kind == "JSON":
        yield from ((key, 1) for key in _keys(json.loads(text)))
    elif kind in ("CSV", "TSV"):
        first = text.split("\n", 1)[0]
        delimiter = "\t" if kind == "TSV" else max(",;", key=first.count)
        for row in csv.reader([first], delimiter=delimiter):
            yield from ((cell, 1) for cell in row)
    else:
        for number, line in enumerate(text.splitlines(), 1):
            label, sign, _ = line.partition(":")
            if sign and len(label) < 40:
                yield label, number


def _keys(value: Any) -> Iterator[str]:
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            yield from (str(key) for key in each)
            todo += each.values()
        elif isinstance(each, list):
            todo += each
