"""Packing: what goes in comes out, what is the same is told once, and files that come later join."""

import json

from hypothesis import given
from hypothesis import strategies as st

from catalog.metadata.columns import Columns, Spread, Summary, joined, pack, storable, summary, unpack

texts = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=5)
values = st.none() | texts | st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0)
columns = st.lists(values, min_size=1, max_size=6)


@st.composite
def tables(draw: st.DrawFn, start: int = 1) -> Columns:
    rows = sorted(draw(st.sets(st.integers(start, start + 10**6), min_size=1, max_size=6)))
    fields = draw(st.sets(st.integers(1, 50), max_size=4))
    return Columns(tuple(rows), {field: draw(st.lists(values, min_size=len(rows), max_size=len(rows))) for field in fields})


@given(tables())
def test_what_is_packed_comes_out(table: Columns) -> None:
    assert unpack(pack(table)) == table


@given(columns)
def test_a_summary_is_true_of_every_value(column: list[float | str | None]) -> None:
    found = summary(column)
    if found is None:
        assert set(column) == {None}
        return
    numbers = [value for value in column if isinstance(value, float)]
    assert (found.low, found.high) == (min(numbers, default=None), max(numbers, default=None))
    assert (found.spread == Spread.SAME) == (len(set(column)) == 1)
    if found.spread == Spread.SAME:
        assert found.value == column[0]
    if found.spread == Spread.NUMBERS:
        assert len(numbers) == len(column)


@given(tables(), tables(start=2 * 10**6))
def test_files_that_come_later_join(before: Columns, new: Columns) -> None:
    """However the earlier ones were kept: as columns, or once for all."""
    same = {field: found.value for field, column in before.fields.items()
            if (found := summary(column)) and found.spread == Spread.SAME}  # fmt: skip
    differing = Columns(before.rows, {field: column for field, column in before.fields.items() if field not in same})
    both = joined(differing, same, new)
    assert both.rows == before.rows + new.rows
    nothing = [None] * len(before.rows), [None] * len(new.rows)
    for field, column in both.fields.items():
        assert column == [*before.fields.get(field, nothing[0]), *new.fields.get(field, nothing[1])]


@given(st.none() | st.text() | st.integers() | st.floats() | st.lists(st.integers()))
def test_what_can_be_stored_is_json_and_stays_what_it_is(value: object) -> None:
    kept = storable(value)
    assert storable(kept) == kept
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept
    assert not isinstance(kept, str) or (kept.isprintable() and 0 < len(kept) <= 256)


def test_a_series_of_twenty_thousand_takes_little() -> None:
    rows = tuple(range(9_000_000, 9_020_000))
    table = Columns(rows, {7: [float(number) for number in range(1, 20_001)], 8: [float(100 + n % 3) for n in range(20_000)]})
    assert len(pack(table)) < 4 * len(rows)


def test_one_number_for_all_is_its_low_and_high() -> None:
    assert summary([3.0, 3.0]) == Summary(Spread.SAME, 3.0, 3.0)
    assert summary(["a"]) == Summary(Spread.SAME, None, None, "a")
    assert summary([3.0, "a"]) == Summary(Spread.MIXED, 3.0, 3.0)
