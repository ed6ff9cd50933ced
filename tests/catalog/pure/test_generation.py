"""How a place stands to the catalogue, whatever is restored or cut short."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from catalog.pure.generation import Age, Mark, age_of, problem

CATALOGUE = Mark("a" * 32, 7, 40, "ff")


def test_one_generation_is_one_age() -> None:
    assert age_of(CATALOGUE, CATALOGUE, shares_history=True) is Age.SAME


def test_what_a_crash_leaves_behind_is_no_older_copy() -> None:
    assert age_of(replace(CATALOGUE, generation=6, entry=38), CATALOGUE, shares_history=True) is Age.SAME


@given(ahead=st.integers(1, 1000))
def test_a_place_that_saw_more_is_newer(ahead: int) -> None:
    assert age_of(replace(CATALOGUE, generation=7 + ahead), CATALOGUE, shares_history=True) is Age.NEWER
    assert age_of(replace(CATALOGUE, entry=40 + ahead), CATALOGUE, shares_history=True) is Age.NEWER


def test_another_history_of_the_same_length_is_newer() -> None:
    assert age_of(replace(CATALOGUE, chained="00"), CATALOGUE, shares_history=False) is Age.NEWER


@given(behind=st.integers(2, 6))
def test_a_place_that_missed_generations_is_older(behind: int) -> None:
    assert age_of(replace(CATALOGUE, generation=7 - behind), CATALOGUE, shares_history=True) is Age.OLDER


def test_another_archive_is_told_before_anything_else() -> None:
    assert age_of(replace(CATALOGUE, archive="b" * 32, generation=99), CATALOGUE, shares_history=False) is Age.FOREIGN


def test_problems_say_what_to_do_and_an_empty_new_place_is_none() -> None:
    assert problem("the store", Age.SAME, has_content=True) == ""
    assert problem("the store", Age.UNMARKED, has_content=False) == ""
    for age in (Age.NEWER, Age.OLDER, Age.FOREIGN, Age.UNMARKED):
        text = problem("the store", age, has_content=True)
        assert "the store" in text
        assert "archimed restore" in text
        assert "--adopt" in text
