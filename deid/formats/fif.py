"""FIF (`.fif`): recordings of MEG and EEG. A list of tags, each with its kind, type and length, which stay as they are.

Who was measured, by whom and in which project becomes blanks or the exam code at equal length, the day of measurement is moved,
machine and time of each block's identifier are zeroed. Samples and all other tags stay. https://mne.tools/stable/documentation
"""

from __future__ import annotations

import datetime as dt
import struct
from typing import TYPE_CHECKING

from deid.errors import Unreadable
from deid.formats.base import Context, Work, iso, mapped
from deid.formats.looks import in_line

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_TAG = struct.Struct(">iIii")
_FILE_ID, _MEASURED, _COMMENT, _EXPERIMENTER, _HIS_ID = 100, 204, 206, 212, 410
_STRING, _IDENTIFIER = 10, 31
_NAMES = frozenset({401, 402, 403, 409, _EXPERIMENTER, 501, 502, 503, 504})
_NUMBERS = frozenset({400, 404, 500})
_CHARACTERISTICS = frozenset({405, 406, 407, 408})
_MOST_TAGS, _LARGEST_TEXT = 10_000_000, 1 << 20


class Fif:
    """Cleans FIF files."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By the first tag, which identifies the file."""
        return head[:12] == struct.pack(">iII", _FILE_ID, _IDENTIFIER, 20)

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one file."""
        data, work = mapped(source), Work(context)
        facts: dict[str, str | int | float] = {"FileType": "FIF"}
        at, count = 0, 0
        while at + _TAG.size <= len(data):
            kind, form, size, following = _TAG.unpack_from(data, at)
            end = at + _TAG.size + size
            count += 1
            if size < 0 or end > len(data) or count > _MOST_TAGS or (following > 0 and following < end):
                raise Unreadable("a FIF file cut short, or with a tag that cannot be")
            if following > end:
                raise Unreadable("a FIF file with bytes between its tags")
            work.write("tag", bytes(data[at : at + _TAG.size]))
            self._value(kind, form, data[at + _TAG.size : end], work, facts)
            at = end
            if following < 0:
                break
        if at < len(data):
            work.note("tail", "X", "bytes behind the last tag", data[at:])
        return work.finish(target, ".fif", facts)

    def _value(self, kind: int, form: int, value: memoryview, work: Work, facts: dict[str, str | int | float]) -> None:
        size = len(value)
        path = f"tag {kind}"
        if form == _IDENTIFIER and size == 20:
            work.write(path, bytes(value[:4]) + bytes(16))  # version; machine and time go
        elif kind == _HIS_ID:
            work.identity(path, "code", bytes(value).strip(b"\0 "), "subject")
            work.write(path, work.context.exam.encode()[:size].ljust(size))
        elif kind in _NAMES:
            work.identity(path, "name", bytes(value).strip(b"\0 "), "subject, experimenter or project")
            work.write(path, b" " * size)
        elif kind in _NUMBERS or (kind in _CHARACTERISTICS and "patient_chars" not in work.context.profile.options):
            work.note(path, "Z", "subject", bytes(value))
            work.write(path, bytes(size))
        elif kind == _MEASURED and size == 8:
            work.write(path, _moved(value, work, facts))
        elif kind == _COMMENT and form == _STRING:
            work.write(path, work.text(path, bytes(value).replace(b"\0", b" "))[:size].ljust(size))
        elif form == _STRING and size <= _LARGEST_TEXT:
            for what in in_line(bytes(value).decode("latin-1")):
                work.doubt(what, path)
            work.write(path, bytes(value))
        else:
            work.keep(value)


def _moved(value: memoryview, work: Work, facts: dict[str, str | int | float]) -> bytes:
    """The moment of measurement (seconds since 1970 and microseconds) moved by whole days."""
    seconds, rest = struct.unpack(">ii", value)
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    new = work.date("measurement", moment.strftime("%Y%m%d").encode())
    if new is None:
        return bytes(8)
    day = dt.datetime.strptime(new.decode(), "%Y%m%d").replace(tzinfo=dt.UTC)
    facts["AcquisitionDateTime"] = iso(new, moment.strftime("%H:%M:%S"))
    return struct.pack(">ii", int(day.timestamp()) + seconds % 86400, rest)
