"""A question as a tree of frozen values; `str` writes it as it is typed, and reading that gives the same tree."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from catalog.pure.query.fields import Kind, QueryField

Literal: TypeAlias = float | str
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
WORDS = frozenset({"and", "or", "not", "in", "like", "has"})


@dataclass(frozen=True, slots=True)
class Compare:
    """`field operator value`."""

    field: QueryField
    operator: str
    value: Literal

    def __str__(self) -> str:
        return f"{_name(self.field)} {self.operator} {_written(self.field, self.value)}"


@dataclass(frozen=True, slots=True)
class In:
    """`field in (value, …)`."""

    field: QueryField
    values: tuple[Literal, ...]

    def __str__(self) -> str:
        return f"{_name(self.field)} in ({', '.join(_written(self.field, value) for value in self.values)})"


@dataclass(frozen=True, slots=True)
class Like:
    """`field like "pattern"`: % stands for anything, _ for one character; capitals of A to Z count as small letters."""

    field: QueryField
    pattern: str
    contains: bool = False

    def __str__(self) -> str:
        return f"{_name(self.field)} {'~' if self.contains else 'like'} {_quoted(self.pattern)}"


@dataclass(frozen=True, slots=True)
class Has:
    """`has field`: the file has it at all."""

    field: QueryField

    def __str__(self) -> str:
        return f"has {_name(self.field)}"


@dataclass(frozen=True, slots=True)
class Not:
    """`not part`."""

    part: "Node"

    def __str__(self) -> str:
        return f"not {_inner(self.part)}"


@dataclass(frozen=True, slots=True)
class And:
    """`part and part …`, two at least."""

    parts: tuple["Node", ...]

    def __str__(self) -> str:
        return " and ".join(map(_inner, self.parts))


@dataclass(frozen=True, slots=True)
class Or:
    """`part or part …`, two at least."""

    parts: tuple["Node", ...]

    def __str__(self) -> str:
        return " or ".join(map(_inner, self.parts))


Node: TypeAlias = Compare | In | Like | Has | Not | And | Or


def fields_of(node: Node) -> Iterator[QueryField]:
    """Yield every field that is asked for, as often as it is."""
    if isinstance(node, Not):
        yield from fields_of(node.part)
    elif isinstance(node, And | Or):
        for part in node.parts:
            yield from fields_of(part)
    else:
        yield node.field


def _inner(node: Node) -> str:
    return f"({node})" if isinstance(node, And | Or) else str(node)


def _name(field: QueryField) -> str:
    plain = _PLAIN.fullmatch(field.name) and field.name.lower() not in WORDS
    return field.name if plain else f"`{field.name}`"


def _written(field: QueryField, value: Literal) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if field.kind is Kind.MOMENT:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)).isoformat()[:19]
    return repr(value).removesuffix(".0")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
