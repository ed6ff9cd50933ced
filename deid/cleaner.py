"""One file in, one clean file and a report out: the order of the steps, and nothing else.

read -> hold what no rule covers -> clean by policy -> mark -> encode -> leak check -> write. Nothing reaches the target
before the leak check has passed. The fast engine goes first; what it does not take, or finds fault with, the safe one does.
"""

from __future__ import annotations

import os
import re
import zlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal

from deid import csa, gems, headers, marks, pixels
from deid.check import Check, overrule
from deid.engine import fast, safe, scan
from deid.engine.meta import part10_header
from deid.engine.nodes import Element, Node, Syntax, Writer, find, place
from deid.errors import DeidError, Held, Unreadable
from deid.facts import MODALITY, SOP_CLASS, SOP_INSTANCE, WANTED, Facts, facts
from deid.mapping import BY_SUBJECT, Mapping
from deid.report import Action, Report
from deid.rules.policy import Policy, compiled
from deid.rules.values import Ledger, Values
from deid.sound import CURVE_SOUND, WAVEFORMS, sound
from deid.suspicion import hidden_overlay, suspicion
from deid.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from deid.engine.spans import Clean, Pixels
    from deid.rules.model import Profile

_PIXEL_DATA = 0x7FE00010
_OF_THE_OLD_PIXELS = (0x7FE00001, 0x7FE00002, 0x00880200)  # offset tables, and an icon that shows what was masked
_DIRECTORY = "1.2.840.10008.1.3.10"
_DIRECTORY_RECORDS = 0x00041220
_DOCUMENT, _DOCUMENT_LENGTH = 0x00420011, 0x00420015
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_UID = re.compile(r"[0-9.]{1,64}")
_INSTANCE = re.compile(r"\S{1,256}")  # a malformed one is mapped as any other
_TOP = WANTED | pixels.WANTED
_FORMATS = {"csa": csa.clean, "ge_protocol": gems.protocol, "ge_user_data": gems.user_data}


