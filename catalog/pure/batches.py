"""The life of a batch at the gate, as one table: (state, event) -> (state, effects).

Only states, events and effects may live here. Who may cause an event is decided in the gate; what an effect does is done there.

    open --seal--> sealed --checks_done--> checked --accept--> accepted --published--> published
                      ^                      |  |                 |
                      +-------recheck--------+  +--reject--+      +--publish_failed--> failed --retry--> accepted
                                                           v                             |
    open, sealed, failed --reject----------------------> rejected <----------------------+
                                                         |  |
    failed --recheck--> sealed <----------restore--------+  +--expire--> erased

    checked, rejected, failed --reopen--> open: its uploader mends it and seals it again
"""

from enum import IntFlag, StrEnum

from catalog.pure.errors import Refused


class State(StrEnum):
    """Where a batch stands."""

    OPEN = "open"
    SEALED = "sealed"
    CHECKED = "checked"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    PUBLISHED = "published"
    FAILED = "failed"
    ERASED = "erased"


FINAL = (State.PUBLISHED, State.REJECTED, State.ERASED)
"""States in which a batch waits for nobody."""


class Event(StrEnum):
    """What can happen to a batch."""

    SEAL = "seal"
    CHECKS_DONE = "checks_done"
    RECHECK = "recheck"
    ACCEPT = "accept"
    REJECT = "reject"
    PUBLISHED = "published"
    PUBLISH_FAILED = "publish_failed"
    RETRY = "retry"
    REOPEN = "reopen"
    RESTORE = "restore"
    EXPIRE = "expire"


class Approval(IntFlag):
    """What a named human vouched for who accepted a batch."""

    PIXELS = 1  # neither its images nor its sound tell a name or a date
    CONTENT = 2  # its files that nothing can look through, or that a heuristic holds, identify nobody


class Effect(StrEnum):
    """What the gate must queue in the same transaction as the transition."""

    QUEUE_CHECK = "queue_check"
    QUEUE_PUBLISH = "queue_publish"
    QUEUE_ERASE = "queue_erase"


_TRANSITIONS: dict[State, dict[Event, tuple[State, tuple[Effect, ...]]]] = {
    State.OPEN: {
        Event.SEAL: (State.SEALED, (Effect.QUEUE_CHECK,)),
        Event.REJECT: (State.REJECTED, ()),
    },
    State.SEALED: {
        Event.CHECKS_DONE: (State.CHECKED, ()),
        Event.REJECT: (State.REJECTED, ()),
    },
    State.CHECKED: {
        Event.RECHECK: (State.SEALED, (Effect.QUEUE_CHECK,)),
        Event.ACCEPT: (State.ACCEPTED, (Effect.QUEUE_PUBLISH,)),
        Event.REJECT: (State.REJECTED, ()),
        Event.REOPEN: (State.OPEN, ()),
    },
    State.ACCEPTED: {
        Event.PUBLISHED: (State.PUBLISHED, (Effect.QUEUE_ERASE,)),
        Event.PUBLISH_FAILED: (State.FAILED, ()),
    },
    State.FAILED: {
        Event.RETRY: (State.ACCEPTED, (Effect.QUEUE_PUBLISH,)),
        Event.RECHECK: (State.SEALED, (Effect.QUEUE_CHECK,)),
        Event.REJECT: (State.REJECTED, ()),
        Event.REOPEN: (State.OPEN, ()),
    },
    State.REJECTED: {
        Event.RESTORE: (State.SEALED, (Effect.QUEUE_CHECK,)),
        Event.REOPEN: (State.OPEN, ()),
        Event.EXPIRE: (State.ERASED, (Effect.QUEUE_ERASE,)),
    },
    State.PUBLISHED: {},
    State.ERASED: {},
}

_EVENT_WORDS = {
    Event.SEAL: "sealed",
    Event.CHECKS_DONE: "checked",
    Event.RECHECK: "checked again",
    Event.ACCEPT: "accepted",
    Event.REJECT: "rejected",
    Event.PUBLISHED: "published",
    Event.PUBLISH_FAILED: "given up",
    Event.RETRY: "tried again",
    Event.REOPEN: "opened again",
    Event.RESTORE: "restored",
    Event.EXPIRE: "erased",
}

_WHAT_TO_DO = {
    State.OPEN: "it still receives files; seal it first",
    State.SEALED: "its checks are still running; try again when they are done",
    State.CHECKED: "it waits for a decision: accept or reject it",
    State.ACCEPTED: "it is being published; see with `archimed staging show` how that ends",
    State.REJECTED: "it was rejected; until its bytes are erased, `archimed staging restore` brings it back to the gate",
    State.PUBLISHED: "it is published, which is final",
    State.FAILED: "publishing it failed; see why with `archimed staging show`, then accept it again or reject it",
    State.ERASED: "it was rejected and its bytes are erased, which is final",
}


def allowed(state: State, event: Event) -> bool:
    """Whether the event can happen in this state."""
    return event in _TRANSITIONS[state]


def transition(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """Return the state after the event and what to queue with it.

    Raises:
        Refused: the event cannot happen in this state; the text says what can be done instead.
    """
    try:
        return _TRANSITIONS[state][event]
    except KeyError:
        raise Refused(f"a batch that is {state} cannot be {_EVENT_WORDS[event]}: {_WHAT_TO_DO[state]}") from None
