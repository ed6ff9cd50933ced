"""The life of a batch: nothing but what is documented, ends that are ends, refusals that say what to do."""

import itertools
import re

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from catalog.pure import batches
from catalog.pure.batches import Effect, Event, State, transition
from catalog.pure.errors import Refused

# The picture in the module's docstring, written as a list.
DOCUMENTED = {
    ("open", "seal"): ("sealed", {"queue_check"}),
    ("sealed", "checks_done"): ("checked", set()),
    ("checked", "recheck"): ("sealed", {"queue_check"}),
    ("checked", "accept"): ("accepted", {"queue_publish"}),
    ("checked", "reject"): ("rejected", set()),
    ("accepted", "published"): ("published", {"queue_erase"}),
    ("accepted", "publish_failed"): ("failed", set()),
    ("failed", "retry"): ("accepted", {"queue_publish"}),
    ("open", "reject"): ("rejected", set()),
    ("sealed", "reject"): ("rejected", set()),
    ("failed", "reject"): ("rejected", set()),
    ("failed", "recheck"): ("sealed", {"queue_check"}),
    ("rejected", "restore"): ("sealed", {"queue_check"}),
    ("rejected", "expire"): ("erased", {"queue_erase"}),
    ("checked", "reopen"): ("open", set()),
    ("failed", "reopen"): ("open", set()),
    ("rejected", "reopen"): ("open", set()),
}
ENDS = {"erased", "published"}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_only_what_is_documented_happens(state: State, event: Event) -> None:
    if (state, event) in DOCUMENTED:
        after, effects = transition(state, event)
        expected, queued = DOCUMENTED[state, event]
        assert after == expected
        assert set(effects) == queued
    else:
        with pytest.raises(Refused):
            transition(state, event)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_a_refusal_names_the_state_and_what_can_be_done(state: State, event: Event) -> None:
    if (state, event) in DOCUMENTED:
        return
    with pytest.raises(Refused) as caught:
        transition(state, event)
    text = str(caught.value)
    said, _, advice = text.partition(": ")
    assert re.fullmatch(rf"a batch that is {state} cannot be [a-z ]+", said)
    assert caught.value.__suppress_context__
    if state in ENDS:
        assert "final" in advice
    else:
        assert re.search(r"seal it|try again|accept or reject|`archimed staging (show|restore)`", advice), advice


def test_the_docstring_shows_every_event() -> None:
    for event in Event:
        assert event in (batches.__doc__ or "")


class Life(RuleBasedStateMachine):
    """One batch to which anything happens in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State.OPEN
        self.checked = False
        self.accepted = False
        self.queued: list[Effect] = []

    @rule(event=st.sampled_from(Event))
    def happens(self, event: Event) -> None:
        before = self.state
        try:
            self.state, effects = transition(before, event)
        except Refused:
            assert (before, event) not in DOCUMENTED
            return
        assert DOCUMENTED[before, event] == (self.state, set(effects))
        assert before not in ENDS
        self.queued += effects
        self.checked = self.checked or event is Event.CHECKS_DONE
        if event is Event.REOPEN:
            self.checked = False  # what is changed now was not looked at
        self.accepted = (self.accepted or event is Event.ACCEPT) and self.checked

    @invariant()
    def nothing_is_published_that_nobody_accepted(self) -> None:
        if self.state in {State.ACCEPTED, State.PUBLISHED, State.FAILED}:
            assert self.checked
            assert self.accepted

    @invariant()
    def a_rejected_batch_still_has_its_bytes(self) -> None:
        if self.state is State.REJECTED:
            assert Effect.QUEUE_ERASE not in self.queued

    @invariant()
    def what_ended_is_erased_exactly_once(self) -> None:
        assert self.queued.count(Effect.QUEUE_ERASE) == (1 if self.state in ENDS else 0)


TestLife = Life.TestCase


def test_every_state_can_be_reached_and_left_unless_it_is_an_end() -> None:
    reached = {after for after, _ in DOCUMENTED.values()} | {"open"}
    assert reached == set(State)
    assert {state for state, _ in DOCUMENTED} == set(State) - ENDS
