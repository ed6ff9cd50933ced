"""What was done to one file. Data only; never a value of the file, only keyed hashes of old ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from deid.rules.model import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping


class Action(NamedTuple):
    """One attribute that was changed: where, what was done, by which rule, and a keyed hash of what stood there."""

    path: str
    action: str
    rule: str
    old: str


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one file. `headers` are those of the clean result."""

    headers: Mapping[str, str | int | float]
    actions: tuple[Action, ...] = field(repr=False)
    engine: str = "safe"

    def summary(self) -> dict[str, int]:
        """How many attributes were removed, emptied, mapped, ..."""
        counted = Counter(ACTIONS[action.action] for action in self.actions)
        return dict(sorted(counted.items()))
