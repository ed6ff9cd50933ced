"""Siemens twix (`meas_*.dat`), the software lines VB and VD/VE/XA: raw data of one or many measurements.

Readers find everything by length, so nothing may grow or shrink: what identifies is written over at equal length, in the
list of measurements and in the protocol buffers of each measurement's header. Which quoted values identify is known by their
keys (data/twix.txt); each such value is written over wherever it turns up again in the headers, as are UIDs and dates. The
samples stay, gaps between measurements are zeroed.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from functools import cache
from typing import TYPE_CHECKING

from deid import leak
from deid.errors import Unreadable
from deid.formats.base import Context, Work, mapped
from deid.rules.table import data_text
from deid.rules.vocabulary import allowed, fold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_ENTRY, _LIST = 152, 8
_PATIENT, _PROTOCOL = slice(24, 88), slice(88, 152)
_MOST_MEASUREMENTS, _MOST_BUFFERS = 64, 64
_SMALLEST_OLD, _LARGEST_HEADER = 10_000, 1 << 28
_NAMES = (b"Config", b"Dicom", b"Meas", b"MeasYaps", b"Phoenix", b"Spice")
# <ParamString."tPatientName"> { "..." }, with labels and limits in between; also lists of strings.
_PARAM = re.compile(rb'<Param(?:String|Array)\."([^"]{1,64})">\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}')
_NUMBER = re.compile(rb'<Param(?:Long|Double|Bool)\."([^"]{1,64})">\s*\{([^{}]*)\}')
_ASCCONV = re.compile(rb'^[ \t]*([A-Za-z_][\w.\[\]]*)[ \t]*=[ \t]*"+([^"\r\n]*)"', re.MULTILINE)
_QUOTED = re.compile(rb'"([^"]*)"')
_DIGITS = re.compile(rb"(?<![\d.])\d+(?:\.\d+)?(?![\d.])")
_UID = re.compile(rb"(?<![\d.])\d+(?:\.\d+){4,}(?![\d.])")
_DATE = re.compile(rb"(?<![\d.])(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?=\d{6}(?:\D|$)|-?\d{6}\.|\D|$)")
_SPELLED = re.compile(rb"(?<![\d.])(?:19|20)\d\d([-./])(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)")
_WORDS = re.compile(r"[^\W_]+")
_SHORTEST, _LONG = 3, 6
_ASSIGNED = re.compile(rb"^[ \t]*([A-Za-z_][\w.\[\]]*)[ \t]*=[ \t]*([-+0-9.eE]+)[ \t]*(?:#.*)?$", re.MULTILINE)
_DATED = re.compile(rb"(?i)date|time|birth")
_SAYS_NOTHING = frozenset(
    {"true", "false", "yes", "no", "on", "off", "n/a", "na", "nan", "anonymous", "anonymized", "anonymised"}
)


@cache
def _keys() -> dict[str, tuple[str, ...]]:
    """Parts of keys by section: `identity`, `number`, `text`."""
    sections: dict[str, list[str]] = {}
    section: list[str] = []
    for line in data_text("twix.txt").splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), [])
        elif not line.startswith("#"):
            section += line.lower().split()
    return {name: tuple(parts) for name, parts in sections.items()}


def _is(kind: str, key: bytes) -> bool:
    folded = key.decode("latin-1").lower().rpartition(".")[2]
    return any(part in folded for part in _keys()[kind])


class Twix:
    """Cleans twix files."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By the list of measurements (VD), or by the name of the first protocol buffer (VB)."""
        if len(head) < 64:
            return False
        first, second = struct.unpack_from("<II", head)
        if first < _SMALLEST_OLD and 1 <= second <= _MOST_MEASUREMENTS:
            (offset,) = struct.unpack_from("<Q", head, _LIST + 8)
            with source.open("rb") as stream:
                stream.seek(min(offset, 1 << 40))
                head = stream.read(64)
            if len(head) < 64:
                return False
            first, second = struct.unpack_from("<II", head)
        return 1 <= second <= _MOST_BUFFERS and head[8:].split(b"\0")[0] in _NAMES

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one file."""
        data, work = mapped(source), Work(context)
        first, second = struct.unpack_from("<II", data)
        measurements = [(0, len(data))]
        if first < _SMALLEST_OLD and second <= _MOST_MEASUREMENTS:
            measurements = sorted(_measurements(data, second))
        headers = [_header(data, start, stop) for start, stop in measurements]
        values = _Identities(work)
        for header in headers:
            values.learn(header)
        values.settle()
        end = 0
        if measurements[0][0]:
            end = _list(data, second, work, values)
        for number, ((start, stop), header) in enumerate(zip(measurements, headers, strict=True), 1):
            if start < end:
                raise Unreadable("a raw data file whose measurements lie over each other")
            work.write("gap", bytes(start - end))
            work.write(f"header of measurement {number}", values.overwritten(header, f"measurement {number}"))
            work.keep(data[start + len(header) : stop])
            end = stop
        if end < len(data):
            work.note("tail", "X", "bytes behind the measurements", data[end : end + 1024])
        return work.finish(target, ".dat", {"FileType": "MR_RAW"})


def _measurements(data: memoryview, count: int) -> Iterator[tuple[int, int]]:
    for index in range(count):
        start, length = struct.unpack_from("<QQ", data, _LIST + index * _ENTRY + 8)
        if start < _LIST + count * _ENTRY or start + length > len(data) or not length:
            raise Unreadable("raw data cut short")
        yield start, start + length


def _header(data: memoryview, start: int, stop: int) -> bytes:
    """A measurement's header, checked to be made of buffers."""
    if stop - start < 16:
        raise Unreadable("raw data cut short within a header")
    length, buffers = struct.unpack_from("<II", data, start)
    if not 8 < length <= min(stop - start, _LARGEST_HEADER) or not 1 <= buffers <= _MOST_BUFFERS:
        raise Unreadable("raw data with a header that cannot be")
    header = bytes(data[start : start + length])
    at = 8
    for _ in range(buffers):
        name = header.find(b"\0", at, at + 64)
        if name < 0 or name + 5 > length:
            raise Unreadable("raw data with a header that cannot be")
        (size,) = struct.unpack_from("<I", header, name + 1)
        at = name + 5 + size
        if at > length:
            raise Unreadable("raw data with a header that cannot be")
    return header[:at] + bytes(length - at)


