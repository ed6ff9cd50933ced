"""One row in every table of a catalogue, whatever its revision: by reflection, so that it fits old shapes too."""

from typing import Any

import sqlalchemy as sa

_WORDS = {"role": "limited", "state": "open"}


def tables(connection: sa.Connection) -> list[sa.Table]:
    """Return the catalogue's tables as they are in the database, parents first."""
    found = sa.MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def fill(connection: sa.Connection) -> None:
    """Put row 1 into every table."""
    for table in tables(connection):
        connection.execute(table.insert().values(row(table)))


def row(table: sa.Table) -> dict[str, object]:
    """Return something for every column; what refers to another table refers to its row 1."""
    return {column.name: _value(column) for column in table.columns}


def contents(connection: sa.Connection) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table."""
    return {table.name: [dict(row._mapping) for row in connection.execute(table.select())] for table in tables(connection)}


def _value(column: sa.Column[Any]) -> object:
    if isinstance(column.type, sa.LargeBinary):
        return b"\x01" * 16
    if isinstance(column.type, sa.Integer):
        return 1
    if isinstance(column.type, sa.Float):
        return 1.5
    return _WORDS.get(column.name, "x")
