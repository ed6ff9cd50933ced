"""A look at a file that is kept as it is: what in it may identify somebody, as cleaning would find it. Nothing is written.

May live here: what of the cleaning's findings is told. Not: finding it, which the handlers do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deid.engine import safe
from deid.errors import DeidError, Held
from deid.facts import BIRTH_DATE, NAME, facts
from deid.formats import opaque
from deid.formats.base import Look, Seen
from deid.formats.registry import looks_like_dicom, recognised
from deid.rules.model import ATTESTABLE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from deid.formats.base import Context

_NAMED, _DESCRIBED = 0x08, 0x10  # flags of RFC 1952, 2.3.1
_EXTRA = 0x04
_HEAD = 4096


@dataclass(frozen=True, slots=True)
class _Nowhere:
    """A target that keeps nothing."""

    def write(self, data: bytes) -> int:
        return len(data)

    def writelines(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Take them."""


def look(source: Path, context: Context, name: str) -> list[Seen]:
    """Return what in a file may identify somebody, each kind once; without its values.

    Args:
        source: the file.
        context: the exam that it is kept in, whose code and dates identify nobody.
        name: what it is called, which a packer may have noted in it.
    """
    if source.stat().st_size == 0:
        return []
    found = [*_packed_names(source, name)]
    if looks_like_dicom(source):
        return found + _dicom(source, context.exam)
    told = Look()
    looking = replace(
        context, profile=replace(context.profile, attest=frozenset(ATTESTABLE)), pixels_approved=True, overruled=True, look=told
    )
    handler = recognised(source)
    try:
        if handler is not None:
            handler.clean(source, _Nowhere(), looking)  # type: ignore[arg-type] # only ever written to
            return [*found, *told.seen()]
    except Held as held:
        if held.certain:
            told.add(held.reason)
    except DeidError:
        pass  # broken or of a shape that is not published: what can be read in it is looked through
    try:
        opaque.clean(source, _Nowhere(), looking)  # type: ignore[arg-type] # likewise
    except DeidError as error:
        told.add(str(error))
    return [*found, *told.seen()]


def _dicom(source: Path, exam: str) -> list[Seen]:
    """What the patient's own attributes say, if not the exam's code."""
    try:
        nodes, _ = safe.read(source)
    except DeidError:
        return [Seen("DICOM that cannot be read")]
    known = facts(nodes)
    named = known.text(NAME).strip() not in {"", exam}
    born = known.text(BIRTH_DATE).strip() != ""
    return [Seen("a patient's name")] * named + [Seen("a birth date")] * born


def _packed_names(source: Path, name: str) -> list[Seen]:
    """The file's name and comment that a gzip packer noted, unless it is the name that the file has now."""
    with source.open("rb") as stream:
        head = stream.read(_HEAD)
    if not head.startswith(b"\x1f\x8b\x08") or len(head) < 10 or not head[3] & (_NAMED | _DESCRIBED):
        return []
    at = 10 + (2 + int.from_bytes(head[10:12], "little") if head[3] & _EXTRA else 0)
    stored = head[at:].split(b"\0")[0].decode("latin-1") if head[3] & _NAMED else ""
    own = {name, name.removesuffix(".gz"), name.removesuffix(".tgz") + ".tar"}
    return [] if stored in own and not head[3] & _DESCRIBED else [Seen("the name of another file that its packer noted")]
