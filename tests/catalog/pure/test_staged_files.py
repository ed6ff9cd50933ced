"""The life of a staged file: nothing but what is documented, and no way into the store but by the publish job."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.pure.staged_files import NEVER_PUBLISHED, NOT_PUBLISHED, FileEvent, FileState, after, before

# The picture in the module's docstring, written as a list.
DOCUMENTED = {
    ("staged", "pass"): "staged",
    ("bad", "pass"): "staged",
    ("staged", "fail"): "bad",
    ("bad", "fail"): "bad",
    ("staged", "unpack"): "unpacked",
    ("bad", "unpack"): "unpacked",
    ("staged", "store"): "stored",
    ("staged", "hold"): "held",
    ("stored", "hold"): "held",
    ("stored", "try_again"): "staged",
    ("held", "try_again"): "staged",
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(FileState, FileEvent)))
def test_only_what_is_documented_happens(state: FileState, event: FileEvent) -> None:
    assert (state in before(event)) is ((state.value, event.value) in DOCUMENTED)
    if state in before(event):
        assert after(event) == DOCUMENTED[state.value, event.value]


@given(st.lists(st.sampled_from(FileEvent)))
def test_what_the_checks_refused_is_never_stored_unless_they_pass_it_later(events: list[FileEvent]) -> None:
    state, refused = FileState.STAGED, False
    for event in events:
        if state not in before(event):
            continue
        refused = event in {FileEvent.FAIL, FileEvent.UNPACK} or (refused and event is not FileEvent.PASS)
        state = after(event)
        assert not (refused and state is FileState.STORED)
        assert refused is (state in NEVER_PUBLISHED)


def test_an_archive_that_was_unpacked_stays_so() -> None:
    assert not any(FileState.UNPACKED in before(event) for event in FileEvent)


def test_what_is_left_over_can_be_published_later() -> None:
    for state in NOT_PUBLISHED:
        onward = {after(event) for event in FileEvent if state in before(event)}
        assert FileState.STAGED in onward
