"""What in a text looks like an identity: by its place (column, key, label) first, by its shape afterwards. Pure.

All of it is heuristic: a finding names a line, never a value, and a named human may overrule it.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deid.formats.decoding import shown
from deid.formats.edf import vocabulary
from deid.formats.meaning import Meaning, meaning, words_of
from deid.rules.vocabulary import allowed, fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_MONTHS = "jan|feb|m[aä]r|mars|apr|avr|ma[iy]|jun|juin|jul|juil|aug|ao[uû]|sep|o[ck]t|nov|de[cz]|déc|fév"
_MONTH = rf"(?:{_MONTHS})[^\W\d_]{{0,7}}\.?"
_YEAR = r"(?:19|20)\d\d"
_DAY, _NUMBERED_MONTH = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
_FREE, _END = r"(?<![\d.])", r"(?!\d|\.\d)"
_COMPACT = rf"{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_MOMENT = rf"{_COMPACT}[T _-]?(?:[01]\d|2[0-3])[0-5]\d[0-5]\d(?:\.?\d{{1,6}})?"
_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_FREE}{_YEAR}([-./]){_NUMBERED_MONTH}\1{_DAY}(?!\d|\1\d)",
        rf"{_FREE}{_DAY}([-./]){_NUMBERED_MONTH}\1{_YEAR}{_END}",
        rf"{_FREE}{_NUMBERED_MONTH}([-/]){_DAY}\1{_YEAR}{_END}",
        r"(?<![\d.-])(?:0[1-9]|[12]\d|3[01])\.(?:0[1-9]|1[0-2])\.\d\d(?![\d.])",
        rf"(?i)(?<!\d){_DAY}(?:st|nd|rd|th)?[ \-./]{{1,3}}{_MONTH}[ ,\-./]{{1,3}}{_YEAR}(?!\d)",
        rf"(?i)\b{_MONTH}[ \-]{{1,2}}{_DAY}(?:st|nd|rd|th)?,?[ \-]{{1,2}}{_YEAR}(?!\d)",
        rf"(?i)(?<!\d){_YEAR}[ \-./]{_MONTH}[ \-./]{_DAY}(?!\d)",
        rf"(?<![\w.,-]){_MOMENT}(?![\d])",
        rf"(?<![\w.,-]){_COMPACT}(?![\w]|[.,]\d)",
    )
)
_BIRTH = re.compile(
    r"(?i)\b(?:born|geb\.|geboren|née?|nacido|nata?|d\.?o\.?b\.?)\b[^\w\n]{0,3}(?:on |am |le |il )?[^\n]{0,12}\d"
)
_UID = re.compile(r"(?<![\w.])[0-2]\.(?:\d|[1-3]\d)(?:\.\d{1,39}){3,}(?![\w])")
_OWN_UIDS = ("2.25.", "1.2.840.10008.")
_LOOKS = (
    ("a mail address", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}\.\w")),
    ("a telephone number", re.compile(r"(?<![\w.+-])(?:\+|00(?!0))\d{2,3}[ ()/-]*\d(?:[ ()/-]*\d){6,}(?![\w.])")),
    ("a social security number", re.compile(r"(?<!\d)756\.?\d{4}\.?\d{4}\.?\d{2}(?!\d)")),
    ("a social security number", re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")),
    ("a name", re.compile(r"[^\W\d_]{2}\^[^\W\d_]{2}")),
)
_TITLED = re.compile(
    r"\b(?:Mrs?|MRS?|Ms|MS|DR|Dr|PROF|Prof|Herrn?|HERR|Frau|FRAU|Mme|Monsieur|Madame|Sig\.|Patient(?:in)?:)\.? "
    r"([^\W\d_][\w'-]+)"
)
_LABELLED = re.compile(r"\s*[\"'<]?([^:=\"'<>\n]{1,39}?)[\"']?\s*[:=]\s*(?=\S)")
_DELIMITERS = "\t;,|"
_HEADS, _LONGEST_CELL = 40, 60
_NOTHING = frozenset({"", "n/a", "na", "nan", "none", "null", "-", "?", "unknown", "x"})
Row = tuple[int, list[str]]
_OF_DEVICES = ({"name", "type", "units"}, {"name", "x", "y", "z"}, {"name", "type", "source", "detector"})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a text that looks like an identity, and the line it stands on."""

    what: str
    line: int

    def placed(self, line: int) -> Finding:
        """The same on another line; 0 where lines say nothing."""
        return Finding(self.what, line)


def findings(text: str, *, tables: bool = True) -> list[Finding]:
    """All that looks like an identity in a text, at most one a line and kind, in the order of lines.

    `tables`: its lines may be rows, whose columns are called something.
    """
    lines = shown(text).splitlines()
    found = list(in_tables(lines)) if tables else []
    for number, line in enumerate(lines, 1):
        label = _LABELLED.match(line)
        if label and meaning(label[1].strip()).identifies:
            found.append(Finding("a value called like an identity", number))
        found += [Finding(what, number) for what in in_line(line)]
    return sorted(dict.fromkeys(found), key=lambda each: each.line)


