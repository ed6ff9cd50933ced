"""What may stay of an HDF5 file's names and texts. Decides only; raises `Held` for what needs the profile's word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deid.errors import Held
from deid.formats.hdf5.header import listed
from deid.formats.looks import findings
from deid.formats.mat import is_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from deid.formats.base import Work
    from deid.formats.hdf5.nodes import Node

PATH = "H5PATH"  # where MATLAB found an object once: goes
_REFERRED, _OBJECTS = "#refs#", "#subsystem#"
_SHORT = re.compile(r"[A-Za-z0-9]{1,3}")  # MATLAB numbers the members of cells by letters
_CLASSES = frozenset(
    [
        "double",
        "single",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "logical",
        "char",
        "cell",
        "struct",
        "canonical",
        "empty",
    ]
)
_MATLAB = frozenset(
    {"MATLAB_class", "MATLAB_empty", "MATLAB_fields", "MATLAB_sparse", "MATLAB_global", "MATLAB_int_decode", PATH}
)


def judge(node: Node, place: str, work: Work, *, word: str, vouched: bool, own: bool) -> None:
    """Hold an object that says more than is known. `own`: its texts were cleaned; `word`: the type that a profile attests."""
    texts = () if own else node.texts or ()
    if vouched:
        _look_through([*texts, *(each for a in node.attributes if a.name != PATH for each in a.texts or ())], place, work)
        return
    if not all(is_plain(name, listed("names")) for name in _names(node)):
        raise Held(f"an HDF5 file with names that are no plain terms: the profile must attest {word} for it", place)
    if _OBJECTS in node.path.split("/"):
        raise Held("a MAT-file with objects: the profile must attest MAT for it", place)
    if any(texts) or not all(_is_kept(attribute.name, attribute.texts) for attribute in node.attributes):
        raise Held(f"an HDF5 file with text or objects: the profile must attest {word} for it", place)


def _names(node: Node) -> Iterator[str]:
    parts = node.path.strip("/").split("/")
    for above, part in zip(["", *parts], parts, strict=False):
        if part not in (_REFERRED, _OBJECTS) and not (above == _REFERRED and _SHORT.fullmatch(part)):
            yield part
    yield from node.names
    for attribute in node.attributes:
        if attribute.name not in _MATLAB:
            yield attribute.name
        yield from attribute.names
        if attribute.name == "MATLAB_fields":
            yield from attribute.texts or ()


def _is_kept(name: str, texts: tuple[str, ...] | None) -> bool:
    """Whether an attribute holds no text but what MATLAB writes."""
    if name == "MATLAB_class":
        return texts is not None and set(texts) <= _CLASSES
    return name in ("MATLAB_fields", PATH) or not any(texts or ())


def _look_through(said: Iterable[str], place: str, work: Work) -> None:
    for each in findings("\n".join(said), tables=False):
        work.doubt(each.what, place)