class Cleaner:
    """Cleans the files of one exam of one study. Cheap to make; the same input always gives the same bytes.

    `pixels_approved`: a named human has looked at the images, listened to sound, and recorded that they identify nobody.
    `overruled`: a named human has recorded why what a heuristic finds identifies nobody; what is certain is held all the same.
    `documents`: cleans an encapsulated document, or raises `Held`; without it they are held all.
    `subject`, `scheme`: whose pseudonyms, and how they are made (`Mapping`); without, the one of the exam code.
    `engine`: ``"safe"`` leaves the fast engine out; for comparing the two.
    """

    def __init__(
        self,
        profile: Profile,
        key: bytes,
        study: str,
        exam_code: str,
        *,
        pixels_approved: bool = False,
        overruled: bool = False,
        documents: Callable[[bytes], bytes] | None = None,
        engine: str = "fast",
        subject: str | None = None,
        scheme: int = BY_SUBJECT,
    ) -> None:
        for code in (study, exam_code):
            if not _CODE.fullmatch(code):
                raise ValueError("a study or exam code is letters, digits, '.', '_' and '-', at most 64 of them")
        self._profile = profile
        who = profile.subject_of(exam_code) if subject is None else subject
        self._mapping = Mapping(key, study, who, scheme=scheme)
        self._study = study.encode()
        self._exam = exam_code.encode()
        self._pixels_approved = pixels_approved
        self._overruled = overruled
        self._documents = documents
        self._engine = engine
        self._check = Check(exam_code, study)
        self._marks: dict[tuple[bool, bool], dict[int, bytes]] = {}
        wanted = headers.tags(profile.extract)
        groups = frozenset(e.tag >> 16 for e in profile.extract if e.creator is not None)
        self._wanted = lambda tag: tag in wanted or tag >> 16 in groups

    def __repr__(self) -> str:
        return "Cleaner(...)"

    def map_uid(self, old: str) -> str:
        """The UID that stands for `old` in this study."""
        return self._mapping.uid(old)

    def clean(self, source: Path, target: BinaryIO) -> Report:
        """Write the clean Part-10 file to `target`.

        Raises `Unreadable` or `Held`: then nothing was written. An `OSError` is the target's alone.
        """
        try:
            if self._engine == "fast":
                try:
                    return self._fast(source, target)
                except scan.NotFast:
                    pass
            return self._safe(source, target)
        except DeidError as error:
            error.__context__ = None  # what the engines said on the way is not for anyone else
            raise
        except _TargetError as error:
            raise OSError(error.args[0], os.strerror(error.args[0] or 0)) from None
        except OSError as error:
            raise Unreadable(f"cannot be read (errno {error.errno})") from None
        except RecursionError:
            raise Unreadable("sequences nested too deep") from None
        except Exception as error:  # noqa: BLE001  its text may hold a value of the file: only its kind may go on
            raise Unreadable(f"cannot be cleaned ({type(error).__name__})") from None

    def _fast(self, source: Path, target: BinaryIO) -> Report:
        opened = scan.open_file(scan.mapped(source))
        top = scan.top_level(opened, _TOP)
        known = facts(top)
        sop_class, instance = known.text(SOP_CLASS), known.text(SOP_INSTANCE)
        odd = any(node.tag in WANTED and node.vr == "SQ" for node in top)  # whose bytes are no value
        if odd or not _is_object(sop_class, instance) or sop_class == _DIRECTORY:
            raise scan.NotFast
        ledger = Ledger()
        values, marked = self._values(known, ledger), self._encoded_marks(opened.syntax)
        with ExitStack() as stack:
            try:
                masked = self._masked(stack, top, known, opened.syntax, lambda: _stored(opened))
            except Held:
                raise scan.NotFast from None  # the safe engine knows whether there are pixels at all
            if masked is not None:
                marked = self._encoded_marks(opened.syntax, masked)
            trimmer = pixels.Trimmer(top, opened.syntax, known.decode, looked_at=self._pixels_approved)
            trim = trimmer.trim if masked is None else _untouched
            clean = fast.Engine(opened, self._policy(known), values, marked, self._wanted, trim).clean()
            header = b"".join(clean.header)
            if not (self._check.clear(header, ledger, known) and self._check.clear_pixels(trimmer.searched, ledger, known)):
                raise scan.NotFast  # the safe engine knows more of the file, and can say where
            pieces: Iterable[bytes | memoryview] = clean.pieces
            syntax = opened.syntax
            self._note_trimmed(trimmer, ledger)
            if masked is not None:
                pieces, syntax = _with_masked(clean, masked, _stored(opened)), masked.syntax
                ledger.actions.extend(masked.actions())
                for element in masked.elements:
                    place(clean.nodes, element)
            found = headers.collect(clean.nodes, syntax, known.decode, self._profile.extract)
            _write(target, part10_header(values.class_uid(sop_class), self.map_uid(instance), syntax.uid), pieces)
        return _report(found, ledger, "fast")

    def _safe(self, source: Path, target: BinaryIO) -> Report:
        nodes, syntax = safe.read(source)
        known = facts(nodes)
        sop_class, instance = known.text(SOP_CLASS), known.text(SOP_INSTANCE)
        if sop_class == _DIRECTORY or find(nodes, _DIRECTORY_RECORDS) is not None:
            raise Held("a DICOMDIR: it describes a disk, not an image", certain=True)
        if not _is_object(sop_class, instance):
            raise Unreadable("not a DICOM object: it has no SOP class or instance UID")
        policy = self._policy(known)
        document = None if policy.standard(_DOCUMENT, "OB").by_hand else self._document(nodes, syntax)
        ledger = Ledger()
        values = self._values(known, ledger)
        clean = Walk(policy, values, overruled=self._overruled, listened=self._pixels_approved).clean(nodes)
        for element in document or ():
            place(clean, element)
        syntax = self._mask_nodes(nodes, clean, known, syntax, ledger)
        self._listen(nodes, clean, known)
        trimmer = self._trimmed(nodes, clean, known, syntax, ledger)
        self._search(clean, trimmer, syntax, ledger, known)
        found = headers.collect(clean, syntax, known.decode, self._profile.extract)
        header = part10_header(values.class_uid(sop_class), self.map_uid(instance), syntax.uid)
        _write(target, header, _encoded(clean, syntax))
        return _report(found, ledger, "safe")

    def _document(self, nodes: list[Node], syntax: Syntax) -> list[Element]:
        """The encapsulated document of a data set, cleaned, with its length; nothing if it has none."""
        document, length = find(nodes, _DOCUMENT), find(nodes, _DOCUMENT_LENGTH)
        if document is None:
            return []
        if self._documents is None or not isinstance(document, Element):
            raise Held("an encapsulated document", "(0042,0011)")
        order: Literal["little", "big"] = "little" if syntax.little else "big"
        size = int.from_bytes(length.value, order) if isinstance(length, Element) else len(document.value)
        try:
            new = self._documents(document.value[:size])
        except Held as held:
            raise Held(f"an encapsulated document: {held.reason}", "(0042,0011)", certain=held.certain) from None
        except Unreadable as error:
            raise Held(f"an encapsulated document: {error.reason}", "(0042,0011)") from None
        return [Element(_DOCUMENT, "OB", new), Element(_DOCUMENT_LENGTH, "UL", len(new).to_bytes(4, order))]

    def _policy(self, known: Facts) -> Policy:
        return compiled(self._profile, known.text(SOP_CLASS), "DCM_" + known.text(MODALITY))

    def _values(self, known: Facts, ledger: Ledger) -> Values:
        days = self._mapping.days(known.subject or self._exam)
        words = known.known_words() - {self._exam.decode().casefold(), self._study.decode().casefold()}
        profile = self._profile
        return Values(
            self._mapping,
            self._exam,
            self._study,
            days,
            profile.dates,
            profile.words,
            words,
            known.decode,
            ledger,
            _FORMATS,
            known.numbers(),
        )

    def _encoded_marks(self, syntax: Syntax, masked: pixels.Masked | None = None) -> dict[int, bytes]:
        key = (syntax.implicit, masked is not None)
        found = self._marks.get(key)
        if found is None:
            nodes: list[Node] = []
            marks.mark(nodes, self._profile, self._exam, masked=masked is not None)
            found = self._marks[key] = {node.tag: b"".join(_plain([node], syntax)) for node in nodes}
        if masked is not None:
            return found | {element.tag: b"".join(_plain([element], syntax)) for element in masked.elements}
        return found

    def _masked(
        self, stack: ExitStack, nodes: list[Node], known: Facts, syntax: Syntax, locate: Callable[[], pixels.Stored | None]
    ) -> pixels.Masked | None:
        """The file's pixels with a mask rule's parts blanked; None if they stay. `Held` if a human must look first."""
        seen = pixels.seen(nodes, known.decode, syntax)
        try:
            masked = stack.enter_context(pixels.masked(self._profile.masks, nodes, seen, syntax, known.decode, locate))
            reason = suspicion(seen) if masked is None else None
        except pixels.Unfit as unfit:
            masked, reason = None, unfit.reason
        except OSError as error:
            raise _TargetError(error.errno) from None  # no room to put aside what is masked
        if reason and not self._pixels_approved:
            raise Held(f"text may be burned into the pixels: {reason}", "(7FE0,0010)")
        return masked

    def _mask_nodes(self, nodes: list[Node], clean: list[Node], known: Facts, syntax: Syntax, ledger: Ledger) -> Syntax:
        """Mask the pixels of a clean data set in its place, and mark it. Gives the syntax it is in now."""
        masked = stored = None
        with ExitStack() as stack:
            if any(find(nodes, tag) is not None for tag in pixels.PIXELS):
                if hidden_overlay(nodes) and not self._pixels_approved:
                    raise Held("text may lie in the pixels: an overlay is in their unused bits", "(7FE0,0010)")
                old = find(clean, _PIXEL_DATA)
                stored = pixels.Stored(memoryview(old.value), old.vr, old.undefined) if isinstance(old, Element) else None
                masked = self._masked(stack, nodes, known, syntax, lambda: stored)
            marks.mark(clean, self._profile, self._exam, masked=masked is not None)
            if masked is None or stored is None:
                return syntax
            clean[:] = [node for node in clean if node.tag not in _OF_THE_OLD_PIXELS]
            value = b"".join(masked.value.chunks())
            for element in (*masked.elements, Element(_PIXEL_DATA, stored.vr, value, stored.undefined)):
                place(clean, element)
        ledger.actions.extend(masked.actions())
        return masked.syntax

    def _listen(self, nodes: list[Node], clean: list[Node], known: Facts) -> None:
        """Hold a waveform that may hold a voice, unless a human has listened."""
        stays = any(node.tag == WAVEFORMS or node.tag & 0xFF00FFFF == CURVE_SOUND for node in clean)
        if stays and not self._pixels_approved:
            heard = sound(nodes, known.text(SOP_CLASS), known.text(MODALITY), known.decode)
            if heard:
                raise Held(f"a voice may be heard: {heard}", "(5400,0100)")

    def _trimmed(self, nodes: list[Node], clean: list[Node], known: Facts, syntax: Syntax, ledger: Ledger) -> pixels.Trimmer:
        """Cut what is no picture out of a clean data set's bulk data; returns what is left to be searched."""
        try:
            trimmer = pixels.trim(clean, nodes, syntax, known.decode, looked_at=self._pixels_approved)
        except pixels.Malformed as error:
            held = Held(f"nobody can tell what in it is picture: {error.reason}", "(7FE0,0010)")
            if not self._overruled:
                raise held from None
            overrule(held, ledger)
            trimmer = pixels.as_it_is(clean, nodes, syntax, known.decode)
        self._note_trimmed(trimmer, ledger)
        return trimmer

    def _note_trimmed(self, trimmer: pixels.Trimmer, ledger: Ledger) -> None:
        """One line a kind and place for what lay in bulk data and was no part of it."""
        found: dict[tuple[str, str], list[bytes]] = {}
        for path, (what, data) in trimmer.removed:
            found.setdefault((path, what), []).append(data)
        for (path, what), pieces in found.items():
            ledger.actions.append((path, "C", f"no picture: {what}", self._mapping.fingerprint(b"".join(pieces))))

    def _search(self, clean: list[Node], trimmer: pixels.Trimmer, syntax: Syntax, ledger: Ledger, known: Facts) -> None:
        """The leak check over everything but pixel values."""
        header = [node for node in clean if node.tag not in pixels.PIXELS]
        if not self._check.clear(b"".join(_plain(header, syntax)), ledger, known):
            self._check.judge(header, syntax, ledger, known, overruled=self._overruled)
        if not self._check.clear_pixels(trimmer.searched, ledger, known):
            raise Held("something removed is still in the compressed image", "(7FE0,0010)", certain=True)


