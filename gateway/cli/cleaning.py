"""Cleaning files for `archimed deid`, in this process or over several: one file in, one clean file and its outcome out.

Only what a worker process needs may live here: no options, no printing. Processes start afresh and are given the profile's
text and the key over a pipe, never on a command line.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog import durable
from catalog.pure.errors import Unavailable

if TYPE_CHECKING:
    from deid import Report
    from deid.formats import FileCleaner

_HALVES = frozenset(  # of files that belong together: they keep a name in common
    {
        ".hdr",
        ".img",
        ".par",
        ".rec",
        ".vhdr",
        ".vmrk",
        ".eeg",
        ".mhd",
        ".raw",
        ".zraw",
        ".nhdr",
        ".spar",
        ".sdat",
        ".bval",
        ".bvec",
    }
    | {".json", ".nii", ".gz"}
)
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Order:
    """All that a cleaner is made from, and where clean files go."""

    profile: str
    key: bytes = field(repr=False)
    study: str
    exam: str
    pixels_approved: bool
    overruled: bool
    out: Path

    def cleaner(self) -> "FileCleaner":
        """Make it. A code that is none is a ValueError."""
        from deid import load_profile  # late: other commands do without the standard's tables
        from deid.formats import FileCleaner

        loaded = load_profile(self.profile)
        return FileCleaner(
            loaded, self.key, self.study, self.exam, pixels_approved=self.pixels_approved, overruled=self.overruled
        )


@dataclass(frozen=True, slots=True)
class Task:
    """One file, its number in the order given, and the number of the first half of its pair, or its own."""

    source: Path
    number: int
    pair: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file. `output` is empty where nothing was written."""

    file: int
    output: str = ""
    reason: str = ""
    headers: dict[str, Any] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {"file": self.file, "output": self.output or None, "reason": self.reason, "done": self.done}


def tasks(sources: Sequence[Path]) -> list[Task]:
    """Number the files."""
    pairs: dict[Path, int] = {}
    found = []
    for number, source in enumerate(sources, 1):
        half = source.suffix.lower() in _HALVES
        found.append(Task(source, number, pairs.setdefault(_stem(source), number) if half else number))
    return found


def _stem(source: Path) -> Path:
    """A name without its ending, `.nii.gz` as well."""
    return (source.with_suffix("") if source.suffix.lower() == ".gz" else source).with_suffix("")


def clean(cleaner: "FileCleaner", out: Path, task: Task) -> tuple[Outcome, "Report | None"]:
    """Clean one file.

    Raises:
        OutOfSpace, Unavailable: the folder cannot be written to.
    """
    from deid import DeidError  # late: as above

    part = out / f".{task.number:05d}.part"
    try:
        with durable.translated("cleaning cannot go on"):
            with durable.create_file(part) as target:
                report = cleaner.clean(task.source, target, stem=f"{task.pair:05d}")
            name = _named(out, task, report.ending)
            part.rename(out / name)
    except DeidError as error:
        part.unlink(missing_ok=True)
        return Outcome(task.number, reason=str(error)), None
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    headers = dict(report.headers)
    return Outcome(task.number, name, headers=headers, done=report.summary(), rules=report.by_rule()), report


def _named(out: Path, task: Task, ending: str) -> str:
    """Claim a name: two halves of a pair share a number, unless they have the same ending, also in two processes at once."""
    name = f"{task.pair:05d}{ending}"
    try:
        (out / name).touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        name = f"{task.number:05d}{ending}"
    return name


def over_processes(order: Order, work: Sequence[Task], processes: int) -> Iterator[Outcome]:
    """Clean files over several processes; outcomes come in the order given.

    Raises:
        OutOfSpace, Unavailable: the folder cannot be written to, or a process died.
    """
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _start, (order,))
    try:
        yield from pool.map(_clean, work, chunksize=_AT_ONCE)
    except BrokenProcessPool:
        raise Unavailable("a process that cleaned files was killed, perhaps for want of memory; try --jobs 1") from None
    finally:
        pool.shutdown(cancel_futures=True)


class _Worker:
    """What a worker process keeps between files."""

    order: Order
    cleaner: "FileCleaner"


def _start(order: Order) -> None:
    _Worker.order, _Worker.cleaner = order, order.cleaner()


def _clean(task: Task) -> Outcome:
    outcome, _ = clean(_Worker.cleaner, _Worker.order.out, task)
    return outcome
