"""Which lock is in whose way, after RFC 4918: a table, and laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.pure.locks import DEFAULT_SECONDS, LONGEST_SECONDS, Lock, barring_write, bars_lock, granted_seconds


def lock(root: str, *, exclusive: bool = True, deep: bool = False, token: str = "t") -> Lock:
    return Lock(token, root, exclusive, deep, "", 0)


@pytest.mark.parametrize(
    ("held", "key", "deep", "barred"),
    [
        (lock("a/b"), "a/b", False, True),
        (lock("a/b"), "a/b/c", False, False),  # of this folder's own members, not of what lies in it
        (lock("a/b", deep=True), "a/b/c", False, True),
        (lock("a/b", deep=True), "a/b/c/d", False, True),
        (lock("a/b", deep=True), "a/bc", False, False),
        (lock("a/b/c"), "a/b", False, False),
        (lock("a/b/c"), "a/b", True, True),
        (lock("a/b/c"), "a/x", True, False),
        (lock("a/bc"), "a/b", True, False),
    ],
)
def test_what_a_lock_reaches(held: Lock, key: str, deep: bool, barred: bool) -> None:
    assert bars_lock(held, key, exclusive=True, deep=deep) is barred
    assert (barring_write([held], key, [], deep=deep) == [held]) is barred


def test_shared_locks_go_together_and_exclusive_ones_do_not() -> None:
    shared, exclusive = lock("a", exclusive=False), lock("a")
    assert not bars_lock(shared, "a", exclusive=False, deep=False)
    assert bars_lock(shared, "a", exclusive=True, deep=False)
    assert bars_lock(exclusive, "a", exclusive=False, deep=False)


def test_who_shows_the_token_may_change_it() -> None:
    held = lock("a")
    assert barring_write([held], "a", ["t"], deep=False) == []
    assert barring_write([held], "a", ["other"], deep=False) == [held]
    assert barring_write([held], "a", [], deep=False) == [held]


def test_one_of_several_shared_locks_will_do() -> None:
    one, other = lock("a", exclusive=False, token="t1"), lock("a", exclusive=False, token="t2")
    assert barring_write([one, other], "a", ["t1"], deep=False) == []
    elsewhere = lock("a/b", exclusive=False, token="t3")
    assert barring_write([one, other, elsewhere], "a", ["t1"], deep=True) == [elsewhere]


def test_a_lock_knows_how_far_down_it_stands() -> None:
    assert [lock(root).levels for root in ("tree", "tree/a", "tree/a/b")] == [0, 1, 2]


@given(st.one_of(st.none(), st.integers()))
def test_no_lock_is_for_longer_than_an_hour(asked: int | None) -> None:
    assert 0 < granted_seconds(asked) <= LONGEST_SECONDS


def test_what_is_asked_for_is_given_within_that() -> None:
    assert [granted_seconds(asked) for asked in (-1, None, 0, 20, 10**9)] == [
        LONGEST_SECONDS, DEFAULT_SECONDS, DEFAULT_SECONDS, 20, LONGEST_SECONDS,
    ]  # fmt: skip


_KEYS = st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map("/".join)


@given(_KEYS, st.booleans(), _KEYS, st.booleans())
def test_a_lock_that_was_refused_would_have_let_two_write_the_same(a: str, a_deep: bool, b: str, b_deep: bool) -> None:
    """Two exclusive locks are compatible if and only if no path is reached by both."""

    def covers(root: str, deep: bool, path: str) -> bool:
        return path == root or (deep and path.startswith(root + "/"))

    both = [path for path in {a, b} if covers(a, a_deep, path) and covers(b, b_deep, path)]
    assert bars_lock(lock(a, deep=a_deep), b, exclusive=True, deep=b_deep) is bool(both)
