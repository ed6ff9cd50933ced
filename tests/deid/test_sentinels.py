"""Nothing planted survives: one test for each hiding place, in both encodings and by both engines."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

import deid
from tests.deid.hiding import MARK, PLACES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPTIONS = [
    "[]",
    '["full_dates"]',
    '["modified_dates"]',
    '["safe_private", "clean_desc", "clean_struct", "clean_graph", "patient_chars"]',
]


def spellings(mark: str) -> list[bytes]:
    return [mark[:n].lower().encode(codec) for n in (len(mark), 4) for codec in ("utf-8", "utf-16-le", "utf-16-be")]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("place", PLACES)
def test_nothing_planted_survives(mr: Dataset, saved: Callable[..., Path], place: str, syntax: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        PLACES[place](mr)
        path = saved(mr, syntax)
    assert MARK[:4].encode() in path.read_bytes()
    seen = set()
    for engine in ("fast", "safe"):
        out = io.BytesIO()
        cleaner = deid.Cleaner(deid.load_profile(None), b"k" * 32, "A", "E001", engine=engine)
        report = cleaner.clean(path, out)
        text = out.getvalue().lower() + (repr(report) + repr(report.actions)).lower().encode()
        assert not [s for s in spellings(MARK) if s in text]
        seen.add(out.getvalue())
    assert len(seen) == 1


@pytest.mark.parametrize("options", OPTIONS)
def test_nothing_survives_in_any_option_set(mr: Dataset, saved: Callable[..., Path], options: str) -> None:
    profile = deid.load_profile(f"schema = 1\noptions = {options}\n")
    left = []
    for place, plant in PLACES.items():
        ds = Dataset()
        ds.update(mr)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plant(ds)
            path = saved(ds)
        out = io.BytesIO()
        deid.Cleaner(profile, b"k" * 32, "A", "E001").clean(path, out)
        if any(s in out.getvalue().lower() for s in spellings(MARK)):
            left.append(place)
    assert not left


def test_there_are_hiding_places_enough() -> None:
    assert len(PLACES) >= 200


@pytest.mark.parametrize("engine", ["fast", "safe"])
def test_preamble_meta_and_tail_do_not_pass(mr: Dataset, saved: Callable[..., Path], engine: str) -> None:
    path = saved(mr)
    data = bytearray(path.read_bytes())
    data[: len(MARK)] = MARK.encode()
    path.write_bytes(bytes(data))
    out = io.BytesIO()
    deid.Cleaner(deid.load_profile(None), b"k" * 32, "A", "E001", engine=engine).clean(path, out)
    assert MARK.encode() not in out.getvalue()
    assert out.getvalue()[:128] == bytes(128)
    assert b"35162" not in out.getvalue()
