"""What a question means, on the values of one file. However a database answers it, this is what must come out.

A comparison with what a file does not have, or of a number with text, is false, also `!=`.
So `not` always turns an answer round.

Where a file has several values, one value in a question is compared with each, and one that fits is enough, as in C-FIND
(PS3.4 C.2.2.2.1); a list in a question is compared with the whole list, as numbers where both are.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any, TypeAlias

from catalog.pure.query.fields import QueryField
from catalog.pure.query.nodes import And, Compare, Has, In, Like, Node, Not, Or
from catalog.pure.query.values import BETWEEN, parts

Value: TypeAlias = float | str | None
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def matches(node: Node, values: Mapping[str, Value]) -> bool:
    """Whether a file with these values, by name of field, is an answer."""
    if isinstance(node, And):
        return all(matches(part, values) for part in node.parts)
    if isinstance(node, Or):
        return any(matches(part, values) for part in node.parts)
    if isinstance(node, Not):
        return not matches(node.part, values)
    value = values.get(node.field.name)
    if isinstance(node, Has):
        return value is not None
    if isinstance(node, Compare):
        return _compared(node.field, value, node.operator, node.value)
    if isinstance(node, In):
        return any(_compared(node.field, value, "=", each) for each in node.values)
    candidates = [value, *(parts(node.field, value) or ())]
    return any(isinstance(each, str) and _expression(node).fullmatch(lower(each)) is not None for each in candidates)


def lower(text: str) -> str:
    """Return text with A to Z made small, and nothing else: what every database can do alike."""
    return text.translate(_LOWER)


def like_pattern(node: Like) -> str:
    r"""Return the pattern as LIKE takes it, in small letters, with `\` as its escape."""
    pattern = node.pattern.replace("\\", "\\\\")
    if node.contains:
        pattern = "%" + pattern.replace("%", "\\%").replace("_", "\\_") + "%"
    return lower(pattern)


def _compared(field: QueryField, value: Value, operator: str, literal: float | str) -> bool:
    holds, several = _OPERATORS[operator], parts(field, value)
    if several is None:
        return _comparable(value, literal) and holds(value, literal)
    if isinstance(literal, str) and BETWEEN in literal:
        wanted = parts(field, literal)
        if operator in {"=", "!="} and all(isinstance(each, float) for each in [*several, *(wanted or ())]):
            return holds(several, wanted)
        return holds(value, literal)
    return any(_comparable(each, literal) and holds(each, literal) for each in several)


def _comparable(value: Value, literal: float | str) -> bool:
    return value is not None and isinstance(value, str) == isinstance(literal, str)


@lru_cache(maxsize=64)
def _expression(node: Like) -> re.Pattern[str]:
    signs = {"%": ".*", "_": "."} if not node.contains else {}
    body = "".join(signs.get(sign) or re.escape(sign) for sign in lower(node.pattern))
    return re.compile(f".*{body}.*" if node.contains else body, re.DOTALL)
