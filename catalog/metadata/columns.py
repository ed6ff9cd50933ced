"""Metadata of a series' files: what is the same in all is kept once, the rest is packed, a column a field. Pure.

A packed series is JSON, compressed: `[first row and steps of the files' rows, {field: [value, ...]}]`. Columns of whole numbers
that mostly grow by one compress to little; so do times and repeated text.
"""

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from catalog.pure.query import Value

LONGEST_TEXT = 256
Column = list[Value]


class Spread:
    """How a field's values lie in a series."""

    SAME, NUMBERS, MIXED = range(3)


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of a field in a series without looking at its files."""

    spread: int
    low: float | None = None
    high: float | None = None
    text: str | None = None

    @property
    def value(self) -> Value:
        """The one value of all files, if there is one."""
        return None if self.spread != Spread.SAME else self.text if self.text is not None else self.low


@dataclass(frozen=True, slots=True)
class Columns:
    """The values of a series' files: `rows` are the files, `fields` a column a field, as long as `rows`."""

    rows: tuple[int, ...]
    fields: Mapping[int, Column]


def storable(value: object) -> Value:
    """Return a value as it is kept: a finite number as a double, text that can be shown and is not too long; else None."""
    if isinstance(value, str):
        text = value.strip()
        return text if 0 < len(text) <= LONGEST_TEXT and text.isprintable() else None
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number + 0.0 if math.isfinite(number) else None  # + 0.0: minus zero is zero


def summary(column: Sequence[Value]) -> Summary | None:
    """Return what is the same or common in a column; None if no file has a value."""
    numbers = [value for value in column if isinstance(value, float)]
    low, high = min(numbers, default=None), max(numbers, default=None)
    first = column[0]
    if first is not None and all(value == first for value in column):
        return Summary(Spread.SAME, low, high, first if isinstance(first, str) else None)
    if len(numbers) == len(column):
        return Summary(Spread.NUMBERS, low, high)
    return Summary(Spread.MIXED, low, high) if any(value is not None for value in column) else None


def pack(columns: Columns) -> bytes:
    """Return columns as they are stored."""
    steps = [*columns.rows[:1], *(after - before for before, after in pairwise(columns.rows))]
    values = {str(field): [_short(value) for value in column] for field, column in columns.fields.items()}
    return zlib.compress(json.dumps([steps, values], separators=(",", ":"), ensure_ascii=False).encode(), 6)


def unpack(packed: bytes) -> Columns:
    """Return what `pack` was given."""
    steps, values = json.loads(zlib.decompress(packed))
    fields = {int(field): [float(v) if isinstance(v, int) else v for v in column] for field, column in values.items()}
    return Columns(tuple(accumulate(steps)), fields)


def joined(before: Columns, same: Mapping[int, Value], new: Columns) -> Columns:
    """Return the columns of files that were there and new ones together.

    Args:
        before: the files that were there, with what differs between them.
        same: what all of those have.
        new: the new files, with all their values.
    """
    fields = {}
    for field in {*before.fields, *same, *new.fields}:
        old = before.fields.get(field) or [same.get(field)] * len(before.rows)
        fields[field] = [*old, *(new.fields.get(field) or [None] * len(new.rows))]
    order = sorted(range(len(before.rows) + len(new.rows)), key=(rows := (*before.rows, *new.rows)).__getitem__)
    return Columns(tuple(rows[at] for at in order), {field: [column[at] for at in order] for field, column in fields.items()})


def _short(value: Value) -> Value | int:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value
