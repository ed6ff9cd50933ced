"""States, times, sizes and findings as people read them. Pure: a time comes as an argument."""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalog.pure.batches import State
from catalog.pure.checks import Severity

STATES = {
    State.OPEN: "files still come in",
    State.SEALED: "being checked",
    State.CHECKED: "waits for a decision",
    State.ACCEPTED: "being published",
    State.PUBLISHED: "published",
    State.FAILED: "could not be published, waits for a decision",
    State.REJECTED: "rejected",
    State.ERASED: "rejected and erased",
}
SEVERITIES = {
    Severity.ERROR: "stays out",
    Severity.BLOCKING: "needs a reason",
    Severity.WARNING: "look first",
    Severity.NOTE: "note",
}
MEANINGS = {
    Severity.ERROR: "These files stay out; the others can be accepted.",
    Severity.BLOCKING: "The batch is accepted only with a reason.",
    Severity.WARNING: "Look at this before you accept.",
    Severity.NOTE: "",
}
TITLES = {
    "readable": "Cannot be read",
    "publishable": "Cannot be published",
    "vouched": "Somebody must vouch for it",
    "finished": "Perhaps cut off",
    "complete": "Its other half is missing",
    "one_patient": "Several patients",
    "one_study": "Several DICOM studies",
    "duplicates": "There already",
    "burned_in": "Images or sound may tell who it is",
    "consistent": "Announced as another instance",
    "has_pixels": "An image without pixels",
    "name_identifies": "The file's name may tell who it is",
    "result_tells": "The result's text may tell who it is",
    "gaps": "Missing from the numbering",
    "slices": "Missing slices",
    "exam_code": "An unusual exam code",
    "protocol": "Not as the study expects",
    "siblings": "Smaller than in other exams",
    "profile": "The study's profile cannot be used",
    "disc": "Not as the disc's index says",
    "left_out": "Not all of what was brought is here",
    "unpacked": "Archives were unpacked",
    "publish": "Held when it was published",
}
HTTP_ERRORS = {
    404: "there is no such page; the batch may not be yours to see",
    405: "there is nothing to do here in that way",
    413: "what was sent is too large for a form of this page",
}
_MOST_FILES = 12
_BATCH = re.compile(r"`?archimed staging show \d*( --json)?`?")
_COMMANDS = (
    ("Accept it with --pixels-approved if you looked at the images, with --attest REASON if you know what is in it",
     "Tick “I looked through the images” if you did, or vouch for it if you know what is in it"),
    ("Accept the series of one patient with --series", "Accept the series of one patient by their ticks"),
    ("accept it with --despite REASON", "accept it despite that, with a reason"),
    ("accepted with --pixels-approved", "with “I looked through the images” ticked"),
    ("--pixels-approved", "“I looked through the images”"),
    ("with another --exam, or with --despite REASON", "with another exam code, or despite that, with a reason"),
    ("give another, or --despite REASON", "give another, or say why it is right all the same"),
    ("say why: --reason TEXT", "say why"),
    ("--despite REASON", "a reason to accept it all the same"),
    ("; see `archimed staging list`", ""),
    ("; see `archimed study list`", "; choose one of yours"),
    ("`archimed staging restore` brings it back to the gate", "it can be restored to the gate"),
)  # fmt: skip
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def plain(text: str) -> str:
    """Return text without what would steer a page or its reader: control and direction characters, bytes that are no text."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def for_the_web(message: str) -> str:
    """Return a message that speaks of commands as the desk says it."""
    for command, words in _COMMANDS:
        message = message.replace(command, words)
    return _BATCH.sub("the page of the batch", message)


def sentence(text: str) -> str:
    """Return text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def ago(then: int | None, now: int) -> str:
    """Return how long ago a time was; '' for none."""
    if then is None:
        return ""
    seconds = max(0, now - then)
    for unit, length, most in (("min", _MINUTE, _HOUR), ("h", _HOUR, 2 * _DAY), ("days", _DAY, None)):
        if seconds < length:
            return "just now"
        if most is None or seconds < most:
            return f"{seconds // length} {unit} ago"
    raise AssertionError  # pragma: no cover - the last unit has no end


def minute(then: int | None) -> str:
    """Return a time in UTC to the minute as a table has it, all of one zone; '' for none."""
    return dt.datetime.fromtimestamp(then, dt.UTC).strftime("%Y-%m-%d %H:%M") if then is not None else ""


def moment(then: int | None) -> str:
    """Return a time in UTC to the minute; '' for none."""
    return dt.datetime.fromtimestamp(then, dt.UTC).strftime("%Y-%m-%d %H:%M UTC") if then is not None else ""


def day(then: int | None) -> str:
    """Return a time's day in UTC; '' for none."""
    return dt.datetime.fromtimestamp(then, dt.UTC).strftime("%Y-%m-%d") if then is not None else ""


def size(count: int) -> str:
    """Return a number of bytes in the unit that suits it."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def counted(number: int, what: str) -> str:
    """Return `1 file`, `2 files`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def counts(found: Mapping[str, int]) -> str:
    """Return counts by what they count, in a line."""
    return ", ".join(f"{count} {what}" for what, count in found.items())


@dataclass(slots=True)
class Said:
    """One message of a check, and the files it was said of; `more` of them are not named."""

    message: str
    series: str
    files: list[int] = field(default_factory=list)
    more: int = 0


@dataclass(slots=True)
class Group:
    """What one check said at one severity."""

    check: str
    severity: Severity
    said: list[Said] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What the check is about."""
        return TITLES.get(self.check, self.check.replace("_", " "))

    @property
    def word(self) -> str:
        """The severity in plain words."""
        return SEVERITIES[self.severity]


def grouped(findings: Iterable[Mapping[str, Any]]) -> list[Group]:
    """Return findings by check, the gravest first; the same message on many files is said once."""
    groups: dict[tuple[str, str], Group] = {}
    known: dict[tuple[str, str, str], Said] = {}
    for finding in findings:
        severity, check = finding["severity"], finding["check"]
        group = groups.setdefault((severity, check), Group(check, Severity(severity)))
        message, series = sentence(for_the_web(finding["message"])), finding.get("series", "")
        said = known.get((severity, check, message))
        if said is None:
            said = known[severity, check, message] = Said(message, series)
            group.said.append(said)
        elif said.series != series:
            said.series = ""
        if finding["file"] is not None:
            if len(said.files) < _MOST_FILES:
                said.files.append(finding["file"])
            else:
                said.more += 1
    order = list(Severity)
    return sorted(groups.values(), key=lambda group: order.index(group.severity))


def severities(findings: Iterable[Mapping[str, Any]]) -> Sequence[tuple[Severity, int]]:
    """Return how many findings there are of each severity, the gravest first."""
    found = [finding["severity"] for finding in findings]
    return [(severity, found.count(severity)) for severity in Severity if severity in found]


FILTERS: dict[str, Callable[..., str]] = {
    "ago": ago,
    "counted": counted,
    "counts": counts,
    "day": day,
    "minute": minute,
    "moment": moment,
    "sentence": sentence,
    "severity": lambda severity: SEVERITIES[severity],
    "meaning": lambda severity: MEANINGS[severity],
    "size": size,
    "state": lambda state: STATES[state],
    "web": for_the_web,
}
