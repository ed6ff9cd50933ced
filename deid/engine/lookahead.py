"""What the fast engine has to know of a data set before it copies it: its codes, and whether values fit. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid.engine.nodes import ITEM, ITEM_END, LUTS, UNDEFINED, lut_bytes
from deid.rules import codes, fitting

if TYPE_CHECKING:
    from deid.engine.scan import Headers


def fits(data: memoryview, vr: str, value: int, length: int) -> bool:
    """Whether numbers are numbers (see `rules.fitting`). What begins and goes on as no text does is not read whole."""
    width = fitting.WIDTHS.get(vr)
    if width is None:
        return vr not in ("OB", "UN") or length < fitting.SHORTEST or not _is_written(data, vr, value, length)
    return not length % width and (length < fitting.SHORTEST or not _is_written(data, vr, value, length))


def _is_written(data: memoryview, vr: str, value: int, length: int) -> bool:
    if not (32 <= data[value] < 127 and 32 <= data[value + 2] < 127 and 32 <= data[value + 4] < 127):
        return False
    return fitting.is_written(vr, bytes(data[value : value + length]))


def lut_fits(headers: Headers, at: int, end: int, tag: int, length: int) -> bool:
    """Whether a table is no longer than its description, which stands between `at` and `end` in its data set, says."""
    while at < end:
        found, vr, value, size = headers.element(at, end)
        if found == LUTS[tag]:
            return length <= lut_bytes(bytes(headers.data[value : value + size]), little=True)
        at = headers.skip(value, size, end) if vr == "SQ" else value + size
    return False


def code(headers: Headers, at: int, end: int, length: int) -> dict[int, bytes]:
    """The elements of a data set that make it a code (they come first in an item); `length`: of its item."""
    values: dict[int, bytes] = {}
    while at + 8 <= end and (length != UNDEFINED or headers.item(at, end)[0] != ITEM_END):
        tag, vr, value, size = headers.element(at, end)
        if tag > codes.LAST:
            break
        if vr == "SQ":
            at = headers.skip(value, size, end)
            continue
        if tag in codes.ELEMENTS:
            values[tag] = bytes(headers.data[value : value + size])
        at = value + size
    return values


def first_code(headers: Headers, at: int, length: int) -> dict[int, bytes]:
    """The code that is the first item of a sequence."""
    if not length:
        return {}
    end = headers.end if length == UNDEFINED else at + length
    item, size = headers.item(at, end)
    return code(headers, at + 8, end if size == UNDEFINED else at + 8 + size, size) if item == ITEM else {}
