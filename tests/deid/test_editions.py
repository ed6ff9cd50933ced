"""Editions of table E.1-1: those shipped, one of a site's own, and what a table must be to be used."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

import deid
from deid.rules import table
from deid.rules.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MR = "1.2.840.10008.5.1.4.1.1.4"
ETHNIC_GROUPS = 0x00102162  # new since 2024b: listed in 2026c, and by its VR before


def policy(edition: str | None) -> Policy:
    return Policy(deid.load_profile(f'schema = 1\nstandard = "{edition}"\n' if edition else "schema = 1\n"), MR)


@pytest.mark.parametrize("edition", table.editions())
def test_every_shipped_table_is_in_order_and_says_where_it_is_from(edition: str) -> None:
    rows, problems = table.parse(table.data_text(f"e1-1-{edition}.txt"))
    assert not problems
    assert rows == table.load(edition)
    assert "Provenance" in table.provenance(edition)


def test_the_table_of_2024b_is_whole() -> None:
    rows = table.load("2024b")
    assert len(rows) == 621
    counted = {"X": 384, "D": 92, "U": 54, "Z": 42, "X/D": 22, "X/Z": 11, "X/Z/D": 8, "Z/D": 6, "X/Z/U*": 2}
    assert Counter(row.basic for row in rows.values()) == counted
    assert {option for row in rows.values() for option in row.options} == set(table.OPTIONS)
    newer = table.load("2026c")
    assert rows.keys() < newer.keys()
    assert not [tag for tag in rows if rows[tag] != newer[tag]]  # two sources, one standard


def test_a_profile_pins_an_edition() -> None:
    assert policy("2024b").standard(0x00080050, "SH").rule == "2024b Z"
    assert policy("2026c").standard(0x00080050, "SH").rule == "2026c Z"
    assert policy("2024b").standard(ETHNIC_GROUPS, "UC").rule == "unlisted UN"  # the dictionary does not know it either
    assert policy("2026c").standard(ETHNIC_GROUPS, "UC").rule == "2026c X"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """A site's package with a table of its own for the edition 2031a, installed."""
    folder = tmp_path / "site"

    def install(text: str) -> Path:
        (folder / "tables_of_a_site").mkdir(parents=True)
        (folder / "tables_of_a_site/__init__.py").touch()
        (folder / "tables_of_a_site/e1-1-2031a.txt").write_text(text)
        info = folder / "tables-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tables\nVersion: 1.0\n")
        entries = "[archimed.deid.editions]\n2031a = tables_of_a_site\n2026c = tables_of_a_site\n"
        (info / "entry_points.txt").write_text(entries)
        monkeypatch.syspath_prepend(str(folder))
        return folder / "tables_of_a_site/e1-1-2031a.txt"

    caches = (table._texts, table.load, deid.load_profile)
    for cache in caches:
        cache.cache_clear()
    yield install
    for cache in caches:
        cache.cache_clear()
    sys.modules.pop("tables_of_a_site", None)


def test_a_site_adds_an_edition_and_changes_none(site: Callable[[str], Path]) -> None:
    shipped = table.data_text("e1-1-2026c.txt")
    site("# Provenance: made up.\n" + shipped.replace("00080050\tSH\tZ", "00080050\tSH\tX"))
    assert table.editions() == ("2024b", "2026c", "2031a")
    assert policy("2031a").standard(0x00080050, "SH").action == "X"
    assert policy("2026c").standard(0x00080050, "SH").action == "Z"
    assert table.provenance("2031a").startswith("Provenance: made up.")
    assert policy(None).standard(0x00080050, "SH").rule == f"{table.DEFAULT} Z"  # what pins nothing is not moved


def test_a_table_that_cannot_be_used_is_a_problem_of_the_profile(site: Callable[[str], Path]) -> None:
    file = site("00080050\tSH\tZ\t-\tAccession Number\n")
    with pytest.raises(deid.ProfileError, match="line 2: the table of edition 2031a: 1 rows"):
        policy("2031a")
    file.unlink()
    table.load.cache_clear()
    with pytest.raises(deid.ProfileError, match="line 2: the table of edition 2031a cannot be read"):
        policy("2031a")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("00080050\tSH\tZ\t-", "line 1: 4 columns"),
        ("0008005G\tSH\tZ\t-\tx", "line 1: '0008005G' is no tag"),
        ("00080050\tsh\tZ\t-\tx", "line 1: 'sh' is no VR"),
        ("00080050\tSH\tK\t-\tx", "line 1: 'K' is no code of the basic profile"),
        ("00080050\tSH\tZ\tdates=K\tx", "line 1: 'dates' is none of the options"),
        ("00080050\tSH\tZ\tdevice=X\tx", "line 1: device = 'X' is neither K nor C"),
        ("00080050\tSH\tZ\t-\tx\n00080050\tSH\tX\t-\tx", "line 2: 00080050 was there before"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_by_line(line: str, problem: str) -> None:
    _, problems = table.parse(line + "\n")
    assert problems[0].startswith(problem)
