"""Questions: what is typed and what is printed are the same question, errors say where, and what a question means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.pure.errors import Invalid
from catalog.pure.query import (
    And,
    Compare,
    Has,
    In,
    Kind,
    Known,
    Like,
    Node,
    Not,
    Or,
    QueryField,
    fields_of,
    matches,
    parse,
    typed,
)  # fmt: skip
from catalog.pure.query.fields import converted

FIELDS = (
    QueryField("file_type", Kind.TEXT), QueryField("study", Kind.TEXT), QueryField("EchoTime", Kind.NUMBER, "ms"),
    QueryField("Rows", Kind.NUMBER), QueryField("StudyDate", Kind.DATE), QueryField("acquired", Kind.MOMENT),
    QueryField("size", Kind.NUMBER, "B"), QueryField("(0019,xx0C)@SIEMENS MR HEADER", Kind.ANY), QueryField("Has", Kind.TEXT),
    QueryField("Spacing", Kind.NUMBER, "mm", multiple=True),
)  # fmt: skip
BY_NAME = {field.name.lower(): field for field in FIELDS}
KNOWN = Known(lambda name: BY_NAME.get(name.lower()), lambda: [field.name for field in FIELDS])

words = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)


def _values(field: QueryField) -> st.SearchStrategy[float | str]:
    return {
        Kind.NUMBER: numbers, Kind.TEXT: words, Kind.DATE: st.dates().map(lambda day: day.isoformat().replace("-", "")),
        Kind.ANY: numbers | words, Kind.MOMENT: st.integers(-(10**9), 10**10).map(float),
    }[field.kind]  # fmt: skip


def _conditions(field: QueryField) -> st.SearchStrategy[Node]:
    value = _values(field)
    # A parser makes of comparisons with a time those that begin or end at one.
    operators = (">=", "<") if field.kind is Kind.MOMENT else ("=", "!=", "<", "<=", ">", ">=")
    every = [st.builds(Compare, st.just(field), st.sampled_from(operators), value), st.builds(Has, st.just(field))]
    if field.kind is not Kind.MOMENT:
        every.append(st.builds(In, st.just(field), st.lists(value, min_size=1, max_size=4).map(tuple)))
        every.append(st.builds(Like, st.just(field), words, st.booleans()))
    return st.one_of(every)


def questions(fields: tuple[QueryField, ...] = FIELDS) -> st.SearchStrategy[Node]:
    return st.recursive(
        st.sampled_from(fields).flatmap(_conditions),
        lambda inner: (
            st.builds(Not, inner)
            | st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple))
            | st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple))
        ),
        max_leaves=8,
    )


@given(questions())
def test_what_is_printed_reads_as_the_same(question: Node) -> None:
    assert parse(str(question), KNOWN) == question


pieces = [
    *BY_NAME,
    "and",
    "or",
    "not",
    "in",
    "(",
    ")",
    "'",
    '"',
    "=",
    ">",
    ",",
    "1",
    "ms",
    "2008-03-12",
    "`",
    "~",
    "like",
    "\0",
]


@given(st.text(max_size=60) | st.lists(st.sampled_from(pieces)).map(" ".join))
def test_any_text_is_a_question_or_an_error_that_says_where(text: str) -> None:
    said = ""
    try:
        question = parse(text, KNOWN)
    except Invalid as error:
        said = str(error)
    else:
        assert parse(str(question), KNOWN) == question
    assert not said or "at character" in said or "empty" in said
    assert len(said) < 300


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('FILE_TYPE="DCM_MR" AND echotime>80', 'file_type = "DCM_MR" and EchoTime > 80'),
        ("EchoTime > 0.08 s", "EchoTime > 80"),
        ("EchoTime > 80 ms and Rows = 256", "EchoTime > 80 and Rows = 256"),
        ("size >= 1.5 GB", "size >= 1500000000"),
        ("Rows <> 1 or Rows == 2", "Rows != 1 or Rows = 2"),
        ("not Rows in (1, 2)", "Rows not in (1,2)"),
        ("study not like 'a%'", 'not study like "a%"'),
        ("study = 'it''s \"x\"'", 'study = "it\'s ""x"""'),
        ("acquired >= 2008-03-12", "acquired >= 2008-03-12T00:00:00"),
        ("acquired > 2008-03-12", "acquired >= 2008-03-13"),
        ("acquired = 2008-03-12", "acquired >= 2008-03-12 and acquired < 2008-03-13"),
        ("acquired <= '2008-03-12T10:15'", "acquired < 2008-03-12T10:16:00"),
        ("acquired in (2008-03-12)", "acquired = 2008-03-12"),
        ("StudyDate < 2008-03-12", "StudyDate < '20080312'"),
        ("`(0019,xx0C)@SIEMENS MR HEADER` >= 1000", "`(0019,xx0c)@siemens mr header` >= 1e3"),
        ("has EchoTime and not has Rows", "has echotime and (not has rows)"),
        ("(Rows = 1 or Rows = 2) and Rows = 3", "((Rows=1 or Rows=2)) and (Rows=3)"),
        ("Rows = 1 or Rows = 2 and Rows = 3", "Rows=1 or (Rows=2 and Rows=3)"),
    ],
)
def test_spellings(text: str, same: str) -> None:
    assert parse(text, KNOWN) == parse(same, KNOWN)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the question is empty"),
        ("EchoTim > 80", "at character 1: there is no field `EchoTim`; did you mean EchoTime?"),
        ("Rows = 1 and Zqx = 3", "at character 14: there is no field `Zqx`; `archimed query --fields` lists them"),
        ("Rows = ", "at character 8: a number to compare Rows with is expected, not the end"),
        ("Rows 5", "at character 6: a comparison behind Rows"),
        ('Rows = "5"', "at character 8: Rows is a number: write it without quotes"),
        ("Spacing > '1\\1'", "at character 11: a list is equal or not: compare Spacing with one number"),
        ("Spacing = '1\\x'", "Spacing is a number in mm: write it without quotes"),
        ("EchoTime > '5'", "EchoTime is a number in ms: write it without quotes"),
        ("file_type = 5", 'at character 13: file_type is text: put it in quotes, "5"'),
        ("file_type = DCM_MR", "text in quotes to compare file_type with is expected, not `DCM_MR`"),
        ('study = "2008', "at character 9: a quote that is not closed"),
        ("(Rows = 1", "at character 10: `)` is expected, not the end"),
        ("Rows = 1)", "at character 9: `and`, `or` or the end is expected, not `)`"),
        ("Rows = 1 Rows", "`Rows` is no unit of Rows, which is a number without a unit"),
        ("EchoTime > 3 mm", "EchoTime is not measured in mm; use one of: s, ms, us, min"),
        ("EchoTime > 3 lightyears", "`lightyears` is no unit of EchoTime, which is a number in ms"),
        ("StudyDate > 5", "write it as 2008-03-12"),
        ("StudyDate > 2008-02-31", "write it as 2008-03-12"),
        ("acquired > 2008-13-01", "is no time; write it as"),
        ("acquired > 9999-12-31", "is no time"),
        ("acquired ~ 'x'", "acquired is a time"),
        ("Rows > 1e999", "a number that is too large"),
        ("Rows = 1; drop table files", "at character 9: something that is no part of a question"),
        ("Rows in ()", "a number to compare Rows with is expected, not `)`"),
        ("Rows not 5", "`in` or `like` is expected"),
        ("study = 'a\0'", "at character 11: a character that is no text"),
        ("(" * 60 + "Rows = 1" + ")" * 60, "nested too deeply"),
        (" or ".join(["Rows = 1"] * 300), "more than 200 conditions"),
        (f"Rows in ({', '.join(['1'] * 300)})", "a list of more than 200 values"),
        ("Rows = 1" + " " * 20_000, "longer than"),
    ],
)
def test_errors_say_where_and_what(text: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(text, KNOWN)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("EchoTime > 80", True),
        ("EchoTime = 90", True),
        ("EchoTime != 90", False),
        ("Rows > 1", False),
        ("Rows != 1", False),
        ("not Rows = 1", True),
        ("has EchoTime and not has Rows", True),
        ("study in ('x', 'Köln_A')", True),
        ("study like 'köln%'", True),
        ("study like 'KÖLN%'", False),
        ("study like 'kö__\\_a'", False),
        ("study like 'kÖln_a'", False),  # only A to Z fold
        ("study like 'köln_a' or study like 'Köln_a'", True),
        ("study ~ 'LN_A'", True),
        ("study ~ 'l%a'", False),
        ("study > 'K' and study < 'L'", True),
        ("`(0019,xx0C)@SIEMENS MR HEADER` = 1000", False),
        ("`(0019,xx0C)@SIEMENS MR HEADER` = '1000'", True),
    ],
)
def test_meaning(question: str, expected: bool) -> None:
    values = {"EchoTime": 90.0, "study": "Köln_A", "Rows": None, "(0019,xx0C)@SIEMENS MR HEADER": "1000"}
    assert matches(parse(question, KNOWN), values) is expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ('Spacing = "1\\0.5"', True),
        ('Spacing = "1.0\\.5"', True),
        ('Spacing != "1\\0.5"', False),
        ('Spacing = "0.5\\1"', False),
        ('Spacing in ("2\\2", "1\\0.5")', True),
        ("Spacing = 1", True),
        ("Spacing = 2", False),
        ("Spacing != 1", True),
        ("not Spacing = 1", False),
        ("Spacing < 1", True),
        ("Spacing > 1", False),
        ("Spacing in (3, 0.5)", True),
        ("Image = 'PRIMARY'", True),
        ("Image = 'PRIM'", False),
        ("Image like 'prim%'", True),
        ("Image like 'orig%m'", True),
        ("Image ~ 'gin'", True),
        ("Image in ('DERIVED', 'M')", True),
        ("Image = 'ORIGINAL\\PRIMARY\\M'", True),
        ("Image = '01\\2'", False),
        ("Title = 'a'", False),
        ("Title = 'a\\b'", True),
    ],
)
def test_lists(question: str, expected: bool) -> None:
    """One value is compared with each, a list with the list; a backslash in running text divides nothing."""
    fields = {
        "spacing": QueryField("Spacing", Kind.NUMBER, "mm", multiple=True),
        "image": QueryField("Image", Kind.TEXT, multiple=True),
        "title": QueryField("Title", Kind.TEXT),
    }  # fmt: skip
    values = {"Spacing": "1.0\\0.50", "Image": "ORIGINAL\\PRIMARY\\M", "Title": "a\\b"}
    assert matches(parse(question, Known(lambda name: fields.get(name.lower()), list)), values) is expected


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (QueryField("Rows", Kind.NUMBER, whole=True, multiple=True), 256.0, 256),
        (QueryField("Rows", Kind.NUMBER, whole=True, multiple=True), "3\\04", [3, 4]),
        (QueryField("EchoTime", Kind.NUMBER, multiple=True), 40.0, 40.0),
        (QueryField("Spacing", Kind.NUMBER, multiple=True), "1\\0.5", [1.0, 0.5]),
        (QueryField("Spacing", Kind.NUMBER, multiple=True), "1\\", [1.0, None]),
        (QueryField("Spacing", Kind.NUMBER, multiple=True), "1\\nan", ["1", "nan"]),
        (QueryField("Image", Kind.TEXT, multiple=True), "01\\2", ["01", "2"]),
        (QueryField("Title", Kind.TEXT), "a\\b", "a\\b"),
        (QueryField("x", Kind.ANY, multiple=True), 1000.0, 1000),
    ],
)
def test_values_for_programs(field: QueryField, value: float | str, expected: object) -> None:
    found = typed(field, value)
    assert (found, repr(found)) == (expected, repr(expected))


@given(questions())
def test_the_fields_of_a_question(question: Node) -> None:
    assert all(field.name in str(question) for field in fields_of(question))


@pytest.mark.parametrize(("number", "unit", "wanted", "expected"), [
    (0.08, "s", "ms", 80.0), (2.98, "ms", "ms", 2.98), (1, "rad", "deg", 57.2957795130823), (1, "mm", "ms", None),
    (700, "nm", "mm", None), (3, "T", "mT", 3000.0),
])  # fmt: skip
def test_units(number: float, unit: str, wanted: str, expected: float | None) -> None:
    assert converted(number, unit, wanted) == expected
