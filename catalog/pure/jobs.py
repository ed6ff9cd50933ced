"""The life of a job in the queue, as one table: event -> (states in which it can happen, state afterwards).

    queued --claim--> running --finish--> done
       ^                 |  |--give_up--> failed
       +--retry, release-+  |--claim----> running: another worker takes over when the lease ran out

    queued, running --cancel--> done
    failed --requeue--> queued

Only states and events may live here. Leases, pauses and who may claim what are the queue's.
"""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class JobEvent(StrEnum):
    """What can happen to a job."""

    CLAIM = "claim"
    FINISH = "finish"
    RETRY = "retry"
    RELEASE = "release"
    GIVE_UP = "give_up"
    CANCEL = "cancel"
    REQUEUE = "requeue"


_WAITS = frozenset({JobState.QUEUED, JobState.RUNNING})
_RUNS = frozenset({JobState.RUNNING})

_EVENTS: dict[JobEvent, tuple[frozenset[JobState], JobState]] = {
    JobEvent.CLAIM: (_WAITS, JobState.RUNNING),
    JobEvent.FINISH: (_RUNS, JobState.DONE),
    JobEvent.RETRY: (_RUNS, JobState.QUEUED),
    JobEvent.RELEASE: (_RUNS, JobState.QUEUED),
    JobEvent.GIVE_UP: (_RUNS, JobState.FAILED),
    JobEvent.CANCEL: (_WAITS, JobState.DONE),
    JobEvent.REQUEUE: (frozenset({JobState.FAILED}), JobState.QUEUED),
}

UNFINISHED = _WAITS
"""States of jobs that have still to be done."""


def before(event: JobEvent) -> frozenset[JobState]:
    """Return the states in which an event can happen: what an UPDATE asks for."""
    return _EVENTS[event][0]


def after(event: JobEvent) -> JobState:
    """Return the state after an event: what an UPDATE sets."""
    return _EVENTS[event][1]
