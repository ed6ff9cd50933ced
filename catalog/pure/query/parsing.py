"""From text to a question, by recursive descent. Every error says where, and what would do.

    question   := and-part ("or" and-part)*
    and-part   := not-part ("and" not-part)*
    not-part   := "not" not-part | "(" question ")" | "has" field | condition
    condition  := field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
                | field ["not"] "in" "(" value ("," value)* ")" | field ["not"] "like" text | field "~" text
    field      := letters, digits and underscores, in any case | anything between backquotes
    value      := number [unit] | text between quotes, which are doubled within | 2008-03-12 | 2008-03-12T10:15[:00]

`not` binds closer than `and`, `and` closer than `or`. Text beyond the limits below is refused, so that no question is dear.
"""

import difflib
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from catalog.pure.errors import Invalid
from catalog.pure.query.fields import UNITS, Kind, Known, QueryField, converted, units_like
from catalog.pure.query.nodes import COMPARISONS, And, Compare, Has, In, Like, Literal, Node, Not, Or
from catalog.pure.query.values import BETWEEN, parts

LONGEST = 10_000
_MOST_CONDITIONS = 200
_MOST_VALUES = 200
_DEEPEST = 40
_SHOWN = 30
_TOKEN = re.compile(
    r"""\s*(?:(?P<moment>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?Z?)?(?![\w.-]))
    |(?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)
    |(?P<text>"(?:[^"]|"")*"|'(?:[^']|'')*')
    |(?P<field>`[^`]+`)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign><=|>=|!=|<>|==|=|<|>|~|\(|\)|,|/)
    )""",
    re.VERBOSE,
)
_SAME = {"==": "=", "<>": "!="}
_UNSHOWABLE = re.compile("[\0-\x1f\x7f\ud800-\udfff]")
_COMPACT_DATE = re.compile(r"(\d{4})(-?)(\d\d)\2(\d\d)")
_EPOCH, _SECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(seconds=1)
# How many seconds a time stands for, by the length of its text: a day, a minute, a second.
_LENGTHS = {len("2008-03-12"): 86_400, len("2008-03-12T10:15"): 60, len("2008-03-12T10:15:00"): 1}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


_END = "end"


