"""The bin as a table of states: what an entry may become, and what is left of it in each."""

from enum import StrEnum

from catalog.pure.errors import Conflict


class Kind(StrEnum):
    """What was put into the bin at once."""

    FILE = "file"
    SERIES = "series"
    EXAM = "exam"
    BATCH = "batch"
    """What one import brought into an exam: the withdrawal of a publication."""


class State(StrEnum):
    """Where an entry stands."""

    PUTTING = "putting"
    BINNED = "binned"
    RESTORING = "restoring"
    RESTORED = "restored"
    PURGING = "purging"
    PURGED = "purged"
    REFUSED = "refused"

    @property
    def is_under_way(self) -> bool:
        """Whether a job has still to do something."""
        return self in {State.PUTTING, State.RESTORING, State.PURGING}


class Event(StrEnum):
    """What happens to an entry."""

    RESTORE = "restore"
    PURGE = "purge"
    DONE = "done"
    FAIL = "fail"


_NEXT = {
    (State.PUTTING, Event.DONE): State.BINNED,
    (State.PUTTING, Event.FAIL): State.REFUSED,
    (State.BINNED, Event.RESTORE): State.RESTORING,
    (State.RESTORING, Event.DONE): State.RESTORED,
    (State.RESTORING, Event.FAIL): State.BINNED,
    (State.BINNED, Event.PURGE): State.PURGING,
    (State.PURGING, Event.DONE): State.PURGED,
    # Some of its bytes may be gone: there is no way back, it is tried again.
    (State.PURGING, Event.FAIL): State.PURGING,
}
_SAYS = {
    State.PUTTING: "is on its way into the bin",
    State.RESTORING: "is being restored",
    State.RESTORED: "was restored",
    State.PURGING: "is being purged",
    State.PURGED: "was purged",
    State.REFUSED: "was never put into the bin",
    State.BINNED: "is in the bin",
}


def transition(state: State, event: Event) -> State:
    """Return what an entry becomes.

    Raises:
        Conflict: that cannot happen to it now.
    """
    try:
        return _NEXT[state, event]
    except KeyError:
        raise Conflict(f"it cannot be done: the entry {_SAYS[state]}; see `archimed bin list --all`") from None
