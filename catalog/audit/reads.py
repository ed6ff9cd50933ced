"""Who reads what, counted in memory: a tally for each reader and series, however many files. Nothing waits for a database.

`catalog.audit.keeping` writes the tallies down. May live here: what is counted, and the bounds that keep counting harmless.
"""

import threading
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from catalog import clock

# A program is named by its user: one who thinks up names must not fill the catalogue with them.
_MOST_PROGRAMS = 32
_MOST_TALLIES = 20_000
_PROGRAM_CHARACTERS = 32
SEVERAL = "(several)"
UNKNOWN = "(unknown)"
DAY = 86_400


class Face(StrEnum):
    """Through which door something is read."""

    MOUNT = "mount"
    WEBDAV = "webdav"
    DICOM = "dicom"
    DICOMWEB = "dicomweb"
    API = "api"
    DESK = "desk"
    CLI = "cli"
    PYTHON = "python"  # the library, used by a program of its own


class Reader(NamedTuple):
    """Who reads, with what, which series.

    `actor` is the Unix login that uses the tree of `login`, '' where that is nobody else. `series` is the series' row; 0 where
    there were more readers and series at one time than are told apart.
    """

    login: str
    actor: str
    face: Face
    program: str
    series: int


class Tally:
    """What a reader read: how often a file was opened, the bytes handed out, the first and the last time."""

    __slots__ = ("bytes", "files", "first", "last")

    def __init__(self, now: int) -> None:
        self.files = 0
        self.bytes = 0
        self.first = now
        self.last = now

    def add(self, other: "Tally") -> None:
        """Count another tally in."""
        self.files += other.files
        self.bytes += other.bytes
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)


class Reads:
    """The tallies of one process. Safe to share between threads."""

    def __init__(self, most: int = _MOST_TALLIES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._tallies: dict[Reader, Tally] = {}
        self._programs: dict[tuple[str, Face], set[str]] = {}
        self._day = 0

    def __len__(self) -> int:
        return len(self._tallies)

    def opened(self, reader: Reader) -> None:
        """Count that a file was opened."""
        self._count(reader, 1, 0)

    def handed_out(self, reader: Reader, size: int) -> None:
        """Count bytes of a file that was opened."""
        self._count(reader, 0, size)

    def take(self) -> dict[Reader, Tally]:
        """Return what was counted since the last call."""
        with self._lock:
            taken, self._tallies = self._tallies, {}
        return taken

    def give_back(self, tallies: Mapping[Reader, Tally]) -> None:
        """Count in again what could not be written down."""
        with self._lock:
            for reader, tally in tallies.items():
                self._find(reader, tally.first).add(tally)

    def _count(self, reader: Reader, files: int, size: int) -> None:
        now = clock.now()
        with self._lock:
            tally = self._tallies.get(reader) or self._find(reader, now)
            tally.files += files
            tally.bytes += size
            tally.last = now

    def _find(self, reader: Reader, now: int) -> Tally:
        reader = reader._replace(program=self._known(reader, now))
        if reader not in self._tallies and len(self._tallies) >= self._most:
            reader = reader._replace(program=SEVERAL, series=0)
        return self._tallies.setdefault(reader, Tally(now))

    def _known(self, reader: Reader, now: int) -> str:
        if now // DAY != self._day:
            self._day = now // DAY
            self._programs.clear()
        programs = self._programs.setdefault((reader.login, reader.face), set())
        name = "".join(c if c.isprintable() else "?" for c in reader.program)[:_PROGRAM_CHARACTERS] or UNKNOWN
        if name not in programs and len(programs) >= _MOST_PROGRAMS:
            return SEVERAL
        programs.add(name)
        return name
