"""EDF, EDF+ and BDF: recordings of EEG, ECG, sleep.

The patient and recording fields are made anew, the start date is shifted, labels and annotations keep known words only; the
samples stay. Fields have fixed widths, so the file keeps its length, but for bytes behind the last record.
https://www.edfplus.info/specs/edfplus.html
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deid.errors import Unreadable
from deid.formats.base import Context, Work, iso, mapped
from deid.rules.table import data_text

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_EDF, _BDF = b"0       ", b"\xffBIOSEMI"
_FIXED, _PER_SIGNAL = 256, 256
_MOST_SIGNALS = 4096
_NUMBER = re.compile(rb" *[+-]?\d*\.?\d*(?:[eE][+-]?\d+)? *")
_CLOCK = re.compile(rb"([01]\d|2[0-3])\.([0-5]\d)\.([0-5]\d)")
_DATE = re.compile(rb"(\d\d)\.(\d\d)\.(\d\d)")
_LONG_DATE = re.compile(rb"(\d\d)-([A-Z]{3})-(\d{4})")
_MONTHS = (b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC")
_PIVOT = 1985  # two digits mean 1985 to 2084
_OLDEST = 1970  # EDFlib reads no EDF+ of an earlier year: it gets no date
_NO_DATE = b"01.01.85"
_FILTER = re.compile(rb"(?:(?:HP|LP|N|BP|DC|Notch):? ?(?:\d+(?:\.\d+)?|DC|None)(?:[mk]?Hz|s)?[ ,;]*)+", re.IGNORECASE)
_ONSET = re.compile(rb"[+-]\d{1,12}(?:\.\d{1,12})?")
_DURATION = re.compile(rb"\d{1,12}(?:\.\d{1,12})?")
_UNITS = frozenset(
    b"v mv uv nv pv a ma ua na % degc degf k c f bpm hz khz s ms us mmhg cmh2o kpa pa ohm kohm mohm l l/min ml ml/s g mg m cm "
    b"mm rad deg boolean lux db spo2 arbitrary a.u. au".split()
) | {b"", "µv".encode("latin-1"), "µv".encode(), "°c".encode("latin-1")}
_KEPT_LABELS = frozenset({b"EDF Annotations", b"BDF Annotations", b"Status"})


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of every signal: where the first lies behind the fixed header, and how wide each is."""

    start: int
    width: int


_LABEL, _TRANSDUCER, _UNIT = _Field(0, 16), _Field(16, 80), _Field(96, 8)
_NUMBERS = (_Field(104, 8), _Field(112, 8), _Field(120, 8), _Field(128, 8), _Field(216, 8))
_PREFILTER, _SAMPLES, _RESERVED = _Field(136, 80), _Field(216, 8), _Field(224, 32)


def vocabulary() -> frozenset[str]:
    """Words of electrodes, sensors and events: data/signals.txt."""
    return frozenset(word for line in data_text("signals.txt").splitlines() if line[:1] != "#" for word in line.split())


