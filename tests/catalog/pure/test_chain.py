"""The chain's law: whatever is done to a row without rewriting all that follow is named; an intact chain is quiet."""

from hypothesis import given
from hypothesis import strategies as st

from catalog.pure.chain import START, Link, faults, link

_contents = st.lists(st.text(max_size=5), min_size=3, max_size=12)


def chained(texts: list[str], numbers: list[int] | None = None) -> list[Link]:
    previous, links = START, []
    for number, text in zip(numbers or range(1, len(texts) + 1), texts, strict=True):
        previous = link(previous, number, text)
        links.append(Link(number, (number, text), previous))
    return links


def named(links: list[Link]) -> list[int]:
    return [fault.entry for fault in faults(links)]


@given(_contents, st.sets(st.integers(1, 99), min_size=12))
def test_what_was_chained_is_intact_also_with_numbers_left_out(texts: list[str], numbers: set[int]) -> None:
    assert named(chained(texts)) == []
    assert named(chained(texts, sorted(numbers)[: len(texts)])) == []


@given(_contents, st.data())
def test_a_changed_row_is_named_alone(texts: list[str], data: st.DataObject) -> None:
    links = chained(texts)
    at = data.draw(st.integers(0, len(links) - 1))
    links[at] = Link(at + 1, (at + 1, texts[at] + "!"), links[at].hash)
    assert named(links) == [at + 1]


@given(_contents, st.data())
def test_a_changed_row_with_a_hash_that_fits_is_named_by_the_next(texts: list[str], data: st.DataObject) -> None:
    links = chained(texts)
    at = data.draw(st.integers(0, len(links) - 2))
    content = (at + 1, texts[at] + "!")
    links[at] = Link(at + 1, content, link(links[at - 1].hash if at else START, *content))
    assert named(links) == [at + 2]


@given(_contents, st.data())
def test_a_changed_hash_is_named(texts: list[str], data: st.DataObject) -> None:
    links = chained(texts)
    at = data.draw(st.integers(0, len(links) - 1))
    links[at] = Link(at + 1, links[at].content, bytes(31) + b"\1")
    assert named(links) == [at + 1]


@given(_contents, st.data())
def test_removed_rows_are_named(texts: list[str], data: st.DataObject) -> None:
    links = chained(texts)
    first = data.draw(st.integers(0, len(links) - 2))
    last = data.draw(st.integers(first, len(links) - 2))
    (fault,) = faults(links[:first] + links[last + 1 :])
    assert fault.entry == last + 2
    gone = f"entry {first + 1} is" if first == last else f"entries {first + 1} to {last + 1} are"
    assert fault.what == f"does not follow the one before it: {gone} missing"


@given(_contents, st.data())
def test_rows_that_changed_places_are_named(texts: list[str], data: st.DataObject) -> None:
    links = chained(texts)
    one, other = sorted(data.draw(st.sets(st.integers(0, len(links) - 1), min_size=2, max_size=2)))
    there, here = links[one], links[other]
    links[one] = Link(one + 1, (one + 1, *here.content[1:]), here.hash)
    links[other] = Link(other + 1, (other + 1, *there.content[1:]), there.hash)
    assert {one + 1, other + 1} <= set(named(links))


@given(_contents, st.data())
def test_a_row_put_in_between_is_named_as_such(texts: list[str], data: st.DataObject) -> None:
    links = chained(texts, [2 * number for number in range(1, len(texts) + 1)])
    at = data.draw(st.integers(0, len(links) - 1))
    number = links[at].number - 1
    previous = links[at - 1].hash if at else START
    links.insert(at, Link(number, (number, "!"), link(previous, number, "!")))
    found = [(fault.entry, fault.what) for fault in faults(links)]
    assert found == [(number, "was put in between: the entry behind it follows the one before it")]


def test_content_is_covered_field_by_field() -> None:
    assert link(START, "ab", "c") != link(START, "a", "bc") != link(START, 'a","bc')
    assert link(START, 1) != link(START, "1")
