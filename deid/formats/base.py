"""What every handler of a format shares: what it is given, how it changes values, and the check before anything is written.

A handler takes one file apart and puts it together from two kinds of pieces: bytes it wrote anew, and views of samples it
leaves as they are. `Work.finish` searches them for what was removed and writes nothing before that has passed.
"""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from deid import dates, leak
from deid.errors import Held, Unreadable
from deid.report import Action, Report
from deid.rules.values import Ledger
from deid.rules.vocabulary import allowed, clean_text, fold

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import BinaryIO

    from deid.mapping import Mapping
    from deid.rules.model import Profile

_BLOCK = 1 << 22
LONG = 8  # shorter needles are in any samples
_WORD = re.compile(r"[^\W_]+")
_ISO_DATE = re.compile(rb"(\d{4})(\d\d)(\d\d)")


class Handler(Protocol):
    """Cleans one kind of file. An entry point of the group `archimed.deid` names its class, which takes no arguments."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """Whether this is one, by its content: `head` is its first 4096 bytes, `source` the whole file."""

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Write the clean file to `target`. Deterministic. Raises `Unreadable` or `Held`, and then has written nothing."""


class TargetError(Exception):
    """The target cannot be written: no fault of the file's."""

    def __init__(self, number: int | None) -> None:
        self.number = number
        super().__init__(number)


class Look:
    """What a look at a file finds, for files that are kept as they are: `Context.look`. Holds no value of the file."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, bool], None] = {}

    def add(self, what: str) -> None:
        """Note something that may identify somebody."""
        self._seen[what, "date" in what and "birth" not in what] = None

    def seen(self) -> list[Seen]:
        """Return each kind of thing once."""
        return [Seen(*each) for each in self._seen]


class Seen(NamedTuple):
    """Something that may identify somebody. `is_date`: it is a date, which may be one that was moved."""

    what: str
    is_date: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """One exam of one study. `pixels_approved`: a named human has looked at the images.

    `overruled`: a named human has recorded why what a heuristic finds identifies nobody; what is certain is held all the same.
    `renamed`: in a BIDS dataset, the subject's label and the one that stands for it.
    `stem`: what the file, and those that belong to it, will be called but for their endings: headers name their images by it.
    `look`: nothing is published, and what identifies somebody is noted there.
    """

    profile: Profile
    mapping: Mapping = field(repr=False)
    study: str
    exam: str
    pixels_approved: bool = False
    overruled: bool = False
    stem: str = "00001"
    renamed: tuple[str, str] | None = None
    look: Look | None = None

    def attests(self, *file_types: str) -> bool:
        """Whether the profile's author vouches that files of one of these types identify nobody."""
        return not self.profile.attest.isdisjoint(file_types)


