"""A statement that is asked for every file: compiled once, and run on the driver's own cursor.

SQLAlchemy's execution costs several times what SQLite needs to find a row by an index. What is run is what SQLAlchemy compiles,
so a condition that stands in an expression stands here too. May live here: compiling. Not: any statement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa


@dataclass(frozen=True, slots=True)
class _Compiled:
    """`names` are the parameters in the order of their places, None where the driver takes them by name.

    `rest` are those that the statement itself knows.
    """

    text: str
    names: Sequence[str] | None
    rest: Mapping[str, sa.BindParameter[Any]]


class Prepared:
    """A constant statement.

    Args:
        statement: reads; its values, if they are not its own, are named alike wherever it is run.
    """

    def __init__(self, statement: sa.Select[*tuple[Any, ...]]) -> None:
        self.statement = statement
        self._compiled: dict[str, _Compiled | None] = {}

    def on(self, dialect: sa.Dialect, values: Mapping[str, Any]) -> tuple[str, Any] | None:
        """Return text and parameters for a driver; None if only SQLAlchemy can run it there."""
        try:
            compiled = self._compiled[dialect.name]
        except KeyError:
            compiled = self._compiled[dialect.name] = _compile(self.statement, dialect, values)
        if compiled is None:
            return None
        if compiled.rest:
            values = {**{name: param.effective_value for name, param in compiled.rest.items()}, **values}
        if compiled.names is None:
            return compiled.text, values
        return compiled.text, [values[name] for name in compiled.names]


def _compile(statement: sa.Select[*tuple[Any, ...]], dialect: sa.Dialect, values: Mapping[str, Any]) -> _Compiled | None:
    found = statement.compile(dialect=dialect)
    if found.literal_execute_params or found.post_compile_params:
        return None
    # Types that are stored in another shape than they are given in need SQLAlchemy to turn them.
    if any(column.type.dialect_impl(dialect).result_processor(dialect, None) for column in statement.selected_columns):
        return None
    if any(param.type.dialect_impl(dialect).bind_processor(dialect) for param in found.binds.values()):
        return None
    rest = {name: param for name, param in found.binds.items() if name not in values}
    return _Compiled(found.string, found.positiontup if dialect.positional else None, rest)
