"""Dropped files: the tree that people put them into, the names that may be given in it, and when a batch counts as quiet.

    <study>/<exam>/...               what one user brings for an exam: the union of their batches for it
    <study>/<exam>/_REPORT.txt       what the checks say of them
    <study>/_review/<batch>/...      what others brought, for who reviews it

Only rules may live here. A place is a tuple of names from the root; names are text in which half characters stand for bytes
that are no UTF-8 (PEP 383), since files come under any name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from catalog.pure.batches import State
from catalog.pure.errors import Invalid, Refused, TooLong
from catalog.pure.names import MAX_NAME_BYTES, folded

Place: TypeAlias = tuple[str, ...]

REPORT = "_REPORT.txt"
REVIEW = "_review"

# Until it is published or erased, a batch is seen where it was dropped.
SHOWN = (State.OPEN, State.SEALED, State.CHECKED, State.ACCEPTED, State.FAILED)
REVIEWED = (State.SEALED, State.CHECKED, State.ACCEPTED, State.FAILED)

EXAM_DEPTH = 2
"""So many names lead to an exam's folder."""
MOST_NAMES = 100
"""So many names lead at most from an exam's folder to what lies below it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder as its user sees it.

    `is_sealed`: it can be read and not be changed. `is_unfinished`: who wrote it has not closed it, or died doing so. `inode`
    tells two files of the same name apart; a study's is its row, that of other folders 0.
    """

    name: str
    is_folder: bool
    size: int
    mtime_ns: int
    is_sealed: bool
    is_unfinished: bool = False
    inode: int = 0


def encoded(name: str) -> bytes:
    """Return a name as the file system has it.

    Raises:
        Invalid: no file can have that name.
        TooLong: it is too long.
    """
    try:
        raw = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Invalid("a name holds characters that no file system takes; give another") from None
    if raw in {b"", b".", b".."} or b"/" in raw or b"\0" in raw:
        raise Invalid("a name may not be empty, `.` or `..`, nor hold a slash; give another")
    if len(raw) > MAX_NAME_BYTES:
        raise TooLong(f"a name is longer than {MAX_NAME_BYTES} bytes; give a shorter one")
    return raw


def decoded(raw: bytes) -> str:
    """Return a file system's name as text."""
    return raw.decode("utf-8", "surrogateescape")


def check_changeable(place: Place) -> None:
    """Check that people may make or change something at a place: a file or folder in an exam.

    Raises:
        Refused: the place is the system's.
        TooLong: too many folders lie above it.
    """
    if len(place) <= EXAM_DEPTH or place[1] == REVIEW:
        raise Refused("only what lies in <study>/<exam>/ can be changed")
    if len(place) == EXAM_DEPTH + 1 and folded(place[EXAM_DEPTH]) == folded(REPORT):
        raise Refused(f"{REPORT} is written by the checks; give your file another name")
    check_depth(len(place) - EXAM_DEPTH)


def check_depth(names: int) -> None:
    """Check that no more names lead from an exam's folder to something than programs can follow.

    Raises:
        TooLong: too many do.
    """
    if names > MOST_NAMES:
        raise TooLong(f"folders are nested more than {MOST_NAMES} deep; bring what lies below in a folder further up")


def merged(layers: Sequence[Iterable[Entry]]) -> list[Entry]:
    """Return what a folder shows that lies in several batches, in the order of names.

    Args:
        layers: what it holds in each, sealed ones first: what is sealed is never hidden by what came later. Folders of the same
            name are one, which cannot be removed or renamed as long as a sealed batch has it.
    """
    found: dict[str, Entry] = {}
    for layer in layers:
        for entry in layer:
            known = found.get(entry.name)
            if known is None:
                found[entry.name] = entry
            elif known.is_folder and entry.is_folder:
                found[entry.name] = replace(known, mtime_ns=max(known.mtime_ns, entry.mtime_ns))
    return sorted(found.values(), key=lambda entry: entry.name)


def is_quiet(last_change: float, now: float, quiet_seconds: float) -> bool:
    """Whether nothing was written for long enough. A change that lies in the future (a clock was set back) is a new one."""
    return now - last_change >= 0 and now - last_change >= quiet_seconds
