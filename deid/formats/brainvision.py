"""BrainVision: a header (`.vhdr`), markers (`.vmrk`) and samples (`.eeg`), each text naming the other two.

The names become those by which they are published. Labels and markers keep known words, dates of markers are moved; of the
amplifier's comments stay lines of known words. https://www.brainproducts.com/download/specification-of-brainvision-core-data-format-1-0
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deid.errors import Held, Unreadable
from deid.formats.base import Context, Work, mapped
from deid.formats.decoding import decoded
from deid.formats.edf import vocabulary
from deid.formats.keyed import NUMBERS, Values, reference, sibling

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_MAGIC = re.compile(rb"\s*(?:\xef\xbb\xbf)?Brain ?Vision (?:Data Exchange|V-Amp Data) (Header|Marker) File", re.IGNORECASE)
_LARGEST = 1 << 26
_SAMPLES = (".eeg", ".dat", ".avg", ".seg")
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)(\d{6,12})")
_EVENT = re.compile(r"[A-Za-z]{0,12} {0,4}\d{1,5}")
_KINDS = frozenset(
    {"new segment", "stimulus", "response", "comment", "sync status", "time 0", "bad interval", "marker", "event"}
)
_UNITS = frozenset(
    {"", "µv", "uv", "μv", "mv", "v", "nv", "c", "°c", "s", "ms", "hz", "%", "bpm", "g", "µs", "n/a", "au", "arb"}
)


class BrainVision:
    """Cleans the three files of a recording."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """Texts by their first line, samples by the header beside them."""
        return _MAGIC.match(head) is not None or _is_samples(source)

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one of them."""
        data, work = mapped(source), Work(context, vocabulary())
        facts = {"FileType": "BRAINVISION"}
        magic = _MAGIC.match(bytes(data[:200]))
        if magic is None:
            work.keep(data)
            return work.finish(target, source.suffix.lower(), dict(facts))
        text = decoded(bytes(data[:_LARGEST]))
        if text is None or len(data) > _LARGEST:
            raise Unreadable("a BrainVision header that is no text")
        new = _Text(text.text, work).cleaned()
        work.write("header", new.encode("cp1252" if text.codec == "cp1252" else "utf-8", "replace"))
        return work.finish(target, ".vhdr" if magic[1].lower() == b"header" else ".vmrk", dict(facts))


def _is_samples(source: Path) -> bool:
    header = sibling(source, (".vhdr",)) if source.suffix.lower() in _SAMPLES else None
    if header is None:
        return False
    with header.open("rb") as stream:
        return _MAGIC.match(stream.read(200)) is not None


class _Text:
    """One header or list of markers."""

    def __init__(self, text: str, work: Work) -> None:
        self._lines = text.lstrip("\ufeff").splitlines()
        self._work = work
        self._values = Values(work)
        self._section = ""

    def cleaned(self) -> str:
        made = [self._lines[0] if self._work.is_known(self._lines[0].replace(",", " ")) else self._first()]
        for number, line in enumerate(self._lines[1:], 2):
            section = re.fullmatch(r"\s*\[([A-Za-z ]{1,40})\]\s*", line)
            if section:
                self._section = section[1].casefold()
                made.append(f"[{section[1]}]")
            elif not line.strip():
                made.append("")
            elif (new := self._line(line)) is None:
                self._work.note(f"line {number}", "X", "line", line.encode())
            else:
                made.append(new)
        return "\r\n".join(made) + "\r\n"

    def _first(self) -> str:
        kind = "Marker" if "marker" in self._lines[0].casefold() else "Header"
        return f"Brain Vision Data Exchange {kind} File, Version 1.0"

    def _line(self, line: str) -> str | None:
        if line.lstrip().startswith(";"):
            return None
        key, sign, value = line.partition("=")
        if self._section in ("comment", "user infos") or not sign:
            return self._values.known(line)
        if self._section == "channel infos":
            return self._channel(key, value)
        if self._section == "marker infos":
            return self._marker(key, value)
        if self._section == "coordinates" and NUMBERS.fullmatch(value):
            return line
        new = self._field(key.strip(), value.strip())
        return None if new is None else f"{key.strip()}={new}"

    def _field(self, key: str, value: str) -> str | None:
        if key in ("DataFile", "MarkerFile"):
            endings = _SAMPLES if key == "DataFile" else (".vmrk",)
            found = reference(value.replace("$b", "b"), self._work.context.stem, endings)
            if found is None:
                raise Held("a BrainVision header that names a file of another kind than it has")
            return found
        if re.fullmatch(r"[A-Za-z0-9_.\-]{1,24}", value) and self._section in ("common infos", "binary infos", "ascii infos"):
            return value if re.fullmatch(r"[A-Z0-9_.\-]+|YES|NO|UTF-8|ANSI", value) or self._values.known(value) else None
        return self._values.clean(key, value)

    def _channel(self, key: str, value: str) -> str | None:
        parts = value.split(",")
        label = self._label(key, parts[0])
        reference_label = self._label("", parts[1]) if len(parts) > 1 and parts[1] else ""
        resolution = parts[2] if len(parts) > 2 and NUMBERS.fullmatch(parts[2]) else ""
        unit = parts[3] if len(parts) > 3 and parts[3].strip().casefold() in _UNITS else ""
        return f"{key.strip()}={label},{reference_label},{resolution},{unit}" if re.fullmatch(r"\s*Ch\d+\s*", key) else None

    def _label(self, key: str, label: str) -> str:
        plain = label.replace(r"\1", " ")
        return label if self._work.is_known(plain) else key.strip()

    def _marker(self, key: str, value: str) -> str | None:
        parts = value.split(",")
        if not re.fullmatch(r"\s*Mk\d+\s*", key) or len(parts) < 5 or not all(NUMBERS.fullmatch(part) for part in parts[2:5]):
            return None
        kind = parts[0] if parts[0].strip().casefold() in _KINDS else "Comment"
        said = parts[1]
        if not (_EVENT.fullmatch(said.strip()) and self._values.known(re.sub(r"\d", "", said))) and not self._values.known(
            said
        ):
            said = self._work.text("marker", said.encode(), "marker").decode("ascii")
        moment = self._moment(parts[5]) if len(parts) > 5 and parts[5].strip() else None
        return ",".join([f"{key.strip()}={kind}", said, *parts[2:5], *([moment] if moment else [])])

    def _moment(self, value: str) -> str | None:
        found = _DATE.fullmatch(value.strip())
        new = self._work.date("marker", "".join(found.groups()[:3]).encode()) if found else None
        return None if found is None or new is None else new.decode() + found[4]
