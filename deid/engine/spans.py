"""A clean data set as the fast engine builds it: spans of the file as they are, and what is put between them. No decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from deid.engine.nodes import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from deid.engine.nodes import Node, Syntax

Piece: TypeAlias = bytes | memoryview


class Pixels(NamedTuple):
    """A pixel data element as it lies in the file. `value` of an encapsulated one (`undefined`): its items, no delimiter.

    `tables`: the Extended Offset Table and its lengths, where the file has any of them.
    """

    tag: int
    vr: str
    value: memoryview
    undefined: bool = False
    tables: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Clean:
    """A clean file in pieces.

    `header`: all but pixel data; `pixels`: which piece is the pixel data element, if it stayed as it was;
    `nodes`: the top-level elements the caller wanted.
    """

    pieces: list[Piece]
    header: list[Piece]
    pixels: int | None
    nodes: list[Node]


@dataclass(slots=True)
class Level:
    """One data set being copied: `pieces` so far, and where the span not yet copied begins (`start`).

    `begin`: where the data set begins; `means`, `unit`: what a content item measures, and in which unit.
    """

    data: memoryview
    begin: int
    start: int
    means: int = 0  # the attribute of the same meaning
    unit: str = ""
    changed: bool = False
    pieces: list[Piece] = field(default_factory=list)
    kept: set[tuple[int, int]] = field(default_factory=set)  # private blocks of which something stays
    _creators: dict[tuple[int, int], tuple[int, bytes]] = field(default_factory=dict)

    def flush(self, at: int) -> None:
        """Copy what lies before `at` and was not copied yet."""
        if self.start < at:
            self.pieces.append(self.data[self.start : at])
        self.start = at

    def replace(self, at: int, end: int, pieces: Iterable[Piece]) -> None:
        """Put other bytes, or none, in the place of what lies from `at` to `end`."""
        self.flush(at)
        self.pieces.extend(pieces)
        self.start = end
        self.changed = True

    def put(self, at: int, end: int, node: Node, syntax: Syntax) -> None:
        """Put another element in the place of what lies from `at` to `end`."""
        writer = Writer(syntax)
        writer.write([node])
        self.replace(at, end, writer.chunks)

    def hold(self, tag: int, at: int, value: int, end: int) -> bytes:
        """Hold a private creator back: whether it stays depends on what follows in its block."""
        self.flush(at)
        creator = bytes(self.data[value:end])
        self._creators[(tag >> 16, tag & 0xFF)] = (len(self.pieces), creator)
        self.pieces.append(self.data[at:end])
        self.start = end
        return creator

    def creator(self, block: tuple[int, int]) -> bytes | None:
        """Return who a private block (group, block) belongs to; None for nobody."""
        held = self._creators.get(block)
        return None if held is None else held[1]

    def drop_unused_creators(self) -> Iterator[tuple[int, bytes]]:
        """Take out the creators of blocks of which nothing is left: (tag, value) of each."""
        for block, (index, creator) in self._creators.items():
            if block not in self.kept:
                self.pieces[index] = b""
                self.changed = True
                yield block[0] << 16 | block[1], creator
