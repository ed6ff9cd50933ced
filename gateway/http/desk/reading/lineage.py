"""Where results come from, as boxes in columns and lines between them. Pure: it is drawn by a template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, ACROSS, DOWN = 260, 44, 340, 60
_LONGEST = 32


@dataclass(frozen=True, slots=True)
class Box:
    """A series in the graph: where its upper left corner is, and what stands under its name."""

    name: str
    x: int
    y: int
    program: str = ""

    @property
    def shown(self) -> str:
        """The name as far as it fits."""
        return self.name if len(self.name) <= _LONGEST else self.name[: _LONGEST - 1] + "…"


@dataclass(frozen=True, slots=True)
class Graph:
    """Boxes by their names, and lines from a source to what was made of it."""

    boxes: Sequence[Box]
    lines: Sequence[tuple[Box, Box]]

    @property
    def width(self) -> int:
        """How wide it is."""
        return max((box.x for box in self.boxes), default=0) + WIDTH

    @property
    def height(self) -> int:
        """How high it is."""
        return max((box.y for box in self.boxes), default=0) + HEIGHT


def graph(made_of: Mapping[str, Sequence[str]], programs: Mapping[str, str]) -> Graph:
    """Return the graph of results and their sources.

    Args:
        made_of: by the name of a result, the names of what it was made of.
        programs: by the name of a result, the program that made it.
    """
    depths: dict[str, int] = {}

    def depth(name: str, above: frozenset[str]) -> int:
        if name not in depths:
            sources = [one for one in made_of.get(name, ()) if one not in above]  # who brings results may say anything
            depths[name] = 1 + max((depth(one, above | {name}) for one in sources), default=-1)
        return depths[name]

    for name in made_of:
        depth(name, frozenset({name}))
    rows: dict[int, int] = {}
    boxes: dict[str, Box] = {}
    for name in sorted(depths, key=lambda one: (depths[one], one)):
        column = depths[name]
        boxes[name] = Box(name, column * ACROSS, rows.get(column, 0) * DOWN, programs.get(name, ""))
        rows[column] = rows.get(column, 0) + 1
    lines = [(boxes[source], boxes[name]) for name, sources in made_of.items() for source in sources if source in boxes]
    return Graph(list(boxes.values()), lines)
