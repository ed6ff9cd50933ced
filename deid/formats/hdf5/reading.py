"""Telling what an HDF5 file holds: its groups, datasets, names and texts, in an order of our own. Runs in the child.

Follows nothing out of the file: no link to other files, no storage elsewhere, no virtual datasets, no filter of a plug-in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5z

from deid.formats.hdf5 import limits
from deid.formats.hdf5.nodes import Attribute, Node
from deid.formats.hdf5.refusal import Damaged, Refused
from deid.formats.hdf5.types import Form, look

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FILTERS = (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32)
_LAYOUTS = (h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED)
CLASS, EMPTY = b"MATLAB_class", b"MATLAB_empty"


class Tree:
    """All nodes of a file. `places`: paths by the address that references name.

    `links`: further names of objects, each with where the object stands, and whether it is a symbolic one.
    """

    def __init__(self, file: h5g.GroupID) -> None:
        self.nodes: list[Node] = []
        self.places: dict[int, str] = {}
        self.links: list[tuple[str, str, bool]] = []
        self._text = 0
        self._symbolic: list[tuple[h5g.GroupID, bytes, str]] = []
        self._walk(file, "", 0)
        for group, name, path in self._symbolic:
            self._link(group, name, path)

    def _walk(self, group: h5g.GroupID, path: str, depth: int) -> None:
        self._add(Node(path or "/", is_group=True, attributes=self._attributes(group)), group)
        if depth > limits.DEPTH:
            raise Refused("groups nested too deep")
        for name in _links(group):
            try:
                inner = f"{path}/{name.decode()}"
            except UnicodeDecodeError:
                raise Refused("a name that is not UTF-8") from None
            if group.links.get_info(name).type == h5l.TYPE_SOFT:
                self._symbolic.append((group, name, inner))
                continue
            each = h5o.open(group, name)
            if (there := self.places.get(address_of(each))) is not None:
                self._further(inner, there, symbolic=False)
            elif isinstance(each, h5g.GroupID):
                self._walk(each, inner, depth + 1)
            elif isinstance(each, h5d.DatasetID):
                self._add(self._dataset(each, inner), each)
            else:
                self._name(inner, look(each)[1])  # a type: what it is called is in no use but by netCDF's compound types

    def _link(self, group: h5g.GroupID, name: bytes, path: str) -> None:
        """Note a symbolic link, which must lead to an object of the file."""
        try:
            there = self.places.get(address_of(h5o.open(group, name)))
        except (KeyError, RuntimeError):
            there = None
        if there is None:
            raise Refused("links to nothing")
        self._further(path, there, symbolic=True)

    def _further(self, path: str, there: str, *, symbolic: bool) -> None:
        """Note a further name of an object, but for a group in itself: programs would walk it for ever."""
        if f"{path}/".startswith(f"{there.rstrip('/')}/"):
            raise Refused("a group that holds itself")
        self._name(path)
        self.links.append((path, there, symbolic))

    def _name(self, path: str, names: Sequence[str] = ()) -> None:
        self.nodes.append(Node(path, is_group=True, attributes=(), names=tuple(names), is_name=True))
        if len(self.nodes) > limits.NODES:
            raise Refused("too many objects")

    def _add(self, node: Node, each: h5g.GroupID | h5d.DatasetID) -> None:
        address = address_of(each)
        self.places[address] = node.path
        self.nodes.append(node)
        if len(self.nodes) > limits.NODES:
            raise Refused("too many objects")

    def _dataset(self, dataset: h5d.DatasetID, path: str) -> Node:
        form, names = look(dataset.get_type())
        check(dataset, form)
        attributes = self._attributes(dataset)
        texts = None
        if form in (Form.TEXT, Form.LETTERS):
            texts = self._counted(texts_of(read_all(dataset), form))
        elif form is Form.NUMBERS and h5a.exists(dataset, CLASS):
            kind = next((a.texts for a in attributes if a.name == CLASS.decode()), None)
            if kind == ("char",) and not h5a.exists(dataset, EMPTY):
                texts = self._counted(_characters(read_all(dataset)))
        return Node(path, False, attributes, tuple(names), texts, editable=form is Form.TEXT)

    def _attributes(self, owner: h5g.GroupID | h5d.DatasetID) -> tuple[Attribute, ...]:
        found = []
        for name in attribute_names(owner):
            attribute = h5a.open(owner, name)
            form, names = look(attribute.get_type())
            texts = self._counted(texts_of(read_attribute(attribute), form)) if form in (Form.TEXT, Form.LETTERS) else None
            found.append(Attribute(name.decode(), tuple(names), texts))
        return tuple(found)

    def _counted(self, texts: list[str]) -> tuple[str, ...]:
        self._text += sum(map(len, texts)) + len(texts)
        if self._text > limits.TEXT_BYTES:
            raise Refused("too much text")
        return tuple(texts)


def _links(group: h5g.GroupID) -> list[bytes]:
    if group.get_num_objs() > limits.NODES:
        raise Refused("too many objects")
    names = sorted(group)
    if any(group.links.get_info(name).type not in (h5l.TYPE_HARD, h5l.TYPE_SOFT) for name in names):
        raise Refused("links to other files")
    return names


def address_of(each: h5g.GroupID | h5d.DatasetID) -> int:
    """What tells an object of one file from another."""
    return int(h5o.get_info(each).addr)


def attribute_names(owner: h5g.GroupID | h5d.DatasetID) -> list[bytes]:
    """The attributes of an object, sorted."""
    count = h5a.get_num_attrs(owner)
    if count > limits.ATTRIBUTES:
        raise Refused("too many attributes")
    names = [h5a.open(owner, index=index).name for index in range(count)]
    try:
        return sorted(name if isinstance(name, bytes) else name.encode() for name in names)
    except UnicodeError:
        raise Refused("a name that is not UTF-8") from None


def check(dataset: h5d.DatasetID, form: Form) -> None:
    """Refuse a dataset whose values lie elsewhere or cannot be written again."""
    plist = dataset.get_create_plist()
    if plist.get_external_count() or plist.get_layout() not in _LAYOUTS:
        raise Refused("values that are kept outside of the file or put together from others")
    if plist.get_layout() == h5d.CHUNKED:
        filters = [plist.get_filter(index)[0] for index in range(plist.get_nfilters())]
        if not set(filters) <= set(_FILTERS):
            raise Refused("values packed in a way that is not known")
        if int(np.prod(plist.get_chunk(), dtype=object)) * dataset.get_type().get_size() > limits.CHUNK_BYTES:
            raise Refused("chunks that are too large")
    if plist.fill_value_defined() == h5d.FILL_VALUE_USER_DEFINED and form is not Form.NUMBERS:
        raise Refused("a fill value that is no number")


def read_all(dataset: h5d.DatasetID) -> np.ndarray[Any, Any]:
    """A small dataset's values."""
    count = dataset.get_space().get_simple_extent_npoints()
    if count * dataset.get_type().get_size() > limits.TEXT_BYTES:
        raise Refused("too much text")
    values = np.zeros(dataset.shape or (), dtype=dataset.dtype)
    if count:
        dataset.read(h5s.ALL, h5s.ALL, values)
    return values