class _TargetError(Exception):
    """The target cannot be written: no fault of the file's, and the caller's to handle."""


def _write(target: BinaryIO, header: bytes, pieces: Iterable[bytes | memoryview]) -> None:
    try:
        target.write(header)
        target.writelines(pieces)
    except OSError as error:
        raise _TargetError(error.errno) from None


def _is_object(sop_class: str, instance: str) -> bool:
    return bool(_UID.fullmatch(sop_class) and _INSTANCE.fullmatch(instance))


def _untouched(_: Pixels) -> None:
    """For pixels that are masked: they are made anew."""


def _stored(opened: scan.Opened) -> pixels.Stored:
    vr, start, end, undefined = scan.pixel_data(opened)
    return pixels.Stored(opened.data[start:end], vr, undefined)


def _with_masked(clean: Clean, masked: pixels.Masked, stored: pixels.Stored) -> Iterator[bytes | memoryview]:
    """The pieces of a clean file with masked pixels between the pixel data element's header and its delimiter."""
    for index, piece in enumerate(clean.pieces):
        if index != clean.pixels:
            yield piece
            continue
        head = len(piece) - (8 if stored.undefined else 0) - len(stored.data)
        yield piece[: head - 4]
        yield masked.value.length.to_bytes(4, "little")
        yield from masked.value.chunks()
        yield piece[head + len(stored.data) :]


def _plain(nodes: list[Node], syntax: Syntax) -> list[bytes]:
    writer = Writer(syntax)
    writer.write(nodes)
    return writer.chunks


def _encoded(nodes: list[Node], syntax: Syntax) -> list[bytes]:
    chunks = _plain(nodes, syntax)
    if not syntax.deflated:
        return chunks
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(b"".join(chunks)) + packer.flush()
    return [packed + b"\0" if len(packed) & 1 else packed]


def _report(found: dict[str, str | int | float], ledger: Ledger, engine: str) -> Report:
    return Report(found, tuple(map(Action._make, ledger.actions)), engine)
