r"""Fields of several values, which are kept as DICOM writes them, `1\1` (PS3.5 6.4): as lists, and typed for programs. Pure."""

import re
from typing import TypeAlias

from catalog.pure.query.fields import Kind, QueryField

BETWEEN = "\\"
Single: TypeAlias = int | float | str | None
Typed: TypeAlias = Single | list[Single]
_NUMBER = re.compile(r"\s*[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?\s*")


def parts(field: QueryField, value: float | str | None) -> list[float | str | None] | None:
    r"""Return the values of a list, None for one that is empty; None if the value is no list.

    They are numbers if the field may have numbers and all that are not empty are: `1\1` is [1.0, 1.0].
    """
    if not field.multiple or not isinstance(value, str) or BETWEEN not in value:
        return None
    texts = [text.strip() for text in value.split(BETWEEN)]
    if field.kind in {Kind.NUMBER, Kind.ANY} and all(_NUMBER.fullmatch(text) for text in texts if text):
        return [float(text) if text else None for text in texts]
    return [text or None for text in texts]


def typed(field: QueryField, value: float | str | None) -> Typed:
    """Return a value as programs want it: whole numbers as integers, several values as a list.

    Numbers of private elements, whose type nobody knows, are integers where they are whole.
    """
    found = parts(field, value)
    return [_single(field, each) for each in found] if found is not None else _single(field, value)


def _single(field: QueryField, value: float | str | None) -> Single:
    whole = isinstance(value, float) and value.is_integer() and (field.whole or field.kind is Kind.ANY)
    return int(value) if whole and value is not None else value
