"""Cleaning a tree of nodes by a policy. Structure only: verdicts come from `rules.policy`, values from `rules.values`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid.engine.nodes import Element, Item, Sequence, find, item_path, replaced, tag_text
from deid.errors import Held, Unreadable
from deid.rules import codes, concepts, fitting
from deid.rules.policy import BULK, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence as Seq

    from deid.engine.nodes import Node
    from deid.rules.policy import Policy
    from deid.rules.values import Values

DEEPEST = 64
PIXEL_DATA, _WAVEFORM = 0x7FE00010, 0x54001010
_ORPHAN = Verdict("X", "private, of nobody", "UN")
_UNENDING = Verdict("X", "of no length, and no pixel data", "UN")
_ODD_SEQUENCE = Verdict("X", "a sequence where none should be", "UN")


class Walk:
    """Cleans the data sets of one file, at any depth. `overruled`: a named human lets pass what only looks wrong.

    `listened`: a named human knows what the samples of waveforms are.
    """

    def __init__(self, policy: Policy, values: Values, *, overruled: bool = False, listened: bool = False) -> None:
        self._policy = policy
        self._overruled = overruled
        self._listened = listened
        self._values = values

    def clean(self, nodes: Seq[Node], prefix: str = "", depth: int = 0, means: int = 0) -> list[Node]:
        """The clean data set. Private creators stay only where something of their block stays.

        `means`: the attribute whose meaning the values of this item have (see `rules.concepts`).
        """
        if depth > DEEPEST:
            raise Unreadable("sequences nested too deep")
        coded = codes.replacements(_code(nodes), self._values.known)
        means, unit = _meant(nodes) or means, _unit(nodes)
        creators: dict[tuple[int, int], Element] = {}
        kept_blocks: set[tuple[int, int]] = set()
        out: list[Node] = []
        for node in nodes:
            tag = node.tag
            if tag >> 16 & 1:
                if isinstance(node, Element) and 0x10 <= tag & 0xFFFF <= 0xFF:
                    creators[(tag >> 16, tag & 0xFF)] = node
                    continue
                block = (tag >> 16, tag >> 8 & 0xFF)
                new = self._node(node, self._private(node, creators.get(block)), prefix, depth, 0)
                if new is not None:
                    kept_blocks.add(block)
            elif tag in coded and isinstance(node, Element):
                new = Element(tag, node.vr, coded[tag])
            else:
                is_concept = bool(means) and tag in concepts.VALUES
                verdict = self._policy.concept(means, tag, node.vr, unit) if is_concept else self._policy.standard(tag, node.vr)
                new = self._node(node, verdict, prefix, depth, means if tag == concepts.MEASURED else 0)
            if new is not None:
                out.append(new)
        out.extend(creators[block] for block in kept_blocks if block in creators)
        self._drop_creators(creators, kept_blocks, prefix)
        out.sort(key=lambda node: node.tag)
        return out

    def _private(self, node: Node, creator: Element | None) -> Verdict:
        if creator is None:
            return _ORPHAN
        return self._policy.private(node.tag, node.vr, creator.value)

    def _drop_creators(self, creators: dict[tuple[int, int], Element], kept: set[tuple[int, int]], prefix: str) -> None:
        for block, node in creators.items():
            if block not in kept:
                self._values.note(_ORPHAN, node.tag, prefix + tag_text(node.tag), node.value, kept=False)

    def _node(self, node: Node, verdict: Verdict, prefix: str, depth: int, means: int) -> Node | None:
        if isinstance(node, Sequence):
            return self._sequence(node, verdict, prefix, depth, means)
        if verdict.vr == "SQ" and verdict.action != "X":
            verdict = Verdict("X", "a sequence that cannot be looked into", "UN")
        if node.undefined and node.tag != PIXEL_DATA:
            verdict = _UNENDING
        if verdict.action == "K" and node.tag in BULK and not fitting.fits(verdict.vr, node.value):
            path = prefix + tag_text(node.tag)
            if not (self._overruled or (self._listened and node.tag == _WAVEFORM)):
                raise Held("a text where samples should be", path)
            self._values.ledger.actions.append((path, "K", "overruled: a text where samples should be", ""))
        new = self._values.clean(verdict, node.tag, node.value)
        if new is node.value:
            return node
        self._values.note(verdict, node.tag, prefix + tag_text(node.tag), node.value, kept=new is not None)
        return None if new is None else Element(node.tag, node.vr, new)

    def _sequence(self, node: Sequence, verdict: Verdict, prefix: str, depth: int, means: int) -> Sequence | None:
        if verdict.action in "XZ" or verdict.vr not in ("SQ", "UN") or verdict.code:
            if verdict.action not in "XZ" and not verdict.code:
                verdict = _ODD_SEQUENCE
            self._values.note(verdict, node.tag, prefix + tag_text(node.tag), b"", kept=verdict.code is not None)
            self._lost(node, prefix, depth)
            return None if verdict.action == "X" else replaced(node.tag, verdict.code)
        items = [
            Item(self.clean(item.nodes, item_path(prefix, node.tag, index), depth + 1, means), item.undefined)
            for index, item in enumerate(node.items)
        ]
        return Sequence(node.tag, items, node.undefined)

    def _lost(self, node: Sequence, prefix: str, depth: int) -> None:
        """Note the identities in a sequence that goes as a whole: they must not turn up elsewhere."""
        if depth > DEEPEST:
            raise Unreadable("sequences nested too deep")
        for index, item in enumerate(node.items):
            inner = item_path(prefix, node.tag, index)
            for child in item.nodes:
                if isinstance(child, Sequence):
                    self._lost(child, inner, depth + 1)
                elif not child.tag >> 16 & 1:
                    verdict = self._policy.standard(child.tag, child.vr)
                    if verdict.action != "K" and verdict.kind != "class":
                        self._values.remember(verdict.vr, child.tag, child.value)


def _code(nodes: Seq[Node]) -> dict[int, bytes]:
    """The elements of a data set that make it a code."""
    return {node.tag: node.value for node in nodes if node.tag in codes.ELEMENTS and isinstance(node, Element)}


def _first_code(nodes: Seq[Node], tag: int) -> dict[int, bytes]:
    """The code that is the first item of a sequence."""
    sequence = find(list(nodes), tag)
    return _code(sequence.items[0].nodes) if isinstance(sequence, Sequence) and sequence.items else {}


def _meant(nodes: Seq[Node]) -> int:
    return codes.meant(_first_code(nodes, concepts.CONCEPT_NAME))


def _unit(nodes: Seq[Node]) -> str:
    return codes.unit(_first_code(nodes, concepts.UNITS))
