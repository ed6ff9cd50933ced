"""One file in, one clean file and a report out: the order of the steps, and nothing else.

read -> hold what no rule covers -> clean by policy -> mark -> encode -> leak check -> write. Nothing reaches the target
before the leak check has passed.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from deid import headers, leak, marks
from deid.engine import safe
from deid.engine.meta import part10_header
from deid.engine.nodes import Element, Node, Syntax, Writer
from deid.errors import DeidError, Held, Unreadable
from deid.facts import MODALITY, SOP_CLASS, SOP_INSTANCE, Facts, facts
from deid.mapping import Mapping
from deid.report import Action, Report
from deid.rules.policy import Policy, compiled
from deid.rules.values import Ledger, Values
from deid.suspicion import suspicion
from deid.walk import Walk

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from deid.rules.model import Profile

PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_DIRECTORY = "1.2.840.10008.1.3.10"
_DOCUMENT = 0x00420011
_SUSPICIOUS = {"BurnedInAnnotation": 0x00280301, "SOPClassUID": SOP_CLASS, "Modality": 0x00080060, "ImageType": 0x00080008}
_SUSPICIOUS["ConversionType"] = 0x00080064


class Cleaner:
    """Cleans the files of one exam of one study. Cheap to make; the same input always gives the same bytes.

    `pixels_approved`: a named human has looked at the images and recorded that none shows an identity.
    """

    def __init__(self, profile: Profile, key: bytes, study: str, exam_code: str, *, pixels_approved: bool = False) -> None:
        self._profile = profile
        self._mapping = Mapping(key, study)
        self._study = study.encode()
        self._exam = exam_code.encode()
        self._pixels_approved = pixels_approved
        self._searches: dict[frozenset[leak.Needle], leak.Search] = {}

    def __repr__(self) -> str:
        return "Cleaner(...)"

    def map_uid(self, old: str) -> str:
        """The UID that stands for `old` in this study."""
        return self._mapping.uid(old)

    def clean(self, source: Path, target: BinaryIO) -> Report:
        """Write the clean Part-10 file to `target`. Raises `Unreadable` or `Held`; then nothing was written."""
        try:
            nodes, syntax = safe.read(source)
            return self._clean(nodes, syntax, target)
        except DeidError:
            raise
        except OSError as error:
            raise Unreadable(f"cannot be read or written (errno {error.errno})") from None
        except RecursionError:
            raise Unreadable("sequences nested too deep") from None

    def _clean(self, nodes: list[Node], syntax: Syntax, target: BinaryIO) -> Report:
        known = facts(nodes)
        sop_class, instance = known.text(SOP_CLASS), known.text(SOP_INSTANCE)
        if sop_class == _DIRECTORY or marks.find(nodes, 0x00041220) is not None:
            raise Held("a DICOMDIR: it describes a disk, not an image")
        if not sop_class or not instance:
            raise Unreadable("not a DICOM object: it has no SOP class or instance UID")
        policy = compiled(self._profile, sop_class, "DCM_" + known.text(MODALITY))
        self._hold(nodes, known, policy)
        ledger = Ledger()
        clean = Walk(policy, self._values(known, ledger)).clean(nodes)
        marks.mark(clean, self._profile, self._exam)
        found = headers.collect(clean, syntax, known.decode, self._profile.extract)
        chunks = self._encoded(clean, syntax)
        self._check(clean, syntax, ledger, known)
        target.write(part10_header(sop_class, self.map_uid(instance), syntax.uid))
        target.writelines(chunks)
        return Report(found, tuple(Action(*action) for action in ledger.actions))

    def _values(self, known: Facts, ledger: Ledger) -> Values:
        days = self._mapping.days(known.subject or self._exam)
        words = known.known_words() - {self._exam.decode().casefold(), self._study.decode().casefold()}
        profile = self._profile
        return Values(self._mapping, self._exam, self._study, days, profile.dates, profile.words, words, known.decode, ledger)

    def _hold(self, nodes: list[Node], known: Facts, policy: Policy) -> None:
        document = marks.find(nodes, _DOCUMENT)
        if document is not None and not policy.standard(_DOCUMENT, "OB").by_hand:
            raise Held("an encapsulated document", "(0042,0011)")
        if self._pixels_approved:
            return
        values = {
            keyword: known.decode(node.value[:256]).strip(" \0")
            for keyword, tag in _SUSPICIOUS.items()
            if isinstance(node := marks.find(nodes, tag), Element)
        }
        pixels = any(marks.find(nodes, tag) is not None for tag in PIXELS)
        if reason := suspicion(values, pixels=pixels):
            raise Held(f"text may be burned into the pixels: {reason}", "(7FE0,0010)")

    def _encoded(self, clean: list[Node], syntax: Syntax) -> list[bytes]:
        writer = Writer(syntax)
        writer.write(clean)
        if not syntax.deflated:
            return writer.chunks
        packed = zlib.compress(b"".join(writer.chunks), wbits=-15)
        return [packed + b"\0" if len(packed) & 1 else packed]

    def _check(self, clean: list[Node], syntax: Syntax, ledger: Ledger, known: Facts) -> None:
        """The leak check over everything but pixel data, at the top level and in nested items alike."""
        header = [node for node in clean if node.tag not in PIXELS]
        writer = Writer(syntax)
        writer.write(header)
        data = b"".join(writer.chunks)
        own = " ".join((self._exam.decode(), self._study.decode(), "archimed", *_OUR_WORDS)).lower()
        wanted = leak.needles(ledger, known.decode, known.encodings, own)
        search = self._searches.get(wanted)
        if search is None:
            if len(self._searches) > 64:
                self._searches.clear()
            search = self._searches[wanted] = leak.Search(wanted)
        old = frozenset(part.strip(b" \0") for value in ledger.uids for part in value.split(b"\\"))
        old = frozenset(uid for uid in old if uid.count(b".") >= 3 and not uid.startswith(b"1.2.840.10008."))
        hits = search.hits(data.lower())
        uids = leak.uid_hits(data, old)
        if hits or uids:
            self._judge(header, syntax, ledger, hits, uids)

    def _judge(
        self,
        header: list[Node],
        syntax: Syntax,
        ledger: Ledger,
        hits: list[tuple[int, int, leak.Needle]],
        uids: list[int],
    ) -> None:
        writer = Writer(syntax, spans=True)
        writer.write(header)
        spans = writer.spans or []
        data = b"".join(writer.chunks)
        if uids:
            raise Held("a removed UID is still in the file", _path(spans, uids[0]))
        changed = {path for path, action, _, _ in ledger.actions if action == "C"}
        for start, end, needle in hits:
            span = next((s for s in spans if s[0] <= start and end <= s[1]), None)
            if span is None:
                span = next((s for s in spans if s[0] <= start < s[1]), (start, end, "", "UN"))
            value = data[span[0] : span[1]]
            if not leak.excused(needle, span[3], value, ours=span[2] in changed):
                raise Held(f"a removed {needle.kind} is still in the file", span[2] or None)


_OUR_WORDS = ("basic application confidentiality level profile ps3.15", "retain longitudinal temporal information modified")


def _path(spans: list[tuple[int, int, str, str]], at: int) -> str | None:
    return next((path for start, end, path, _ in spans if start <= at < end), None)
