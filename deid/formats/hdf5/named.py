"""What becomes of the names and texts of an HDF5 file: by what attributes, datasets and the groups above them are called.

Identities become the exam code or go, dates are moved, typed text keeps known words. What names say nothing of is kept where
somebody vouches for the file and nothing in it looks like an identity; in files of a known kind only its known words stay.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deid.formats.dating import moved
from deid.formats.looks import in_line
from deid.formats.meaning import Meaning, meaning
from deid.rules import ages

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from deid.formats.base import Work
    from deid.formats.hdf5.nodes import Attribute, Node

_NEUTRAL = "removed"
_SCALE = "DIMENSION_SCALE"  # of the HDF5 Dimension Scale Specification; netCDF's need them
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable"
_SCHEMA, _ITS_PLACE = "/specifications/", ".specloc"
_KINDS = {"SNIRF": (".snirf", "SNIRF"), "MINC": (".mnc", "MINC"), "NWB": (".nwb", "NWB")}


@dataclass(slots=True)
class Edits:
    """What is written anew: texts of datasets and of attributes; and what goes: attributes and whole datasets."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    attributes: list[tuple[str, str, list[str]]] = field(default_factory=list)
    drop: list[tuple[str, str]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def kind_of(nodes: Sequence[Node]) -> str:
    """SNIRF, MINC or NWB; '' for any other file."""
    paths = {node.path for node in nodes}
    if "/formatVersion" in paths and any(path.endswith("/metaDataTags") for path in paths):
        return "SNIRF"
    if "/minc-2.0" in paths:
        return "MINC"
    return "NWB" if any(a.name == "nwb_version" for node in nodes if node.path == "/" for a in node.attributes) else ""


def type_of(kind: str) -> tuple[str, str]:
    """The ending and the file type of a kind."""
    return _KINDS[kind]


def edits(nodes: Sequence[Node], work: Work, *, known: bool) -> Edits:
    """Decide on all texts of a file. `known`: of a kind of which every text is cleaned; else of one that is vouched for.

    Raises `Held` where something under a name that says nothing looks like an identity.
    """
    done = Edits()
    for number, node in enumerate(nodes, 1):
        _Object(node, f"object {number}", work, done, known=known).decide()
    return done


class _Object:
    """One group or dataset."""

    def __init__(self, node: Node, place: str, work: Work, done: Edits, *, known: bool) -> None:
        self._node, self._place, self._work, self._done, self._known = node, place, work, done, known
        *above, self._name = node.path.strip("/").split("/")
        self._above = next((found for name in reversed(above) if (found := meaning(name)).identifies), Meaning.UNKNOWN)

    def decide(self) -> None:
        node = self._node
        if self._known and node.path.startswith(_SCHEMA) and not node.is_group:
            self._done.gone.append(node.path)  # NWB's own, with its authors; programs have it
            return
        means = self._meaning(self._name)
        self._looked([*node.names, self._name])
        for attribute in node.attributes:
            self._attribute(attribute)
        if node.is_group:
            return
        if node.texts is None or not node.editable:
            if means.identifies:
                self._work.note(self._place, "X", "dataset called like an identity")
                for text in node.texts or ():
                    self._identity(text, means)
                self._done.gone.append(node.path)
            elif node.texts:
                self._looked(node.texts)
            return
        new = [self._text(text, means) for text in node.texts]
        if means is Meaning.BIRTH:
            self._done.gone.append(node.path)
        elif new != list(node.texts):
            self._done.texts[node.path] = new

    def _meaning(self, name: str) -> Meaning:
        own = meaning(name)
        if self._known and own is Meaning.PERSON and name.casefold() == "name":
            own = self._above if self._above.identifies else Meaning.TEXT  # of a stimulus, a series, an electrode
        return self._above if own is Meaning.UNKNOWN else own

    def _attribute(self, attribute: Attribute) -> None:
        # MINC writes an attribute of the patient as `full_name` below the group `patient`.
        inside = meaning(self._name) if self._node.is_group else Meaning.UNKNOWN
        own = meaning(attribute.name)
        means = inside if own is Meaning.UNKNOWN and inside.identifies else own
        if attribute.name == _ITS_PLACE and self._known:
            self._done.drop.append((self._node.path, attribute.name))
            return
        self._looked([attribute.name, *attribute.names])
        if attribute.texts is None:
            if means.identifies:
                self._work.note(self._place, "X", "attribute called like an identity")
                self._done.drop.append((self._node.path, attribute.name))
            return
        if attribute.name in ("CLASS", "NAME") and self._node.attribute("CLASS") == _SCALE:
            means = Meaning.TERM if set(attribute.texts) <= {_SCALE, self._name, self._node.path} else Meaning.TEXT
            means = Meaning.TERM if attribute.texts[0].startswith(_NO_VARIABLE) else means
        new = [self._text(text, means) for text in attribute.texts]
        if means.identifies and not self._known:
            self._done.drop.append((self._node.path, attribute.name))
        elif new != list(attribute.texts):
            self._done.attributes.append((self._node.path, attribute.name, new))

    def _text(self, text: str, means: Meaning) -> str:
        if not text.strip(" \0"):
            return text
        if means.identifies:
            self._identity(text, means)
            return "" if means is Meaning.BIRTH else self._work.context.exam
        if means is Meaning.DATE:
            return moved(text, self._work, self._place) or self._words(text)
        if means is Meaning.UID:
            return self._work.uid(self._place, text.strip(" \0"))
        if means is Meaning.AGE:
            return self._age(text)
        if means is Meaning.TEXT:
            return self._words(text)
        if not self._known:
            self._looked(text.splitlines())
            return text
        plain = means is Meaning.TERM or self._work.is_known(text) or text.isnumeric()
        return text if plain and not any(True for _ in in_line(text)) else self._words(text)

    def _age(self, text: str) -> str:
        new = ages.capped_text(text.strip(" \0"))
        if new is None:
            return self._words(text)
        if new != text.strip(" \0"):
            self._work.note(self._place, "C", "age over 89", text.encode())
        return new

    def _words(self, text: str) -> str:
        return self._work.text(self._place, text.encode(), "text").decode("ascii") or _NEUTRAL

    def _identity(self, text: str, means: Meaning) -> None:
        kind = {Meaning.PERSON: "name", Meaning.BIRTH: "date"}.get(means, "code")
        self._work.identity(self._place, kind, text.strip(" \0").encode(), "called like an identity")

    def _looked(self, lines: Iterable[str]) -> None:
        for line in lines:
            for what in in_line(line):
                self._work.doubt(what, self._place)
