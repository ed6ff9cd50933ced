"""What the rules of the gate see of a file, and what they say. Data only."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple


class Severity(StrEnum):
    """What a finding means for the decision."""

    ERROR = "error"  # this file stays out; the rest can be accepted
    BLOCKING = "blocking"  # the batch is accepted only by a human who gives a reason
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `file` is the staged file's number, None for the batch; `series` a series' label, '' for none.

    `batch` is another batch that it speaks of: only who sees that one too is shown it. `of_study`: it speaks of what the study
    has or expects, and is void when the batch is meant for another study.
    """

    check: str
    severity: Severity
    message: str
    file: int | None = None
    series: str = ""
    batch: int | None = None
    of_study: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)


class Position(NamedTuple):
    """Where an image lies: which way its plane looks, and how far along that way it is, in hundredths of a millimetre."""

    direction: tuple[int, ...]
    distance: int


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What the rules see of a staged file. Digests are keyed; '' where the file says nothing.

    `problem` says why the file stays out, '' if it does not; if it does, nothing else is known of it. `series` is the label of
    its series in the batch, `number` its instance number. `elsewhere` are the other batches that have the same
    instance; `archived` the exam of the study that has it already, '' if none. `held` says why it could not be published,
    whoever vouched for it, `waits` why it is held unless a reviewer vouches,
    `burned_in` why its pixels may show an identity. `name_identifies`: its original name looks as if it held one;
    `tells_people` and `tells_dates` say what in a result may; `lacks` the endings of files that are missing beside it.
    `is_unfinished`: whoever wrote it ended before closing it.
    """

    file: int
    problem: str = ""
    instance: str = ""
    patient: str = ""
    study: str = ""
    series: str = ""
    file_type: str = ""
    number: int | None = None
    position: Position | None = None
    same_in_meta: bool = True
    lacks_pixels: bool = False
    elsewhere: Sequence[int] = ()
    archived: str = ""
    held: str = ""
    waits: str = ""
    burned_in: str = ""
    name_identifies: bool = False
    tells_people: str = ""
    tells_dates: str = ""
    lacks: str = ""
    is_unfinished: bool = False


class Rule:
    """One check. It is shown every file of a batch, once each, and then asked what is left to say."""

    name: ClassVar[str]
    severity: ClassVar[Severity]

    def see(self, file: CheckedFile) -> Iterable[Finding]:
        """Return what is to be said of this file, now."""
        return ()

    def know_archived(self, series: str, numbers: Collection[int]) -> None:
        """Learn which instance numbers the exam has already of a series of the batch, at least one, before the end."""

    def end(self) -> Iterable[Finding]:
        """Return what is to be said when all files were seen."""
        return ()

    def says(self, message: str, file: int | None = None, series: str = "") -> Finding:
        """Return a finding of this rule."""
        return Finding(self.name, self.severity, message, file, series)


def of_series(label: str) -> str:
    """Return how a message calls a series."""
    return f"series {label}" if label else "the files of no series"


def counted(number: int, what: str) -> str:
    """Return `1 file`, `2 files`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
