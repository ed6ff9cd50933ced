"""Records as CSV for spreadsheets (RFC 4180)."""

import csv
import io
from collections.abc import Iterable

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_line(cells: Iterable[str]) -> str:
    """Return a line of CSV with its end. What a spreadsheet would calculate gets an apostrophe before it."""
    written = io.StringIO()
    csv.writer(written).writerow(["'" + cell if cell.startswith(_FORMULA) else cell for cell in cells])
    return written.getvalue()
