"""The life of a job: nothing but what is documented, ends that are ends."""

import itertools

import pytest

from catalog.pure.jobs import UNFINISHED, JobEvent, JobState, after, before

# The picture in the module's docstring, written as a list.
DOCUMENTED = {
    ("queued", "claim"): "running",
    ("running", "claim"): "running",
    ("running", "finish"): "done",
    ("running", "retry"): "queued",
    ("running", "release"): "queued",
    ("running", "give_up"): "failed",
    ("queued", "cancel"): "done",
    ("running", "cancel"): "done",
    ("failed", "requeue"): "queued",
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(JobState, JobEvent)))
def test_only_what_is_documented_happens(state: JobState, event: JobEvent) -> None:
    assert (state in before(event)) is ((state.value, event.value) in DOCUMENTED)
    if state in before(event):
        assert after(event) == DOCUMENTED[state.value, event.value]


def test_a_job_that_is_done_stays_done_and_every_other_can_end() -> None:
    over = set(JobState) - UNFINISHED
    assert over == {JobState.DONE, JobState.FAILED}
    assert not any(JobState.DONE in before(event) for event in JobEvent)
    assert [event for event in JobEvent if JobState.FAILED in before(event)] == [JobEvent.REQUEUE]
    assert all(any(state in before(event) and after(event) in over for event in JobEvent) for state in UNFINISHED)