def in_line(line: str) -> Iterator[str]:
    """What stretches of one line look like, each kind once."""
    if any(pattern.search(line) for pattern in _DATES):
        yield "something that looks like a date"
    if _BIRTH.search(line):
        yield "something that looks like a birth date"
    if any(is_uid(found[0]) for found in _UID.finditer(line)):
        yield "something that looks like a UID"
    for what, pattern in _LOOKS:
        if pattern.search(line):
            yield f"something that looks like {what}"
    if any(not _is_word(found[1]) for found in _TITLED.finditer(line)):
        yield "something that looks like a name with a title"


def is_uid(text: str) -> bool:
    """Whether dotted numbers are the UID of an object, and no version or address: one part has three digits or more."""
    return not text.startswith(_OWN_UIDS) and any(len(part) > 2 for part in text.split("."))


def _is_word(text: str) -> bool:
    """Whether a word that may be a name is a term: known, or not written as a name is."""
    return not text[:1].isupper() or all(allowed(fold(word)) for word in re.findall(r"[^\W_]+", text))


def in_tables(lines: Sequence[str]) -> Iterator[Finding]:
    """What the columns of the tables among some lines say of their values."""
    delimiter = delimiter_of(lines)
    if delimiter is not None:
        yield from in_rows(_rows(lines, delimiter))


def in_rows(rows: Sequence[Row]) -> Iterator[Finding]:
    """What the columns of tables say of their values. Takes the cells of each row, with its number."""
    heads = set()
    for (number, names), body in _blocks(rows):
        heads.add(number)
        devices = any(each <= {name.strip().casefold() for name in names} for each in _OF_DEVICES)
        for column, name in enumerate(names):
            values = [cells[column].strip() for _, cells in body if column < len(cells)]
            if _identifies(name, values, devices=devices):
                yield Finding("a column called like an identity", number)
            elif _is_dates(name, values):
                yield Finding("a column of dates", number)
    for number, cells in rows:
        if number not in heads and _is_pair(cells):
            yield Finding("a value called like an identity", number)


def _identifies(name: str, values: Iterable[str], *, devices: bool) -> bool:
    if not meaning(name.strip()).identifies or len(name) > _LONGEST_CELL:
        return False
    return not (devices and words_of(name) == ["name"] and all(map(is_label, values)))


_ELECTRODE = re.compile(
    r"(?i)(?:eeg|ecg|eog|emg|meg|ref|misc|ch|s|d|rx|tx|eog[lrhv]|[hv]eog|[a-z]{1,3}z|[a-z]{1,3})[ _-]?\d{0,3}[a-z]?"
)


def is_label(value: str) -> bool:
    """Whether a value names a channel: an electrode of the 10-20 system, a numbered sensor, known words."""
    return (
        value.casefold() in _NOTHING
        or bool(_ELECTRODE.fullmatch(value))
        or all(allowed(word, vocabulary()) for word in words_of(value))
    )


def _is_dates(name: str, values: Sequence[str]) -> bool:
    """Whether a column of whole numbers is one of compact dates: a number alone may be anything."""
    given = [value for value in values if value.casefold() not in _NOTHING]
    compact = [value for value in given if re.fullmatch(_COMPACT + r"(?:\d{6})?", value)]
    return bool(given) and (len(compact) == len(given) or (bool(compact) and meaning(name) is Meaning.DATE))


def delimiter_of(lines: Sequence[str]) -> str | None:
    """What parts the cells of a table; None where no two lines in a row have as many."""
    best, most = None, 1
    sample = [line for line in lines[:2000] if line.strip()]
    for delimiter in _DELIMITERS:
        counts = Counter(line.count(delimiter) for line in sample if delimiter in line)
        common = max(counts.values(), default=0)
        if common > most or (common == most == 1 and best is None and len(sample) <= 2):
            best, most = delimiter, common
    return best


def _rows(lines: Sequence[str], delimiter: str) -> list[Row]:
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    try:
        return [(number, next(csv.reader([line], delimiter=delimiter), [])) for number, line in filled]
    except csv.Error:
        return [(number, line.split(delimiter)) for number, line in filled]


def _blocks(rows: Sequence[Row]) -> Iterator[tuple[Row, Sequence[Row]]]:
    """Each row that names columns, with the rows below it: of many cells, without numbers, the first or after a gap."""
    begun = False
    for at, (number, cells) in enumerate(rows):
        gap = at == 0 or rows[at - 1][0] != number - 1 or len(rows[at - 1][1]) != len(cells)
        named = len(cells) > 1 and not any(map(_is_number, cells)) and all(len(cell) < _LONGEST_CELL for cell in cells)
        if named and (gap or not begun):
            begun = True
            yield (number, cells), rows[at + 1 :]


def _is_pair(cells: Sequence[str]) -> bool:
    """Whether a value's name stands before it in its row, as where a table lies on its side."""
    name = cells[0].strip()
    has_value = any(cell.strip().casefold() not in _NOTHING for cell in cells[1:])
    return has_value and len(name) < _LONGEST_CELL and fold(name) not in ("patient", "patients") and meaning(name).identifies


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().replace(",", "."))
    except ValueError:
        return False
    return True
