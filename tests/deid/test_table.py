"""The shipped table E.1-1 against the reference, row by row, and what combined codes come to."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import deid
from deid.rules import explain, table

REFERENCE = Path(os.environ.get("ARCHIMED_SHARED", Path(__file__).parents[3] / "shared")) / "reference/ps3.15-e1-1-2026c.json"
# Differences that are meant, each with its reason. Empty: every row is the reference's.
EXPLAINED: dict[str, str] = {}


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference is not beside this checkout")
def test_every_row_is_the_reference_s() -> None:
    reference = json.loads(REFERENCE.read_text())["rows"]
    ours = table.load("2026c")
    differing = {
        tag: (reference.get(tag), ours.get(tag))
        for tag in reference.keys() | ours.keys()
        if tag not in reference
        or tag not in ours
        or (reference[tag]["basic"], reference[tag]["options"]) != (ours[tag].basic, dict(ours[tag].options))
    }
    assert differing.keys() == EXPLAINED.keys(), differing


def test_the_table_is_whole() -> None:
    rows = table.load("2026c")
    assert len(rows) == 656
    counts: dict[str, int] = {}
    for row in rows.values():
        counts[row.basic] = counts.get(row.basic, 0) + 1
    expected = {"X": 416, "D": 93, "U": 55, "Z": 42, "X/D": 23, "X/Z": 11, "X/Z/D": 8, "Z/D": 6, "X/Z/U*": 2}
    assert counts == expected
    assert {option for row in rows.values() for option in row.options} == set(table.OPTIONS)


@pytest.mark.parametrize(
    ("code", "kind", "action"),
    [
        ("X/Z", "2", "Z"),
        ("X/Z", None, "X"),
        ("X/D", "1", "D"),
        ("X/D", "1C", "D"),
        ("X/D", "3", "X"),
        ("X/Z/D", "2C", "Z"),
        ("Z/D", "1", "D"),
        ("Z/D", "3", "Z"),
        ("X/Z/U*", "3", "C"),
        ("U", "1", "U"),
    ],
)
def test_combined_codes_resolve_by_type(code: str, kind: str | None, action: str) -> None:
    assert table.resolve(code, kind) == action


def test_types_differ_by_sop_class() -> None:
    enhanced, plain = (
        table.attribute_types()["1.2.840.10008.5.1.4.1.1.4.1"],
        table.attribute_types()["1.2.840.10008.5.1.4.1.1.4"],
    )
    assert enhanced[0x00080023] == "1"
    assert plain[0x00080023] == "2C"


def test_the_page_of_what_stays_and_goes_is_made_from_the_rules() -> None:
    """`python -m deid.rules.explain > docs/deidentification-table.md` brings it back into step."""
    page = Path(__file__).parents[2] / "docs" / "deidentification-table.md"
    assert page.read_text("utf-8") == explain.page(deid.load_profile(None))