class Work:
    """One file being cleaned: values made clean by the profile, what was done, and the pieces of the result."""

    def __init__(self, context: Context, vocabulary: frozenset[str] = frozenset()) -> None:
        self.context = context
        self._words = context.profile.words | vocabulary
        self._ledger = Ledger()
        self._known: set[str] = set()
        self._ours: set[bytes] = set()
        self._days = context.mapping.days(context.exam.encode())
        self._pieces: list[tuple[str, bytes | memoryview]] = []

    def subject(self, identifier: bytes) -> None:
        """Say who the file is about: it has a say in the shift of dates only where an exam was begun so (`Mapping`)."""
        if identifier.strip(b" \0"):
            self._days = self.context.mapping.days(identifier)

    def identity(self, path: str, kind: str, old: bytes, rule: str) -> None:
        """Note a value that identifies (`kind` "name", "code" or "date") and goes: it must not turn up anywhere else."""
        if old.strip(b" \0"):
            self.know(kind, old)
            self.note(path, "X", rule, old)
            said = self.decode(old).strip(" \0").casefold()
            ours = said in {self.context.exam.casefold(), "x", *leak.PLACEHOLDERS} or said.startswith("2.25.")  # mapped UIDs
            if self.context.look is not None and not ours:
                self.context.look.add("a birth date" if kind == "date" else f"a value that names somebody ({rule})")

    def know(self, kind: str, old: bytes) -> None:
        """Learn a value that identifies, wherever it will be met."""
        getattr(self._ledger, kind + "s").add(old)
        if kind != "date":
            text = self.decode(old)
            self._known |= {fold(word) for word in _WORD.findall(text) if len(word) > 1} - leak.PLACEHOLDERS
            self._known -= {fold(word) for word in _WORD.findall(f"{self.context.exam} {self.context.study}")}

    def note(self, path: str, action: str, rule: str, old: bytes | memoryview = b"") -> None:
        """Record what was done to a place."""
        print_ = self.context.mapping.fingerprint(bytes(old)) if old else ""
        self._ledger.actions.append((path, action, rule, print_))

    def doubt(self, reason: str, place: str | None = None, *, certain: bool = False) -> None:
        """Hold the file for what a heuristic found; where a named human overruled it, the report says what passed."""
        if certain or not self.context.overruled:
            raise Held(reason, place, certain=certain)
        if self.context.look is not None:
            self.context.look.add(reason)
        self.note(place or "file", "K", f"overruled: {reason}")

    def text(self, path: str, old: bytes, rule: str = "text") -> bytes:
        """Free text with only words that are known to be safe."""
        plain = old.strip(b" \0")
        if not plain:
            return b""
        words, known = frozenset(self._words), frozenset(self._known)
        new = clean_text(self.decode(plain), words, known).encode("ascii") if self.keeps_text else b""
        if new != plain:
            self.note(path, "C" if new else "X", rule, old)
        return new

    def is_known(self, text: str) -> bool:
        """Whether a text is made of known words alone, so that nothing in it can be a name."""
        words = [fold(word) for word in _WORD.findall(text)]
        extra, known = frozenset(self._words), frozenset(self._known)
        if not all(word.isascii() and word not in known and allowed(word, extra) for word in words):
            return False
        # Numbers are words too, but not those that may be a date or a telephone number.
        return [fold(word) for word in _WORD.findall(clean_text(text, extra, known))] == words

    def names_somebody(self, text: str) -> bool:
        """Whether a word of an identity found so far is in a text."""
        return any(fold(word) in self._known for word in _WORD.findall(text))

    @property
    def keeps_text(self) -> bool:
        """Whether descriptions stay at all, in known words."""
        return "clean_desc" in self.context.profile.options

    def date(self, path: str, old: bytes, rule: str = "date") -> bytes | None:
        """A date YYYYMMDD by the profile's way with dates; None: it goes."""
        mode = self.context.profile.dates
        days = self._days if mode == "shift" else 0
        new = dates.shift_date(old, days) if mode != "remove" else None
        if mode != "keep":
            self._ledger.dates.add(old)
            self.note(path, "X" if new is None else "C", rule, old)
        if new is not None:
            self._ours |= {spelling.encode().lower() for spelling in leak.date_spellings(new)}
        return new

    def uid(self, path: str, old: str, rule: str = "UID") -> str:
        """The UID that stands for another in this study."""
        new = self.context.mapping.uid(old)
        if new != old:
            self._ledger.uids.add(old.encode("latin-1", "replace"))
            self.note(path, "U", rule, old.encode("latin-1", "replace"))
        return new

    @staticmethod
    def decode(value: bytes) -> str:
        """Text of no declared character set."""
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")

    def write(self, path: str, data: bytes) -> None:
        """Append bytes written anew; `path` names them if a removed value turns up in them."""
        self._pieces.append((path, data))

    def keep(self, samples: memoryview) -> None:
        """Append samples that stay as they are."""
        self._pieces.append(("samples", samples))

    def pieces(self) -> list[bytes | memoryview]:
        """What was written and kept so far."""
        return [data for _, data in self._pieces]

    def removed(self) -> frozenset[leak.Needle]:
        """All spellings of what was removed so far."""
        context = self.context
        own = f"{context.exam} {context.study}".lower()
        found = leak.needles(self._ledger, self.decode, (), own)
        return frozenset(needle for needle in found if needle.text not in self._ours)

    def check(self) -> None:
        """Hold the file if something that was removed is still in it."""
        wanted = self.removed()
        whole = leak.Search(wanted)
        long = leak.Search(frozenset(needle for needle in wanted if len(needle.text) >= LONG))
        for path, data in self._pieces:
            if isinstance(data, bytes):
                if hits := whole.hits(data.lower()):
                    needle = hits[0][2]
                    self.doubt(f"a removed {needle.kind} is still in the file", path, certain=leak.certain(needle, "UT"))
                if leak.uid_hits(data, frozenset(self._ledger.uids)):
                    raise Held("a removed UID is still in the file", path, certain=True)
            elif found := next((hits for block in _blocks(data) if (hits := long.hits(block))), None):
                self.doubt("a removed value is still in the file", path, certain=leak.certain(found[0][2], "UT"))

    def finish(self, target: BinaryIO, ending: str, headers: dict[str, str | int | float]) -> Report:
        """Check and write."""
        self.check()
        deliver(target, (data for _, data in self._pieces))
        return self.report(ending, headers)

    def report(self, ending: str, headers: dict[str, str | int | float]) -> Report:
        """The report of what was done."""
        actions = tuple(map(Action._make, self._ledger.actions))
        return Report({name: value for name, value in headers.items() if value != ""}, actions, "format", ending)


def deliver(target: BinaryIO, pieces: Iterable[bytes | memoryview]) -> None:
    """Write to the target; what fails there is not the file's fault."""
    try:
        target.writelines(pieces)
    except OSError as error:
        raise TargetError(error.errno) from None


def _blocks(data: memoryview) -> Iterable[bytes]:
    for at in range(0, len(data), _BLOCK):
        yield bytes(data[at : at + _BLOCK + 64]).lower()


def mapped(source: Path) -> memoryview:
    """A file's bytes, without reading them all into memory."""
    with source.open("rb") as stream:
        return mapped_stream(stream)


def mapped_stream(stream: BinaryIO) -> memoryview:
    """An open file's bytes; it may be closed then."""
    if stream.seek(0, 2) == 0:
        raise Unreadable("an empty file")
    return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))


def iso(date: bytes | None, time: str = "") -> str:
    """A moment as ISO 8601, or nothing."""
    found = _ISO_DATE.fullmatch(date or b"")
    return f"{found[1].decode()}-{found[2].decode()}-{found[3].decode()}T{time or '00:00:00'}" if found else ""
