"""Writing metadata into the catalogue, in the transaction that makes the files. Used by what publishes, and by `refill`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from catalog.database.tables import bin_files, fields, files, series_columns, series_values
from catalog.metadata.columns import Column, Columns, Spread, joined, pack, storable, summary, unpack
from catalog.metadata.known import find
from catalog.pure.query import Value

# These have columns of their own, are said by the series' place, or are different in each file and of no use in a question.
_ELSEWHERE = frozenset({"SOPInstanceUID", "SeriesNumber", "SeriesDescription", "AcquisitionDateTime", "FileType"})


@dataclass(frozen=True, slots=True)
class Prepared:
    """What some files of a series say, before they have rows: fields that are equal in all, and a column for each other."""

    same: Mapping[str, Value]
    varying: Mapping[str, Column]


def prepare(values: Iterable[Mapping[str, object]]) -> Prepared:
    """Return what files hold, ready to be kept: reading takes long, and is done before the transaction.

    Args:
        values: what each file holds by name of field. Taken one after the other.
    """
    columns = _columns(values)
    same = {name: column[0] for name, column in columns.items() if all(value == column[0] for value in column)}
    return Prepared(same, {name: column for name, column in columns.items() if name not in same})


def keep(connection: sa.Connection, series_id: int, rows: Sequence[int], prepared: Prepared) -> None:
    """Keep the metadata of files that were added to a series.

    Args:
        rows: the files' rows, in rising order; their metadata were prepared in this order.
    """
    numbers = field_ids(connection, sorted([*prepared.same, *prepared.varying]))
    columns = {numbers[name]: [value] * len(rows) for name, value in prepared.same.items()}
    columns |= {numbers[name]: column for name, column in prepared.varying.items()}
    before, same = _before(connection, series_id, set(rows))
    _write(connection, series_id, joined(before, same, Columns(tuple(rows), columns)))


def _columns(values: Iterable[Mapping[str, object]]) -> dict[str, Column]:
    """Return a column a field; equal values are one object, for most are equal."""
    count = 0
    columns: dict[str, Column] = {}
    known: dict[Value, Value] = {}
    for each in values:
        for name, value in each.items():
            if name not in _ELSEWHERE and (kept := storable(value)) is not None:
                column = columns.setdefault(name, [])
                column += [None] * (count - len(column))
                column.append(known.setdefault(kept, kept))
        count += 1
    for column in columns.values():
        column.extend([None] * (count - len(column)))
    # A profile may name an element by its tag, or a private one in small letters; questions know it by one name.
    return {field.name if (field := find(name)) else name: column for name, column in columns.items()}


def forget(connection: sa.Connection, series: Iterable[int]) -> None:
    """Remove all metadata of some series."""
    chosen = list(series)
    for table in (series_values, series_columns):
        connection.execute(table.delete().where(table.c.series_id.in_(chosen)))


def field_ids(connection: sa.Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the row of each field, made where it is new."""
    wanted = list(names)
    found = _fields(connection, wanted)
    if missing := [name for name in wanted if name not in found]:
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        rows = [{"name": name, "indexed": 0} for name in missing]
        connection.execute(insert(fields).on_conflict_do_nothing(), rows)
        found |= _fields(connection, missing)
    return found


def _fields(connection: sa.Connection, names: list[str]) -> dict[str, int]:
    found = connection.execute(sa.select(fields.c.name, fields.c.id).where(fields.c.name.in_(names)))
    return {row.name: row.id for row in found}


def _before(connection: sa.Connection, series_id: int, new: set[int]) -> tuple[Columns, dict[int, Value]]:
    """Return what is kept of the files that were there: what differs, and what is the same in all."""
    # What lies in the bin may come back.
    there = connection.execute(
        sa.union(
            sa.select(files.c.id).where(files.c.series_id == series_id),
            sa.select(bin_files.c.row_id).where(bin_files.c.series_id == series_id),
        )
    ).scalars()
    rows = tuple(sorted(set(there) - new))
    packed = connection.execute(sa.select(series_columns.c.packed).where(series_columns.c.series_id == series_id)).scalar()
    before = Columns(rows, {})
    if packed is not None:
        kept = unpack(packed)
        place = {row: at for at, row in enumerate(kept.rows)}
        before = Columns(
            rows,
            {field: [column[place[row]] if row in place else None for row in rows] for field, column in kept.fields.items()},
        )
    columns = series_values.c
    found = connection.execute(
        sa.select(columns.field_id, columns.low, columns.text).where(
            columns.series_id == series_id, columns.spread == Spread.SAME
        )
    )
    return before, {row.field_id: row.text if row.text is not None else row.low for row in found}


def _write(connection: sa.Connection, series_id: int, columns: Columns) -> None:
    summaries = {field: found for field, column in columns.fields.items() if (found := summary(column)) is not None}
    varying = {field: columns.fields[field] for field, found in summaries.items() if found.spread != Spread.SAME}
    forget(connection, [series_id])
    if summaries:
        connection.execute(
            series_values.insert(),
            [
                {
                    "series_id": series_id, "field_id": field, "spread": found.spread, "low": found.low, "high": found.high,
                    "text": found.text,
                }
                for field, found in sorted(summaries.items())
            ],
        )  # fmt: skip
    if varying:
        packed = pack(Columns(columns.rows, dict(sorted(varying.items()))))
        connection.execute(series_columns.insert().values(series_id=series_id, packed=packed))
