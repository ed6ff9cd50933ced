"""Philips PAR/REC: the text header's identities, dates and free text; of the REC only what the header says is image.

A PAR holds comments, `.`-lines and one line of numbers an image. Comments keep the words of the exporter's own template
(data/parrec.txt), `.`-lines known ones, and a line of numbers that is none is refused.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from deid.errors import Held, Unreadable
from deid.formats.base import Context, Work, iso, mapped
from deid.rules.table import data_text

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_MARK = b"DATA DESCRIPTION FILE"
_LARGEST = 1 << 26
_LINE = re.compile(r"(\.\s+)([^:]*?)(\s*:\s*)(.*)")
_NUMBERS = re.compile(r"[-+0-9.eE \t]*")
_WORD = re.compile(r"[^\W\d_]+")
_LONG_NUMBER = re.compile(r"\d{4}")
_DATE = re.compile(r"(\d{4})\.(\d\d)\.(\d\d) */ *([0-2]\d:[0-5]\d:[0-5]\d(?:\.\d{1,9})?)")
_PATIENT, _EXAMINATION, _MOMENT = "patient name", "examination name", "examination date/time"
_SIZES = (7, 9, 10)  # columns of version 4: bits, x, y


@cache
def _template() -> frozenset[str]:
    lines = (line for line in data_text("parrec.txt").splitlines() if not line.startswith("#"))
    return frozenset(word.lower() for line in lines for word in line.split())


class ParRec:
    """Cleans PAR headers and REC images."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """A PAR by its first comment, a REC by the PAR beside it."""
        return (head.lstrip()[:1] == b"#" and _MARK in head[:512]) or _beside(source) is not None

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one of the two."""
        data = mapped(source)
        if _MARK not in bytes(data[:512]):
            return _image(source, data, target, Work(context))
        return _Header(_text(data), Work(context, _template())).clean(target)


def _text(data: memoryview) -> str:
    if len(data) > _LARGEST:
        raise Unreadable("a PAR header of more than 64 MB")
    return bytes(data).decode("latin-1")


def _beside(source: Path) -> Path | None:
    """The PAR of a REC."""
    for ending in (".PAR", ".par"):
        header = source.with_suffix(ending)
        if source.suffix.lower() == ".rec" and header.is_file():
            with header.open("rb") as stream:
                if _MARK in stream.read(512):
                    return header
    return None


def _rows(text: str) -> list[list[str]]:
    """The numbers of each image."""
    lines = (line.strip() for line in text.splitlines())
    return [line.split() for line in lines if line and line[0] not in "#."]


def _image(source: Path, data: memoryview, target: BinaryIO, work: Work) -> Report:
    """A REC: as many bytes as its PAR says."""
    beside = _beside(source)
    if beside is None:
        raise Unreadable("the PAR of this image is gone")
    text = _text(mapped(beside))
    if re.search(r"export tool\s+V3", text):
        raise Held("a REC of version 3, which does not say the size of its images line by line")
    size = 0
    for row in _rows(text):
        if len(row) <= _SIZES[-1]:
            raise Unreadable("a PAR that does not say the size of its images")
        bits, x, y = (int(row[column]) for column in _SIZES)
        size += bits * x * y // 8
    if size <= 0 or len(data) < size:
        raise Unreadable("a REC cut short")
    if len(data) > size:
        work.note("tail", "X", "bytes behind the images", data[size:])
    work.keep(data[:size])
    return work.finish(target, ".REC", {"FileType": "PARREC"})


class _Header:
    """One PAR."""

    def __init__(self, text: str, work: Work) -> None:
        self._text = text
        self._work = work
        self._headers: dict[str, str | int | float] = {"FileType": "PARREC"}

    def clean(self, target: BinaryIO) -> Report:
        lines = self._text.splitlines(keepends=True)
        for line in lines:  # who it is about, before any text is cleaned
            found = _LINE.match(line)
            if found and found[2].lower() == _PATIENT:
                self._work.identity("patient name", "name", found[4].strip().encode("latin-1"), "patient name")
                self._work.subject(found[4].strip().encode("latin-1"))
        for number, line in enumerate(lines, 1):
            body = line.rstrip("\r\n")
            ending = "\r\n" if line.endswith("\r\n") else "\n"
            self._work.write(f"line {number}", (self._line(number, body) + ending).encode("ascii", "replace"))
        return self._work.finish(target, ".PAR", self._headers)

    def _line(self, number: int, line: str) -> str:
        if not line.strip():
            return ""
        if line.lstrip().startswith("#"):
            return self._comment(number, line)
        if line.startswith("."):
            return self._general(number, line)
        if not _NUMBERS.fullmatch(line):
            raise Unreadable("a PAR with a line of an image that is not numbers")
        return line

    def _comment(self, number: int, line: str) -> str:
        words = {word.lower() for word in _WORD.findall(line)}
        if words <= _template() and not _LONG_NUMBER.search(line):
            return line.rstrip()
        path = f"line {number}"
        self._work.note(path, "X", "comment", line.encode("latin-1"))
        return "#"

    def _general(self, number: int, line: str) -> str:
        found = _LINE.match(line)
        if found is None:
            raise Unreadable("a PAR with a line that names no value")
        dot, name, colon, value = found.groups()
        if not {word.lower() for word in _WORD.findall(name)} <= _template() or _LONG_NUMBER.search(name):
            self._work.note(f"line {number}", "X", "unknown value", line.encode("latin-1"))
            return "#"
        return dot + name + colon + self._value(name.strip().lower(), value.strip())

    def _value(self, name: str, value: str) -> str:
        work, exam = self._work, self._work.context.exam
        if name == _PATIENT:
            return exam
        if name == _EXAMINATION:
            work.identity(name, "code", value.encode("latin-1"), "examination name")
            return exam
        if name == _MOMENT:
            return self._moment(value)
        if _NUMBERS.fullmatch(value):
            if name == "acquisition nr" and value.isdigit():
                self._headers["SeriesNumber"] = int(value)
            return value
        new = work.text(name, value.encode("latin-1")).decode("ascii")
        if name == "protocol name":
            self._headers["ProtocolName"] = new
        return new

    def _moment(self, value: str) -> str:
        found = _DATE.fullmatch(value)
        moved = self._work.date("examination date", "".join(found.groups()[:3]).encode()) if found else None
        if found is None or moved is None:
            self._work.note("examination date", "X", "date", value.encode("latin-1"))
            return "1900.01.01 / 00:00:00"
        self._headers["AcquisitionDateTime"] = iso(moved, found[4])
        day = moved.decode()
        return f"{day[:4]}.{day[4:6]}.{day[6:]} / {found[4]}"
