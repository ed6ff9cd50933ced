"""HDF5: raw data of ISMRMRD, MAT-files of version 7.3, and other files whose type the profile attests.

The file is written anew, object by object, by a process of its own (`child`). Here is decided what goes into it: `header`
cleans ISMRMRD's XML, `judging` says what may stay of names and texts. Afterwards the new file is searched for what was removed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from deid.errors import Held
from deid.formats.base import LONG, Context, Work, deliver, mapped_stream
from deid.formats.hdf5 import header, judging, named
from deid.formats.hdf5.nodes import Orders
from deid.formats.hdf5.process import conversation, room_beside

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import BinaryIO

    from deid.formats.hdf5.nodes import Node
    from deid.report import Report

_SIGNATURE, _BEHIND = b"\x89HDF\r\n\x1a\n", (0, 512, 1024, 2048)
_MATLAB, _BLOCK = b"MATLAB 7.3 MAT-file", 512


class Hdf5:
    """Cleans HDF5 files."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By the signature, which may have other data before it."""
        return any(head[at : at + 8] == _SIGNATURE for at in _BEHIND) or head.startswith(_MATLAB)

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Clean one file."""
        with source.open("rb") as stream:
            start = stream.read(_BLOCK)
        work = Work(context)
        with room_beside(target) as copy:
            with conversation(source, copy) as child:
                nodes, userblock = child.nodes()
                kind = _kind(start, nodes)
                orders = _orders(kind, nodes, work)
                if userblock:
                    work.note("user block", "C" if kind == "MAT" else "X", "user block", start)
                child.write(orders)
            if kind == "MAT":
                copy.seek(0)
                copy.write(_MATLAB.ljust(116) + bytes(8) + start[124:128].ljust(4, b"\0") + bytes(_BLOCK - 128))
                copy.flush()
            result = mapped_stream(copy)
            work.keep(result)
            work.check()
            deliver(target, [result])
        known = {"ISMRMRD": (".h5", "MR_RAW"), "MAT": (".mat", "MAT"), "HDF5": (".h5", "RAW")}
        ending, file_type = known[kind] if kind in known else named.type_of(kind)
        return work.report(ending, {"FileType": file_type})


def _kind(start: bytes, nodes: Sequence[Node]) -> str:
    if start.startswith(_MATLAB):
        return "MAT"
    return "ISMRMRD" if any(header.is_header(node) for node in nodes) else named.kind_of(nodes) or "HDF5"


def _orders(kind: str, nodes: Sequence[Node], work: Work) -> Orders:
    """Decide on every name and text of a file. Raises `Held` where the profile's word is missing."""
    word = "MAT" if kind == "MAT" else "HDF5"
    vouched = work.context.attests(word)
    if kind == "HDF5" and not vouched:
        raise Held("an HDF5 file that is neither ISMRMRD nor MAT: the profile must attest HDF5 for it")
    texts = header.cleaned(nodes, work) if kind == "ISMRMRD" else {}
    edits = named.edits(nodes, work, known=kind != "HDF5") if kind not in ("ISMRMRD", "MAT") else named.Edits(texts)
    if kind == "HDF5" or kind in ("ISMRMRD", "MAT"):
        edits.drop += [(node.path, each.name) for node in nodes for each in node.attributes if each.name == judging.PATH]
    for number, node in enumerate(nodes, 1):
        place = f"object {number}"
        if kind in ("ISMRMRD", "MAT"):
            judging.judge(node, place, work, word=word, vouched=vouched, own=node.path in texts)
        if node.path not in edits.gone:
            _left(_after(node, edits), work, place)
    for path, name in edits.drop:
        work.note("attribute", "X", "attribute", f"{path} {name}".encode())
    long = sorted(needle for needle in work.removed() if len(needle.text) >= LONG)
    needles = [(needle.text.decode("latin-1"), needle.kind) for needle in long]
    userblock = _BLOCK if kind == "MAT" else 0
    return Orders(edits.texts, edits.drop, needles, userblock, edits.attributes, edits.gone)


def _after(node: Node, edits: named.Edits) -> Node:
    """A node as it will be written."""
    changed = {name: texts for path, name, texts in edits.attributes if path == node.path}
    drop = {name for path, name in edits.drop if path == node.path}
    attributes = tuple(
        replace(each, texts=tuple(changed[each.name])) if each.name in changed else each
        for each in node.attributes
        if each.name not in drop
    )
    return replace(node, attributes=attributes, texts=tuple(edits.texts[node.path]) if node.path in edits.texts else node.texts)


def _left(node: Node, work: Work, place: str) -> None:
    """Have what stays of an object's names and texts searched for what was removed."""
    said = [node.path, *node.names, *(node.texts or ())]
    for attribute in node.attributes:
        said += [attribute.name, *attribute.names, *(attribute.texts or ())]
    work.write(place, "\n".join(said).encode("utf-8", "replace"))
