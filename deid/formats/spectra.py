"""Spectra beside DICOM: Siemens RDA, Philips SPAR with its SDAT. A header of ``key: value`` lines, and samples that stay."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deid.errors import Unreadable
from deid.formats.base import Context, Work, mapped
from deid.formats.keyed import NUMBERS, Values, sibling

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_BEGIN, _END = b">>> Begin of header <<<", b">>> End of header <<<"
_LARGEST_HEADER = 1 << 20
_LINE = re.compile(r"\s*([\w.\[\], -]{1,60}?)\s*:\s?(.*)")
_SPAR = re.compile(rb"^\s*examination_name\s*:", re.MULTILINE)
_TOKEN = re.compile(r"[\w+\-\[\]./ ]{0,24}")
_CODED = frozenset({"nucleus", "sequencename", "mracquisitiontype", "volumeexcitation", "echoacquisition",
                    "patientposition", "patientorientation", "nameofcoil", "transmitcoil", "t1measurementenable", "equipment",
                    "timescaling", "fourierscaling", "spectrumdatahandling", "phaseencodingdirection"})  # fmt: skip


class Rda:
    """Cleans Siemens' exported spectra."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By the line that a header begins with."""
        return head.startswith(_BEGIN)

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one spectrum."""
        data, work = mapped(source), Work(context)
        end = bytes(data[:_LARGEST_HEADER]).find(_END)
        if end < 0:
            raise Unreadable("a spectrum whose header does not end")
        stop = end + len(_END) + (2 if bytes(data[end + len(_END) :][:2]) == b"\r\n" else 1)
        lines = bytes(data[len(_BEGIN) : end]).decode("latin-1").strip("\r\n").splitlines()
        made = "\r\n".join([_BEGIN.decode(), *_cleaned(lines, work), _END.decode(), ""])
        work.write("header", made.encode("latin-1", "replace"))
        work.keep(data[stop:])
        return work.finish(target, ".rda", {"FileType": "SPECTRUM"})


class Spar:
    """Cleans Philips' headers and their samples."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """A header by its first lines, samples by the header beside them."""
        return bool(_SPAR.search(head)) or (source.suffix.lower() == ".sdat" and sibling(source, (".spar",)) is not None)

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean either."""
        data, work = mapped(source), Work(context)
        facts: dict[str, str | int | float] = {"FileType": "SPECTRUM"}
        if not _SPAR.search(bytes(data[:4096])):
            work.keep(data)
            return work.finish(target, ".sdat", facts)
        lines = [line for line in bytes(data[:_LARGEST_HEADER]).decode("latin-1").splitlines() if not line.startswith("!")]
        work.write("header", ("\r\n".join(_cleaned(lines, work, joint=" : ")) + "\r\n").encode("latin-1", "replace"))
        return work.finish(target, ".spar", facts)


def _cleaned(lines: list[str], work: Work, *, joint: str = ": ") -> list[str]:
    """The lines of a header made clean; those that name no value go."""
    values, made = Values(work), []
    for number, line in enumerate(lines, 1):
        found = _LINE.fullmatch(line)
        if found is None:
            if line.strip():
                work.note(f"line {number}", "X", "line", line.encode())
            continue
        key, value = found[1], found[2].strip().strip('"')
        coded = re.sub(r"[^a-z0-9]", "", key.casefold()) in _CODED and _TOKEN.fullmatch(value)
        kept = value if coded or not value or (NUMBERS.fullmatch(value) and len(value) < 8) else values.clean(key, value)
        made.append(key + joint + (kept or ""))
        if kept is None:
            work.note(f"line {number}", "X", "value", value.encode())
    return made