class Edf:
    """Cleans EDF, EDF+ and BDF files."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By version and date or the length of the header, which stands in it."""
        signals = head[252:256].strip()
        lengths = signals.isdigit() and head[184:192].strip() == b"%d" % (_FIXED + int(signals) * _PER_SIGNAL)
        return head[:8] in (_EDF, _BDF) and lengths

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one recording."""
        data = mapped(source)
        return _Recording(data, Work(context, vocabulary())).clean(target)


class _Recording:
    """One file."""

    def __init__(self, data: memoryview, work: Work) -> None:
        self._data = data
        self._work = work
        self._bdf = bytes(data[:8]) == _BDF
        self._plus = bytes(data[192:197]) in (b"EDF+C", b"EDF+D", b"BDF+C", b"BDF+D")
        self._signals = int(bytes(data[252:256]))
        self._length = _FIXED + self._signals * _PER_SIGNAL
        if not 1 <= self._signals <= _MOST_SIGNALS or len(data) < self._length:
            raise Unreadable("a recording cut short within its header")

    def clean(self, target: BinaryIO) -> Report:
        head = bytearray(self._data[: self._length])
        parts = bytes(head[8:88]).split()
        if self._plus and parts and parts[0] != b"X":
            self._work.subject(parts[0])
        self._patient(head, parts)
        moment = self._recording(head)
        self._fixed(head)
        widths = self._per_signal(head)
        records = self._records(head, sum(widths))
        self._work.write("header", bytes(head))
        self._samples(head, widths, records)
        return self._work.finish(target, ".bdf" if self._bdf else ".edf", {"FileType": "EDF", "AcquisitionDateTime": moment})

    def _patient(self, head: bytearray, parts: list[bytes]) -> None:
        work, exam = self._work, self._work.context.exam.encode()
        sex = b"X"
        if self._plus:
            for part, kind in zip(parts, ("code", "", "date", "name"), strict=False):
                if kind and part != b"X":
                    work.identity("patient", kind, _digits(part) if kind == "date" else part.replace(b"_", b" "), "patient")
            for extra in parts[4:]:
                work.identity("patient", "name", extra, "patient")
            if parts[1:2] in ([b"F"], [b"M"]) and "patient_chars" in work.context.profile.options:
                sex = parts[1]
        else:
            work.identity("patient", "name", bytes(head[8:88]), "patient")
        new = exam + b" " + sex + b" X " + exam if self._plus else exam
        head[8:88] = new[:80].ljust(80)

    def _recording(self, head: bytearray) -> str:
        """The recording field and the start; gives the shifted moment."""
        work, old = self._work, bytes(head[88:168])
        parts = old.split()
        start = _digits(parts[1]) if self._plus and len(parts) > 1 else b""
        if len(start) != 8:
            start = _short(bytes(head[168:176]))
        moved = work.date("start", start) if start else None
        if moved is not None and self._plus and int(moved[:4]) < _OLDEST:
            moved = None
        equipment = b"X"
        if self._plus:
            for part in parts[2:4]:
                if part != b"X":
                    work.identity("recording", "name", part.replace(b"_", b" "), "recording")
            if "device" in work.context.profile.options:
                equipment = b"_".join(work.text("recording", part) for part in parts[4:5]).replace(b" ", b"_") or b"X"
            day = _long(moved) if moved else b"X"
            new = b"Startdate " + day + b" X X " + equipment
        else:
            work.note("recording", "X", "recording", old)
            new = b""
        head[88:168] = new[:80].ljust(80)
        # Two digits stand for the years from 1985 to 2084. Outside of them EDF+ has `yy` in this field, at which EDFlib and so
        # pyedflib give up, as at years before 1970; with the digits of the year that the recording field tells in full, all
        # readers agree.
        fits = moved is not None and (self._plus or _PIVOT <= int(moved[:4]) < _PIVOT + 100)
        head[168:176] = moved[6:8] + b"." + moved[4:6] + b"." + moved[2:4] if moved and fits else _NO_DATE
        clock = _CLOCK.fullmatch(bytes(head[176:184]))
        if clock is None:
            raise Unreadable("a recording with a start time that is none")
        return iso(moved, b":".join(clock.groups()).decode())

    def _fixed(self, head: bytearray) -> None:
        for start, end in ((236, 244), (244, 252)):
            if not _NUMBER.fullmatch(bytes(head[start:end])):
                raise Unreadable("a recording with a number that is none in its header")
        old = bytes(head[192:236])
        kept = old[:5] if self._plus else b"24BIT" if self._bdf else b""
        if old.strip() != kept:
            self._work.note("reserved", "X", "reserved", old)
        head[192:236] = kept.ljust(44)

    def _per_signal(self, head: bytearray) -> list[int]:
        """Clean the signals' fields; gives the bytes of each signal in a record."""
        widths = []
        for index in range(self._signals):
            label = self._at(_LABEL, index)
            name = bytes(head[label]).strip()
            if name not in _KEPT_LABELS:
                new = self._known(f"label {index + 1}", name, "label")
                head[label] = (new[:16] or b"CH%d" % (index + 1)).ljust(16)
            for field, path in ((_TRANSDUCER, "transducer"), (_PREFILTER, "prefilter")):
                place = self._at(field, index)
                old = bytes(head[place]).strip()
                filtered = field is _PREFILTER and _FILTER.fullmatch(old)
                if name in _KEPT_LABELS:  # of a signal that is none, both are blank: EDFlib asks for it
                    old = b""
                head[place] = (old if filtered else self._work.text(f"{path} {index + 1}", old, path))[: field.width].ljust(
                    field.width
                )
            place = self._at(_UNIT, index)
            if bytes(head[place]).strip().lower() not in _UNITS:
                self._work.note(f"unit {index + 1}", "X", "unknown unit", bytes(head[place]))
                head[place] = bytes(8).replace(b"\0", b" ")
            if any(not _NUMBER.fullmatch(bytes(head[self._at(field, index)])) for field in _NUMBERS):
                raise Unreadable("a recording with a number that is none in its header")
            place = self._at(_RESERVED, index)
            if bytes(head[place]).strip():
                self._work.note(f"reserved {index + 1}", "X", "reserved", bytes(head[place]))
            head[place] = b" " * 32
            widths.append(_whole(bytes(head[self._at(_SAMPLES, index)])) * (3 if self._bdf else 2))
        if any(width < 0 for width in widths) or not sum(widths):
            raise Unreadable("a recording without samples")
        return widths

    def _known(self, path: str, text: bytes, rule: str) -> bytes:
        """Text of known words as it is, with its signs (`Sleep stage ?`, `EEG A1-(A2)`); else its known words."""
        plain = self._work.decode(text)
        return (
            text
            if plain.isascii() and self._work.is_known(plain) and self._work.keeps_text
            else self._work.text(path, text, rule)
        )

    def _at(self, field: _Field, index: int) -> slice:
        start = _FIXED + field.start * self._signals + field.width * index
        return slice(start, start + field.width)

    def _records(self, head: bytearray, size: int) -> int:
        whole, left = divmod(len(self._data) - self._length, size)
        count = _whole(bytes(head[236:244]))
        records = whole if count == -1 else count  # -1: the recorder died
        if records < 0 or records > whole:
            raise Unreadable("a recording cut short within its samples")
        head[236:244] = (b"%d" % records).ljust(8)
        if left or records < whole:
            self._work.note("tail", "X", "bytes behind the recording")
        return records

    def _samples(self, head: bytearray, widths: list[int], records: int) -> None:
        kept = (b"EDF Annotations", b"BDF Annotations")
        annotated = [bytes(head[self._at(_LABEL, index)]).strip() in kept for index in range(self._signals)]
        size, at = sum(widths), self._length
        if not any(annotated):
            self._work.keep(self._data[at : at + size * records])
            return
        for record in range(records):
            start = at
            for width, words in zip(widths, annotated, strict=True):
                if words:
                    self._work.keep(self._data[start:at])
                    start = at + width
                    self._work.write(f"annotations of record {record + 1}", self._annotations(bytes(self._data[at:start])))
                at += width
            self._work.keep(self._data[start:at])

    def _annotations(self, old: bytes) -> bytes:
        """The time-stamped lists of one record: times stay, texts keep known words, what is no list goes."""
        lists = []
        for each in old.split(b"\0"):
            time, *texts = each.split(b"\x14")
            onset, _, duration = time.partition(b"\x15")
            if not each:
                continue
            if not texts or not _ONSET.fullmatch(onset) or (duration and not _DURATION.fullmatch(duration)):
                self._work.note("annotation", "X", "no time-stamped list", each)
                continue
            clean = [self._known("annotation", text, "annotation")[: len(text)] for text in texts[:-1]]
            if texts[-1]:
                self._work.note("annotation", "X", "no time-stamped list", texts[-1])
            lists.append(b"\x14".join([time, *clean, b""]))
        return b"\0".join([*lists, b""])[: len(old)].ljust(len(old), b"\0")


def _whole(field: bytes) -> int:
    text = field.strip()
    if not text.removeprefix(b"-").isdigit():
        raise Unreadable("a recording with a number that is none in its header")
    return int(text)


def _digits(text: bytes) -> bytes:
    """YYYYMMDD of ``02-MAR-2002``, or nothing."""
    found = _LONG_DATE.fullmatch(text.upper())
    if found is None or found[2] not in _MONTHS:
        return b""
    return found[3] + b"%02d" % (_MONTHS.index(found[2]) + 1) + found[1]


def _long(date: bytes) -> bytes:
    return date[6:8] + b"-" + _MONTHS[int(date[4:6]) - 1] + b"-" + date[:4]


def _short(text: bytes) -> bytes:
    """YYYYMMDD of ``dd.mm.yy``, or nothing."""
    found = _DATE.fullmatch(text)
    if found is None:
        return b""
    year = int(found[3]) + (1900 if int(found[3]) >= _PIVOT % 100 else 2000)
    try:
        return dt.date(year, int(found[2]), int(found[1])).strftime("%Y%m%d").encode()
    except ValueError:
        return b""