def parse(text: str, known: Known) -> Node:
    """Return the question that a text asks.

    Raises:
        Invalid: it asks none; the message says where and why.
    """
    if len(text) > LONGEST:
        raise Invalid(f"the question is longer than {LONGEST} characters")
    if found := _UNSHOWABLE.search(text.replace("\n", " ").replace("\t", " ")):
        raise Invalid(f"{_place(found.start())}a character that is no text")
    parser = _Parser(_tokens(text), known)
    if parser.peek().kind == _END:
        raise Invalid('the question is empty; for example: file_type = "DCM_MR" and EchoTime > 80 ms')
    node = parser.any_of(0)
    parser.expect_end()
    return node


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            what = {'"': "a quote that is not closed", "'": "a quote that is not closed", "`": "a backquote that is not closed"}
            raise Invalid(f"{_place(start)}{what.get(text[start], 'something that is no part of a question')}")
        kind = found.lastgroup or ""
        tokens.append(_Token(kind, found[kind], found.start(kind)))
        at = found.end()
    tokens.append(_Token(_END, "", len(text)))
    return tokens


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[_Token], known: Known) -> None:
        self._tokens = tokens
        self._known = known
        self._at = 0
        self._conditions = 0

    def peek(self) -> _Token:
        return self._tokens[self._at]

    def any_of(self, depth: int) -> Node:
        parts = [self._all_of(depth)]
        while self._took_word("or"):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def expect_end(self) -> None:
        token = self.peek()
        if token.kind != _END:
            raise self._wrong(token, "`and`, `or` or the end")

    def _all_of(self, depth: int) -> Node:
        parts = [self._one(depth)]
        while self._took_word("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise Invalid(f"{_place(self.peek().at)}the question is nested too deeply")
        if self._took_word("not"):
            return Not(self._one(depth + 1))
        if self._took_sign("("):
            node = self.any_of(depth + 1)
            self._expect_sign(")")
            return node
        self._conditions += 1
        if self._conditions > _MOST_CONDITIONS:
            raise Invalid(f"{_place(self.peek().at)}the question has more than {_MOST_CONDITIONS} conditions")
        if self._took_word("has"):
            return Has(self._field())
        return self._condition()

    def _condition(self) -> Node:
        field, token = self._field(), self._next()
        if token.text.lower() == "not" and token.kind == "word":
            follower = self._next()
            if follower.kind == "word" and follower.text.lower() in {"in", "like"}:
                return Not(self._in_or_like(field, follower))
            raise self._wrong(follower, "`in` or `like`")
        if token.kind == "word" and token.text.lower() in {"in", "like"}:
            return self._in_or_like(field, token)
        operator = _SAME.get(token.text, token.text)
        if token.kind == "sign" and operator == "~":
            return Like(field, self._pattern(field), contains=True)
        if token.kind != "sign" or operator not in COMPARISONS:
            raise self._wrong(token, f"a comparison behind {field.name}: {' '.join(COMPARISONS)} ~ in like")
        return self._compared(field, operator)

    def _in_or_like(self, field: QueryField, token: _Token) -> Node:
        if token.text.lower() == "like":
            return Like(field, self._pattern(field))
        self._expect_sign("(")
        parts = [self._compared(field, "=")]
        while self._took_sign(","):
            parts.append(self._compared(field, "="))
            if len(parts) > _MOST_VALUES:
                raise Invalid(f"{_place(self.peek().at)}a list of more than {_MOST_VALUES} values")
        self._expect_sign(")")
        if all(isinstance(part, Compare) for part in parts):
            return In(field, tuple(part.value for part in parts if isinstance(part, Compare)))
        return Or(tuple(parts)) if len(parts) > 1 else parts[0]

    def _field(self) -> QueryField:
        token = self._next()
        if token.kind not in {"word", "field"}:
            raise self._wrong(token, "a field")
        name = token.text.strip("`")
        field = self._known.find(name)
        if field is None:
            near = difflib.get_close_matches(name.lower(), {each.lower(): each for each in self._known.names()}, 1)
            spelled = next((each for each in self._known.names() if near and each.lower() == near[0]), "")
            hint = f"; did you mean {spelled}?" if spelled else "; `archimed query --fields` lists them"
            raise Invalid(f"{_place(token.at)}there is no field {_shown(name)}{hint}")
        return field

    def _pattern(self, field: QueryField) -> str:
        token = self._next()
        if token.kind != "text":
            raise self._wrong(token, f"text in quotes to compare {field.name} with")
        if field.kind is Kind.MOMENT:
            raise Invalid(f"{_place(token.at)}{field.name} is a time: compare it with =, <, > and the like")
        return _unquoted(token.text)

    def _compared(self, field: QueryField, operator: str) -> Node:
        """Read a value and return the comparison with it."""
        token = self._next()
        if field.kind is Kind.MOMENT:
            start, end = self._moment(field, token)
            return _of_moment(field, operator, start, end)
        value = self._value(field, token)
        if field.kind is Kind.NUMBER and isinstance(value, str) and operator not in {"=", "!="}:
            raise Invalid(f"{_place(token.at)}a list is equal or not: compare {field.name} with one number, or by = or !=")
        return Compare(field, operator, value)

    def _value(self, field: QueryField, token: _Token) -> Literal:
        if token.kind == "number":
            if field.kind is Kind.TEXT:
                raise Invalid(f'{_place(token.at)}{field.name} is text: put it in quotes, "{token.text}"')
            if field.kind is Kind.DATE:
                raise Invalid(f"{_place(token.at)}{field.name} is a date: write it as 2008-03-12")
            return self._number(field, token)
        if field.kind is Kind.DATE and token.kind in {"moment", "text"}:
            return _date(field, token)
        if token.kind == "moment":
            return token.text if field.kind is not Kind.NUMBER else _no_number(field, token)
        if token.kind != "text":
            what = {Kind.NUMBER: "a number", Kind.TEXT: "text in quotes", Kind.DATE: "a date as 2008-03-12"}
            raise self._wrong(token, f"{what.get(field.kind, 'a number or text in quotes')} to compare {field.name} with")
        text = _unquoted(token.text)
        if field.kind is Kind.NUMBER and not _is_list_of_numbers(field, text):
            return _no_number(field, token)
        return text

    def _number(self, field: QueryField, token: _Token) -> float:
        number = float(token.text)
        if not math.isfinite(number):
            raise Invalid(f"{_place(token.at)}a number that is too large")
        following = self.peek()
        if following.kind != "word" or following.text.lower() in {"and", "or"}:
            return number
        unit = self._next().text
        if self._took_sign("/"):
            unit += "/" + self._next().text
        if unit not in UNITS or not field.unit:
            of = f" in {field.unit}" if field.unit else " without a unit"
            raise Invalid(f"{_place(following.at)}{_shown(unit)} is no unit of {field.name}, which is a number{of}")
        found = converted(number, unit, field.unit)
        if found is None:
            likely = ", ".join(units_like(field.unit)) or field.unit
            raise Invalid(f"{_place(following.at)}{field.name} is not measured in {unit}; use one of: {likely}")
        return found

    def _moment(self, field: QueryField, token: _Token) -> tuple[int, int]:
        text = _unquoted(token.text) if token.kind == "text" else token.text
        if token.kind not in {"moment", "text"}:
            raise self._wrong(token, f"a time to compare {field.name} with, as 2008-03-12 or 2008-03-12T10:15:00")
        plain = text.removesuffix("Z")
        try:
            if len(plain) not in _LENGTHS:
                raise ValueError
            start = datetime.fromisoformat(plain).replace(tzinfo=UTC)
            end = start + timedelta(seconds=_LENGTHS[len(plain)])
        except (ValueError, OverflowError):
            wanted = "write it as 2008-03-12 or 2008-03-12T10:15:00"
            raise Invalid(f"{_place(token.at)}{_shown(text)} is no time; {wanted}") from None
        return (start - _EPOCH) // _SECOND, (end - _EPOCH) // _SECOND

    def _next(self) -> _Token:
        token = self.peek()
        self._at += token.kind != _END
        return token

    def _took_word(self, word: str) -> bool:
        token = self.peek()
        took = token.kind == "word" and token.text.lower() == word
        self._at += took
        return took

    def _took_sign(self, sign: str) -> bool:
        took = self.peek().kind == "sign" and self.peek().text == sign
        self._at += took
        return took

    def _expect_sign(self, sign: str) -> None:
        if not self._took_sign(sign):
            raise self._wrong(self.peek(), f"`{sign}`")

    def _wrong(self, token: _Token, wanted: str) -> Invalid:
        before = self._tokens[self._at - 2] if self._at > 1 else token
        if token.kind == "number" and before.kind == "number":
            wanted += ' (text such as "2008-0003" goes between quotes)'
        found = "the end" if token.kind == _END else _shown(token.text)
        return Invalid(f"{_place(token.at)}{wanted} is expected, not {found}")


def _of_moment(field: QueryField, operator: str, start: int, end: int) -> Node:
    """Compare with the whole of a day, a minute or a second: after a day is from the next one on."""
    same: Node = And((Compare(field, ">=", float(start)), Compare(field, "<", float(end))))
    answers: dict[str, Node] = {
        "=": same, "!=": And((Has(field), Not(same))), "<": Compare(field, "<", float(start)),
        "<=": Compare(field, "<", float(end)), ">": Compare(field, ">=", float(end)), ">=": Compare(field, ">=", float(start)),
    }  # fmt: skip
    return answers[operator]


def _date(field: QueryField, token: _Token) -> str:
    found = _COMPACT_DATE.fullmatch(_unquoted(token.text) if token.kind == "text" else token.text)
    try:
        if found is None:
            raise ValueError
        datetime(int(found[1]), int(found[3]), int(found[4]), tzinfo=UTC)
    except ValueError:
        raise Invalid(f"{_place(token.at)}{field.name} is a date: write it as 2008-03-12") from None
    return found[1] + found[3] + found[4]


def _is_list_of_numbers(field: QueryField, text: str) -> bool:
    """Whether it is what DICOM writes for several numbers, as "1\\1"."""
    return BETWEEN in text and all(not isinstance(each, str) for each in parts(field, text) or [text])


def _no_number(field: QueryField, token: _Token) -> Literal:
    unit = f" in {field.unit}" if field.unit else ""
    raise Invalid(f"{_place(token.at)}{field.name} is a number{unit}: write it without quotes")


def _unquoted(text: str) -> str:
    quote = text[0]
    return text[1:-1].replace(quote * 2, quote)


def _shown(text: str) -> str:
    return f"`{text[:_SHOWN]}…`" if len(text) > _SHOWN else f"`{text}`"


def _place(at: int) -> str:
    return f"at character {at + 1}: "
