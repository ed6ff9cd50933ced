"""What was done to one file. Data only; never a value of the file, only keyed hashes of old ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from deid.rules.model import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Action(NamedTuple):
    """One attribute that was changed: where, what was done, by which rule, and a keyed hash of what stood there."""

    path: str
    action: str
    rule: str
    old: str


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one file. `headers` are those of the clean result; `ending` is what a name for it should end in."""

    headers: Mapping[str, str | int | float]
    actions: tuple[Action, ...] = field(repr=False)
    engine: str = "safe"
    ending: str = ".dcm"

    def summary(self) -> dict[str, int]:
        """How many attributes were removed, emptied, mapped, ..."""
        counted = Counter(ACTIONS[action.action] for action in self.actions)
        return dict(sorted(counted.items()))

    def by_rule(self) -> dict[str, int]:
        """How many attributes each rule changed, and how: ``2026c Z: empty``."""
        counted = Counter(f"{action.rule}: {ACTIONS[action.action]}" for action in self.actions)
        return dict(sorted(counted.items()))


@dataclass(frozen=True, slots=True)
class SeriesSum:
    """What was done to the files of one series, for its reviewer. Only clean values: nothing of the originals."""

    number: int | None
    file_type: str
    description: str
    files: int
    done: Mapping[str, int]


def per_series(results: Iterable[tuple[Mapping[str, str | int | float], Mapping[str, int]]]) -> list[SeriesSum]:
    """Sum what was done over the files of each series. Takes each file's clean headers and `Report.summary` or `by_rule`."""
    heads: dict[tuple[str, str], Mapping[str, str | int | float]] = {}
    files: Counter[tuple[str, str]] = Counter()
    done: dict[tuple[str, str], Counter[str]] = {}
    for headers, counts in results:
        series = (_file_type(headers), str(headers.get("SeriesInstanceUID", "")))
        heads.setdefault(series, headers)
        files[series] += 1
        done.setdefault(series, Counter()).update(counts)
    sums = [_sum(kind, heads[kind, uid], files[kind, uid], done[kind, uid]) for kind, uid in heads]
    return sorted(sums, key=lambda each: (each.number is None, each.number or 0, each.file_type, each.description))


def _file_type(headers: Mapping[str, str | int | float]) -> str:
    return str(headers.get("FileType") or f"DCM_{headers.get('Modality', 'OT')}")


def _sum(kind: str, headers: Mapping[str, str | int | float], files: int, done: Counter[str]) -> SeriesSum:
    number = headers.get("SeriesNumber")
    description = str(headers.get("SeriesDescription") or headers.get("ProtocolName") or "")
    return SeriesSum(number if isinstance(number, int) else None, kind, description, files, dict(sorted(done.items())))