def read_attribute(attribute: h5a.AttrID) -> np.ndarray[Any, Any]:
    """An attribute's values."""
    if attribute.get_space().get_simple_extent_npoints() * attribute.get_type().get_size() > limits.ATTRIBUTE_BYTES:
        raise Refused("an attribute that is too large")
    values = np.zeros(attribute.shape or (), dtype=attribute.dtype)
    if attribute.get_space().get_simple_extent_npoints():
        attribute.read(values)
    return values


def texts_of(values: np.ndarray[Any, Any], form: Form) -> list[str]:
    """Texts of strings, or of lists of letters."""
    return list(_texts(values, form))


def _texts(values: np.ndarray[Any, Any], form: Form) -> Iterator[str]:
    for found in values.reshape(-1):
        each = found
        if form is Form.LETTERS:
            each = np.asarray(found, dtype="S1").tobytes() if isinstance(found, np.ndarray) else b""
        yield each if isinstance(each, str) else decoded(bytes(each or b""))


def decoded(value: bytes) -> str:
    """Text of no declared character set."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _characters(values: np.ndarray[Any, Any]) -> list[str]:
    """The rows of an array of MATLAB's characters, whose first dimension HDF5 calls the last."""
    if values.dtype.kind not in "iu":
        raise Damaged("characters that are no numbers")
    rows = np.atleast_2d(values.T).astype("<u2").reshape(-1, values.shape[0] if values.shape else 1)
    return [row.tobytes().decode("utf-16-le", "replace") for row in rows]
