"""The leak check of one exam's files: the needles of a file, the automaton for them, and the judgement of a hit.

Joins `leak` (which knows bytes) with a file's ledger. Decides only whether a clean file may go out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid import leak, marks
from deid.engine.nodes import Writer
from deid.engine.safe import vr_of
from deid.errors import Held
from deid.mapping import STANDARD_ROOT, is_registered
from deid.rules.policy import names_a_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from deid.engine.nodes import Node, Syntax
    from deid.facts import Facts
    from deid.rules.values import Ledger

_MARKS = "(0012,0064)["
_OWN_WORDS = "archimed basic application confidentiality level profile retain longitudinal temporal information modified"
_MOST_SEARCHES = 64
_LONG = 6
_BATCH, _OVERLAP = 1 << 20, 1 << 10


class Check:
    """Leak checks for one (study, exam); the automata are kept, for the files of an exam share most of their identities."""

    def __init__(self, exam: str, study: str) -> None:
        self._own = f"{exam} {study} {_OWN_WORDS}".lower()
        self._searches: dict[tuple[object, ...], leak.Search] = {}

    def _search(self, ledger: Ledger, known: Facts) -> leak.Search:
        key = (
            frozenset(ledger.names),
            frozenset(ledger.codes),
            frozenset(ledger.dates),
            frozenset(ledger.births),
            known.encodings,
        )
        search = self._searches.get(key)
        if search is None:
            if len(self._searches) >= _MOST_SEARCHES:
                self._searches.clear()
            search = leak.Search(leak.needles(ledger, known.decode, known.encodings, self._own))
            self._searches[key] = search
        return search

    def clear(self, data: bytes, ledger: Ledger, known: Facts) -> bool:
        """Whether nothing removed lies in the encoded header. A False may still be excused by `judge`."""
        return not (self._search(ledger, known).hits(data.lower()) or leak.uid_hits(data, _old_uids(ledger)))

    def clear_pixels(self, pieces: Sequence[bytes | memoryview], ledger: Ledger, known: Facts) -> bool:
        """Whether nothing removed lies in what holds compressed pictures together. Only long needles: most of it is noise."""
        search, uids = self._search(ledger, known), _old_uids(ledger)
        return not any(
            leak.uid_hits(data, uids) or any(len(needle.text) >= _LONG for _, _, needle in search.hits(data.lower()))
            for data in _batches(pieces)
        )

    def judge(self, header: list[Node], syntax: Syntax, ledger: Ledger, known: Facts, *, overruled: bool = False) -> None:
        """Raise `Held` for the first hit in the header that nothing excuses, with its tag path.

        `overruled`: a named human says that what a heuristic finds identifies nobody; it goes into the report instead.
        """
        writer = Writer(syntax, spans=True)
        writer.write(header)
        spans, data = writer.spans or [], b"".join(writer.chunks)
        for at in leak.uid_hits(data, _old_uids(ledger)):
            start, end, path, _ = next((span for span in spans if span[0] <= at < span[1]), (0, 0, None, ""))
            if path is not None and _is_a_kind(path, data[start:end], ledger):
                continue
            raise Held("a removed UID is still in the file", path, certain=True)
        changed = {path for path, action, _, _ in ledger.actions if action == "C"}
        for start, end, needle in self._search(ledger, known).hits(data.lower()):
            span = next((s for s in spans if s[0] < end and start < s[1]), (start, end, "", "UN"))
            vr = vr_of(_last_tag(span[2])) if span[3] == "UN" else span[3]
            if span[2].startswith(_MARKS) and data[span[0] : span[1]].strip(b" \0") in marks.VALUES:
                continue  # ours, and not the file's
            if not leak.excused(needle, vr, data[span[0] : span[1]], ours=span[2] in changed):
                held = Held(f"a removed {needle.kind} is still in the file", span[2] or None, certain=leak.certain(needle, vr))
                if not overruled or held.certain:
                    raise held
                overrule(held, ledger)


def _batches(pieces: Sequence[bytes | memoryview]) -> Iterator[bytes]:
    """Pieces joined to what is worth a search; of a long one only a part is copied at a time, each with the end of the last."""
    batch, size = list[bytes](), 0
    for piece in pieces:
        for at in range(0, len(piece), _BATCH):
            part = bytes(piece[max(0, at - _OVERLAP) : at + _BATCH])
            batch.append(part)
            size += len(part)
            if size >= _BATCH:
                yield b"\0".join(batch)
                batch, size = [], 0
    if batch:
        yield b"\0".join(batch)


def overrule(held: Held, ledger: Ledger) -> None:
    """Put into the report what a named human lets pass."""
    line = (held.tag_path or "file", "K", f"overruled: {held.reason}", "")
    if line not in ledger.actions:
        ledger.actions.append(line)


def _last_tag(path: str) -> int:
    """The tag at a path's end: ``(gggg,eeee)``."""
    return int(path[-10:-1].replace(",", ""), 16) if path else 0


def _is_a_kind(path: str, value: bytes, ledger: Ledger) -> bool:
    """Whether what lies there are UIDs of kinds of things, kept by right, though one is, or begins as, a removed one.

    A maker's root is often its InstanceCreatorUID, and private elements repeat classes. An instance's UID is none of a kind.
    """
    return names_a_kind(_last_tag(path)) and _uids(value.split(b"\\")).isdisjoint(_uids(_each(ledger.uids)))


def _old_uids(ledger: Ledger) -> frozenset[bytes]:
    return frozenset(
        uid for uid in _uids(_each(ledger.uids | ledger.loose_uids)) if uid.count(b".") >= 3 and not _is_public(uid)
    )


def _each(values: Iterable[bytes]) -> Iterator[bytes]:
    for value in values:
        yield from value.split(b"\\")


def _uids(parts: Iterable[bytes]) -> frozenset[bytes]:
    return frozenset(part.strip(b" \0") for part in parts)


def _is_public(value: bytes) -> bool:
    uid = value.decode("latin-1")
    return is_registered(uid) or STANDARD_ROOT.startswith(uid + ".")