def _list(data: memoryview, count: int, work: Work, values: _Identities) -> int:
    """The list of measurements with the exam code for every patient; what is not listed in it becomes zeros."""
    listed = bytearray(data[: _LIST + count * _ENTRY])
    for index in range(count):
        at = _LIST + index * _ENTRY
        entry = listed[at : at + _ENTRY]
        patient = bytes(entry[_PATIENT]).split(b"\0")[0]
        work.identity("list of measurements", "name", patient, "patient")
        protocol = bytes(entry[_PROTOCOL]).split(b"\0")[0]
        values.also(patient)
        entry[_PATIENT] = work.context.exam.encode().ljust(64, b"\0")
        entry[_PROTOCOL] = values.cleaned("list of measurements", protocol).ljust(64, b"\0")
        listed[at : at + _ENTRY] = entry
    work.write("list of measurements", bytes(listed))
    return len(listed)


class _Identities:
    """What identifies in one file's headers, and writing over it."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._values: set[bytes] = set()
        self._pattern: re.Pattern[bytes] | None = None
        self._keeps_patient = "patient_chars" in work.context.profile.options

    def learn(self, header: bytes) -> None:
        """Find the values of identifying keys."""
        for key, body in _PARAM.findall(header):
            if _is("identity", key):
                for value in _QUOTED.findall(body):
                    self._learn(key, value)
        for key, value in _ASCCONV.findall(header):
            if _is("identity", key):
                self._learn(key, value)

    def _learn(self, key: bytes, value: bytes) -> None:
        if _names(value) and value not in self._values and not _UID.fullmatch(value):
            kind = "date" if _DATE.fullmatch(value) else "name" if _is("person", key) else "code"
            self._work.identity("header", kind, value, "identity of the header")
            self.also(value)

    def also(self, value: bytes) -> None:
        """Add a value, and its words, to what is written over."""
        self._values.add(value)
        self._values |= {part.encode("latin-1") for part in leak.name_parts(value.decode("latin-1"))}
        self.settle()

    def settle(self) -> None:
        """Make one pattern of all values."""
        found = sorted((v for v in self._values if len(v) >= _SHORTEST and not _is_term(v)), key=len, reverse=True)
        alone = (rb"(?<![A-Za-z0-9])%b(?![A-Za-z0-9])", rb"%b")  # long ones also within longer words
        plain = b"|".join(alone[len(v) >= _LONG] % re.escape(v) for v in found)
        self._pattern = re.compile(plain, re.IGNORECASE) if plain else None

    def overwritten(self, header: bytes, path: str) -> bytes:
        """A header of the same length without what identifies."""
        new = bytearray(header)
        for found in _PARAM.finditer(header):
            if _is("identity", found[1]):
                self._over(new, path, found.start(2), found[2])
            elif _is("text", found[1]):
                self._clean(new, path, found.start(2), found[2])
        for found in _NUMBER.finditer(header):
            if not self._keeps_patient and _is("number", found[1]):
                self._zero(new, path, found.start(2), found[2])
        for found in _ASCCONV.finditer(header):
            if _is("identity", found[1]) and not _UID.fullmatch(found[2]):
                new[slice(*found.span(2))] = b"x" * len(found[2])
            elif _is("text", found[1]):
                new[slice(*found.span(2))] = self.cleaned(path, found[2])
        done = _UID.sub(self._uid, bytes(new))  # first: a UID holds dates and serial numbers
        if self._pattern is not None:
            done = self._pattern.sub(lambda m: b"x" * len(m[0]), done)
        numbers = _Spans(done)
        done = _DATE.sub(lambda m: m[0] if m.start() in numbers else b"19000101", done)
        done = _SPELLED.sub(lambda m: b"1900" + m[1] + b"01" + m[1] + b"01", done)
        self._work.note(path, "C", "written over at equal length")
        return done

    def _over(self, new: bytearray, path: str, at: int, body: bytes) -> None:
        for found in _QUOTED.finditer(body):
            start, stop = found.span(1)
            if found[1] and not _UID.fullmatch(found[1]):
                self._work.note(path, "X", "identity of the header", found[1])
                new[at + start : at + stop] = b"x" * (stop - start)

    def _clean(self, new: bytearray, path: str, at: int, body: bytes) -> None:
        for found in _QUOTED.finditer(body):
            new[at + found.start(1) : at + found.end(1)] = self.cleaned(path, found[1])

    def _zero(self, new: bytearray, path: str, at: int, body: bytes) -> None:
        for found in _DIGITS.finditer(body):
            self._work.note(path, "Z", "number of the patient", found[0])
            new[at + found.start() : at + found.end()] = re.sub(rb"\d", b"0", found[0])

    def cleaned(self, path: str, text: bytes) -> bytes:
        """Free text of the same length: words that are not known to be safe become x."""
        plain = text.decode("latin-1")
        extra = self._work.context.profile.words
        keep = self._work.keeps_text
        new = _WORDS.sub(lambda m: m[0] if keep and allowed(fold(m[0]), extra) else "x" * len(m[0]), plain).encode("latin-1")
        if new != text:
            self._work.note(path, "C", "text", text)
        return new

    def _uid(self, found: re.Match[bytes]) -> bytes:
        """Digits made from the study's key in place of a UID's: equal ones stay equal, the length stays."""
        old = found[0]
        if old.startswith(b"1.2.840.10008."):
            return old
        digits = self._work.uid("header", old.decode()).rpartition(".")[2].lstrip("0") or "1"
        stream = iter(digits * (1 + len(old) // len(digits)))
        return re.sub(rb"\d+", lambda m: b"".join(_digit(next(stream), first=not i) for i in range(len(m[0]))), old)


def _digit(digit: str, *, first: bool) -> bytes:
    return b"1" if first and digit == "0" else digit.encode()


class _Spans:
    """Where in a header numbers stand under names that speak of no date: one of eight digits is a parameter like others."""

    def __init__(self, header: bytes) -> None:
        found = [m.span(2) for m in _NUMBER.finditer(header) if not _DATED.search(m[1])]
        found += [m.span(2) for m in _ASSIGNED.finditer(header) if not _DATED.search(m[1])]
        self._spans = sorted(found)

    def __contains__(self, at: object) -> bool:
        if not isinstance(at, int):
            return False
        index = bisect_right(self._spans, (at, 1 << 62)) - 1
        return index >= 0 and self._spans[index][0] <= at < self._spans[index][1]


def _names(value: bytes) -> bool:
    """Whether a value says something of somebody: no switch, no sign of what was taken out before."""
    text = value.decode("latin-1").strip(" xX*^-_0.").casefold()
    return bool(text) and text not in _SAYS_NOTHING and text not in leak.PLACEHOLDERS


def _is_term(value: bytes) -> bool:
    """Whether a value is made of words that any header holds."""
    words = [fold(word) for word in _WORDS.findall(value.decode("latin-1"))]
    return all(allowed(word) for word in words)
