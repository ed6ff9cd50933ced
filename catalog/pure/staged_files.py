"""The life of one staged file at the gate, as one table: event -> (states in which it can happen, state afterwards).

    staged --store--> stored --hold--> held
       |                 |               |
       |<---try_again----+---------------+     the batch is accepted again, or its left-overs wait once more
       +--hold--> held
       +--fail--> bad --pass--> staged         checked again
       +--unpack--> unpacked                   an archive or a disc's index: its files are files of the batch

Only states and events may live here. Why a file fails or is held is decided by the checks and by de-identification.
"""

from enum import StrEnum


class FileState(StrEnum):
    """Where a staged file stands."""

    STAGED = "staged"  # can be published, as far as is known
    BAD = "bad"  # the checks found that it cannot be published
    UNPACKED = "unpacked"  # taken for what it holds or names, and not published itself
    STORED = "stored"  # its clean bytes are in the store
    HELD = "held"  # publishing refused it


class FileEvent(StrEnum):
    """What can happen to a staged file."""

    PASS = "pass"  # noqa: S105 - what checks do
    FAIL = "fail"
    UNPACK = "unpack"
    STORE = "store"
    HOLD = "hold"
    TRY_AGAIN = "try_again"


_CHECKED = frozenset({FileState.STAGED, FileState.BAD})

_EVENTS: dict[FileEvent, tuple[frozenset[FileState], FileState]] = {
    FileEvent.PASS: (_CHECKED, FileState.STAGED),
    FileEvent.FAIL: (_CHECKED, FileState.BAD),
    FileEvent.UNPACK: (_CHECKED, FileState.UNPACKED),
    FileEvent.STORE: (frozenset({FileState.STAGED}), FileState.STORED),
    FileEvent.HOLD: (frozenset({FileState.STAGED, FileState.STORED}), FileState.HELD),
    FileEvent.TRY_AGAIN: (frozenset({FileState.STORED, FileState.HELD}), FileState.STAGED),
}

NEVER_PUBLISHED = frozenset({FileState.BAD, FileState.UNPACKED})
"""States of files that accepting a batch leaves aside."""

NOT_PUBLISHED = frozenset({FileState.HELD, FileState.BAD})
"""States of files that are left over when the others are published."""


def before(event: FileEvent) -> frozenset[FileState]:
    """Return the states in which an event can happen: what an UPDATE asks for."""
    return _EVENTS[event][0]


def after(event: FileEvent) -> FileState:
    """Return the state after an event: what an UPDATE sets."""
    return _EVENTS[event][1]
