"""Masks a file by a profile's text and reads the result."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from pydicom import Dataset, dcmread

import deid

if TYPE_CHECKING:
    from pathlib import Path

KEY = b"k" * 32
HEAD = 'schema = 1\noptions = ["modified_dates"]\n'
BLANK = HEAD + '[[mask]]\nRows = "*"\nblank = [[2, 1, 5, 3]]\n'
"""The pixels of columns 2 to 6 in rows 1 to 3, in any picture."""


def run(path: Path, profile: str, engine: str = "fast", *, approved: bool = False) -> tuple[Dataset, deid.Report, bytes]:
    out = io.BytesIO()
    cleaner = deid.Cleaner(deid.load_profile(profile), KEY, "A", "E001", engine=engine, pixels_approved=approved)
    try:
        report = cleaner.clean(path, out)
    except deid.DeidError:
        assert out.getvalue() == b""
        raise
    return read(io.BytesIO(out.getvalue())), report, out.getvalue()


def read(source: Path | io.BytesIO) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dcmread(source, force=True)
