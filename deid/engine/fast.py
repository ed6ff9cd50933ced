"""The fast engine: walks little-endian headers, copies what stays untouched as whole spans, never reads pixel data.

Only structure lives here: verdicts come from the policy, values from `rules.values`, as for the safe engine, which must give
the same bytes. Whatever is unusual raises `NotFast`, and the safe engine takes the file: this module never guesses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from deid.engine import lookahead
from deid.engine.lookahead import fits
from deid.engine.nodes import ITEM, ITEM_END, LUTS, SEQUENCE_END, UNDEFINED, Element, item_path, replaced, tag_text
from deid.engine.safe import DEEPEST
from deid.engine.scan import OTHER_PIXELS, PIXELS, Headers, NotFast, Opened
from deid.engine.spans import Clean, Level, Pixels
from deid.rules import codes, concepts
from deid.rules.policy import BULK, MOST_SEEN, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from deid.engine.nodes import Node
    from deid.engine.spans import Piece
    from deid.rules.policy import Policy
    from deid.rules.values import Values

    Trim: TypeAlias = Callable[[Pixels], list[Piece] | None]

_DOCUMENT = 0x00420011
_OVERLAY_BITS = 0x60000100
_OFFSET_TABLES = (0x7FE00001, 0x7FE00002)
_MEASURED = OTHER_PIXELS | LUTS.keys()
_SAMPLES = frozenset({0x54001010, 0x60003000, 0x50003000})  # waveform, overlay, curve: the safe engine knows their size
# Marks that take the place of what the file said: who it is about, and what masking changed (see `deid.pixels`).
_REPLACED = frozenset({0x00100010, 0x00100020, 0x00280004, 0x00280006, 0x00280301, 0x00282110})
_ORPHAN = Verdict("X", "private, of nobody", "UN")
_ODD_SEQUENCE = Verdict("X", "a sequence where none should be", "UN")
_UNSEEN_SEQUENCE = Verdict("X", "a sequence that cannot be looked into", "UN")


class Engine:
    """Cleans one file. `marks`: encoded elements to put in at the top level, by tag; `wanted`: top-level tags to hand back.

    `trim`: gives the value of a pixel data element with nothing but the picture in it, or None if it stays as it is.
    """

    def __init__(
        self,
        opened: Opened,
        policy: Policy,
        values: Values,
        marks: Mapping[int, bytes],
        wanted: Callable[[int], bool],
        trim: Trim,
    ) -> None:
        self._data = opened.data
        self._headers = Headers(opened)
        self._opened = opened
        self._policy = policy
        self._values = values
        self._marks = dict(sorted(marks.items()))
        self._wanted = wanted
        self._trim = trim
        self._nodes: list[Node] = []
        self._offsets: list[bytes] = []
        self._stay = policy.stay

    def clean(self) -> Clean:
        """The whole data set."""
        level = Level(self._data, self._opened.start, self._opened.start)
        bulk: list[int] = []
        marks = iter(self._marks.items())
        mark = next(marks, None)
        at, end, last = self._opened.start, self._headers.end, 0
        coded = self._coded(at, end, UNDEFINED)
        while at < end:
            try:
                tag, vr, value, length = self._headers.element(at, end)
            except NotFast:
                if last == PIXELS:
                    self._cut(level, at, end)
                    break
                raise
            if tag <= last:
                if last == PIXELS:
                    self._cut(level, at, end)
                    break
                raise NotFast
            while mark is not None and mark[0] <= tag:
                level.flush(at)
                level.pieces.append(mark[1])
                if mark[0] == tag and tag not in _REPLACED:
                    raise NotFast  # marked before: what is there must be added to
                level.changed = True
                mark = next(marks, None)
            last = tag
            if tag == _DOCUMENT or (tag & 0xFF00FFFF == _OVERLAY_BITS and bytes(self._data[value : value + 2]) != b"\1\0"):
                raise NotFast  # whether it may pass is decided on the whole file
            stays = (tag, vr) in self._stay and tag != PIXELS and tag not in coded and tag not in self._marks
            if stays and not self._wanted(tag) and fits(self._data, vr, value, length):
                at = value + length
                continue
            if tag in OTHER_PIXELS:
                self._other_pixels(tag, vr, value, length)
            if tag == PIXELS:
                at = self._pixels(level, bulk, (at, vr, value, length))
            else:
                at = self._element(level, (at, tag, vr, value, length), coded, "", 0)
        level.flush(min(at, end))
        level.pieces.extend(piece for _, piece in ([mark] if mark else []))
        level.pieces.extend(piece for _, piece in marks)
        self._settle(level, "")
        header = [piece for index, piece in enumerate(level.pieces) if index not in bulk]
        return Clean(level.pieces, header, bulk[0] if bulk else None, self._nodes)

    def _cut(self, level: Level, at: int, end: int) -> None:
        """Drop what follows the pixel data and is no element: nobody knows what it is."""
        self._values.ledger.actions.append(("tail", "X", "bytes after the data set", ""))
        level.replace(at, end, ())

    def _pixels(self, level: Level, bulk: list[int], element: tuple[int, str, int, int]) -> int:
        at, vr, value, length = element
        verdict = self._policy.standard(PIXELS, vr)
        if verdict.action != "K":
            raise NotFast
        after = self._headers.fragments(value) if length == UNDEFINED else value + length
        undefined = length == UNDEFINED
        data = self._data[value : after - 8 if undefined else after]
        trimmed = self._trim(Pixels(PIXELS, vr, data, undefined, tuple(self._offsets)))
        level.flush(at)
        bulk.append(len(level.pieces))
        if trimmed is None:
            level.pieces.append(self._data[at:after])
        else:
            size = UNDEFINED if undefined else sum(map(len, trimmed))
            end = self._data[after - 8 : after] if undefined else b""
            level.pieces += [bytes(self._data[at : value - 4]) + size.to_bytes(4, "little"), *trimmed, end]
            bulk += range(bulk[0] + 1, len(level.pieces))
        level.start, level.changed = after, level.changed or trimmed is not None
        return after

    def _other_pixels(self, tag: int, vr: str, value: int, length: int) -> None:
        """Remember offset tables; samples in floating point are cut, if they must be, by the safe engine."""
        if tag in _OFFSET_TABLES:
            self._offsets.append(bytes(self._data[value : value + length]))
        elif self._trim(Pixels(tag, vr, self._data[value : value + length])) is not None:
            raise NotFast

    def _coded(self, at: int, end: int, length: int) -> Mapping[int, bytes]:
        """What the codes of this data set shall say, if it is a code (they come first in an item)."""
        return codes.replacements(lookahead.code(self._headers, at, end, length), self._values.known)

    def _dataset(self, at: int, end: int, length: int, prefix: str, depth: int, means: int) -> tuple[int, list[Piece] | None]:
        """(where the item's elements end, its pieces or None if nothing changed)."""
        if depth > DEEPEST:
            raise NotFast
        level = Level(self._data, at, at, means)
        coded = self._coded(at, end, length)
        last, stay = 0, self._stay
        while at < end:
            if length == UNDEFINED and self._headers.item(at, end)[0] == ITEM_END:
                break
            tag, vr, value, size = self._headers.element(at, end)
            if tag <= last or (size == UNDEFINED and vr != "SQ"):
                raise NotFast
            last = tag
            if (tag, vr) in stay and tag not in coded and not (level.means and tag in concepts.VALUES):
                if not fits(self._data, vr, value, size):
                    at = self._element(level, (at, tag, vr, value, size), coded, prefix, depth)
                    continue
                at = value + size
                continue
            at = self._element(level, (at, tag, vr, value, size), coded, prefix, depth)
        else:
            if length == UNDEFINED:
                raise NotFast
        level.flush(at)
        self._settle(level, prefix)
        return at, level.pieces if level.changed else None

    def _element(
        self, level: Level, element: tuple[int, int, str, int, int], coded: Mapping[int, bytes], prefix: str, depth: int
    ) -> int:
        at, tag, vr, value, length = element
        if tag >> 16 & 1:
            if 0x10 <= tag & 0xFFFF <= 0xFF and vr != "SQ":
                creator = level.hold(tag, at, value, value + length)
                if not depth and self._wanted(tag):
                    self._nodes.append(Element(tag, vr, creator))
                return value + length
            block = (tag >> 16, tag >> 8 & 0xFF)
            owner = level.creator(block)
            verdict = _ORPHAN if owner is None else self._policy.private(tag, vr, owner)
        else:
            block = None
            if tag in coded and vr != "SQ":
                if coded[tag] != bytes(self._data[value : value + length]):
                    level.put(at, value + length, Element(tag, vr, coded[tag]), self._opened.syntax)
                return value + length
            verdict = self._standard_or_concept(level, tag, vr)
        if vr == "SQ":
            if tag == concepts.CONCEPT_NAME:
                level.means = codes.meant(lookahead.first_code(self._headers, value, length))
            elif tag == concepts.UNITS:
                level.unit = codes.unit(lookahead.first_code(self._headers, value, length))
            after, stays = self._sequence(level, element, verdict, prefix, depth)
        else:
            after, stays = value + length, self._value(level, element, verdict, prefix, depth)
        if stays and block is not None:
            level.kept.add(block)
        return after

    def _standard_or_concept(self, level: Level, tag: int, vr: str) -> Verdict:
        if level.means and tag in concepts.VALUES:
            return self._policy.concept(level.means, tag, vr, level.unit)
        return self._policy.standard(tag, vr)

    def _settle(self, level: Level, prefix: str) -> None:
        """Take out the creators of blocks of which nothing is left."""
        for tag, creator in level.drop_unused_creators():
            self._values.note(_ORPHAN, tag, prefix + tag_text(tag), creator, kept=False)

    def _value(self, level: Level, element: tuple[int, int, str, int, int], verdict: Verdict, prefix: str, depth: int) -> bool:
        at, tag, vr, value, length = element
        if verdict.action == "X" and tag not in self._marks:
            self._values.note(verdict, tag, prefix + tag_text(tag), bytes(self._data[value : value + length]), kept=False)
            level.replace(at, value + length, ())
            return False
        if verdict.action != "X":
            self._require_size(level, at, tag, length, depth)
        wanted = not depth and self._wanted(tag)
        marked = not depth and tag in self._marks
        if verdict.action == "K" and verdict.vr != "AS" and not marked and fits(self._data, verdict.vr, value, length):
            if not tag >> 16 & 1 and tag not in _MEASURED and len(self._stay) < MOST_SEEN:
                self._stay.add((tag, vr))
            if not wanted:
                return True
        if verdict.action == "K" and tag in BULK and not fits(self._data, verdict.vr, value, length):
            raise NotFast  # the safe engine holds it, and says where
        if verdict.vr == "SQ" and verdict.action != "X":
            verdict = _UNSEEN_SEQUENCE
        old = bytes(self._data[value : value + length])
        new = self._values.clean(verdict, tag, old)
        if new is not old:
            self._values.note(verdict, tag, prefix + tag_text(tag), old, kept=new is not None)
        if marked or new is None:
            level.replace(at, value + length, ())
        elif new != old:
            level.put(at, value + length, Element(tag, vr, new), self._opened.syntax)
        if wanted and new is not None:
            self._nodes.append(Element(tag, vr, new))
        return new is not None

    def _require_size(self, level: Level, at: int, tag: int, length: int, depth: int) -> None:
        """`NotFast` for bulk data that may be longer than its description, or is described by what was not read here."""
        if tag & 0xFF00FFFF in _SAMPLES or (depth and (tag == PIXELS or tag in OTHER_PIXELS)):
            raise NotFast
        if tag in LUTS and not lookahead.lut_fits(self._headers, level.begin, at, tag, length):
            raise NotFast

    def _sequence(
        self, level: Level, element: tuple[int, int, str, int, int], verdict: Verdict, prefix: str, depth: int
    ) -> tuple[int, bool]:
        """(where it ends, whether it stays)."""
        at, tag, _, value, length = element
        end = self._headers.end if length == UNDEFINED else value + length
        if verdict.action in "XZ" or verdict.vr not in ("SQ", "UN") or verdict.code:
            if verdict.action not in "XZ" and not verdict.code:
                verdict = _ODD_SEQUENCE
            self._values.note(verdict, tag, prefix + tag_text(tag), b"", kept=verdict.code is not None)
            after = self._lost(tag, value, length, end, prefix, depth)
            if verdict.action == "X":
                level.replace(at, after, ())
            else:
                level.put(at, after, replaced(tag, verdict.code), self._opened.syntax)
            return after, verdict.action != "X"
        pieces, after, changed = self._items(element, end, prefix, depth, level.means if tag == concepts.MEASURED else 0)
        if changed:
            header = bytes(self._data[at : value - 4])
            size = UNDEFINED if length == UNDEFINED else sum(map(len, pieces))
            level.replace(at, after, [header + size.to_bytes(4, "little"), *pieces])
        return after, True

    def _items(
        self, element: tuple[int, int, str, int, int], end: int, prefix: str, depth: int, means: int
    ) -> tuple[list[Piece], int, bool]:
        _, tag, _, value, length = element
        pieces: list[Piece] = []
        at, index, changed = value, 0, False
        while at < end or length == UNDEFINED:
            item, size = self._headers.item(at, end)
            if item == SEQUENCE_END and length == UNDEFINED:
                pieces.append(self._data[at : at + 8])
                return pieces, at + 8, changed
            stop = end if size == UNDEFINED else at + 8 + size
            if item != ITEM or stop > end:
                raise NotFast
            after, inner = self._dataset(at + 8, stop, size, item_path(prefix, tag, index), depth + 1, means)
            done = after + 8 if size == UNDEFINED else after
            if inner is None:
                pieces.append(self._data[at:done])
            else:
                changed = True
                total = UNDEFINED if size == UNDEFINED else sum(map(len, inner))
                pieces.append(b"\xfe\xff\x00\xe0" + total.to_bytes(4, "little"))
                pieces.extend(inner)
                if size == UNDEFINED:
                    pieces.append(self._data[after:done])
            at, index = done, index + 1
        return pieces, at, changed

    def _lost(self, tag: int, value: int, length: int, end: int, prefix: str, depth: int) -> int:
        """Note the identities in a sequence that goes; gives where it ends."""
        if depth > DEEPEST:
            raise NotFast
        at = value
        while at < end or length == UNDEFINED:
            item, size = self._headers.item(at, end)
            at += 8
            if item == SEQUENCE_END and length == UNDEFINED:
                return at
            stop = end if size == UNDEFINED else at + size
            if item != ITEM or stop > end:
                raise NotFast
            while at < stop:
                if size == UNDEFINED and self._headers.item(at, stop)[0] == ITEM_END:
                    at += 8
                    break
                inner, vr, inner_value, inner_length = self._headers.element(at, stop)
                if vr == "SQ":
                    inner_end = stop if inner_length == UNDEFINED else inner_value + inner_length
                    at = self._lost(inner, inner_value, inner_length, inner_end, prefix, depth + 1)
                    continue
                if inner_length == UNDEFINED:
                    raise NotFast
                at = inner_value + inner_length
                if not inner >> 16 & 1:
                    verdict = self._policy.standard(inner, vr)
                    if verdict.action != "K" and verdict.kind != "class":
                        self._values.remember(verdict.vr, inner, bytes(self._data[inner_value:at]))
        return at
