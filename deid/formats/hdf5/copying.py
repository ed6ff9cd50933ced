"""Writing an HDF5 file anew from what another holds, value by value. Runs in the child.

No byte is copied that is no value: freed space, dates of objects, padding, what lies in chunks beyond a dataset's edge or
behind a packed stream stay behind. The same file gives the same bytes.
"""

from __future__ import annotations

import itertools
from math import prod
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5p, h5r, h5s, h5t

from deid.formats.hdf5 import limits
from deid.formats.hdf5.reading import Tree, address_of, attribute_names, read_all, read_attribute
from deid.formats.hdf5.refusal import Damaged, Leak, Refused
from deid.formats.hdf5.types import Form, look
from deid.leak import Needle, Search

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deid.formats.hdf5.nodes import Node, Orders

    Slices = tuple[tuple[int, ...], tuple[int, ...]]

_LIST_BYTES = 1 << 17  # what a list is taken to hold when rows are read together


class Copy:
    """One file being written from another."""

    def __init__(self, source: h5py.File, target: h5py.File, tree: Tree, orders: Orders) -> None:
        self._source, self._target, self._tree, self._orders = source.id, target.id, tree, orders
        self._search = Search(frozenset(Needle(text.encode("latin-1"), kind) for text, kind in orders.needles))
        self._drop = {(path, name.encode()) for path, name in orders.drop}
        self._edited = {(path, name.encode()): texts for path, name, texts in orders.attributes}
        self._gone = frozenset(orders.gone)
        self._late: list[tuple[h5d.DatasetID, h5d.DatasetID]] = []
        self._late_attributes: list[tuple[h5a.AttrID, h5a.AttrID]] = []

    def run(self) -> None:
        """Write all objects, then the references, whose aims exist only now."""
        for number, node in enumerate(self._tree.nodes, 1):
            path = node.path.encode()
            if node.path in self._gone or node.is_name:
                continue
            if node.is_group:
                self._group(node, path)
            else:
                self._dataset(number, node, path)
        for old, new in self._late:
            self._references(old, new)
        for told, made in self._late_attributes:
            made.write(self._aimed(read_attribute(told)))
        for place, there, is_symbolic in self._tree.links:
            if there in self._gone:
                continue
            if is_symbolic:
                self._target.links.create_soft(place.encode(), there.encode())
            else:
                self._target.links.create_hard(place.encode(), self._target, there.encode())

    def _group(self, node: Node, path: bytes) -> None:
        if path == b"/":
            old, new = h5g.open(self._source, b"/"), h5g.open(self._target, b"/")
        else:
            plist = h5p.create(h5p.GROUP_CREATE)
            plist.set_obj_track_times(False)
            old, new = h5g.open(self._source, path), h5g.create(self._target, path, gcpl=plist)
        self._attributes(node, old, new)

    def _dataset(self, number: int, node: Node, path: bytes) -> None:
        old = h5d.open(self._source, path)
        form, _ = look(old.get_type())
        texts = self._orders.texts.get(node.path)
        kind = _type_for(old.get_type(), texts)
        new = h5d.create(self._target, path, kind, old.get_space(), _properties(old, form))
        self._attributes(node, old, new)
        if texts is not None:
            new.write(h5s.ALL, h5s.ALL, _array(texts, new.dtype, old.shape))
        elif form is Form.REFERENCES:
            self._late.append((old, new))
        elif form is Form.TEXT or form is Form.LETTERS:
            _write_all(new, read_all(old))
        else:
            self._values(number, old, new)

    def _values(self, number: int, old: h5d.DatasetID, new: h5d.DatasetID) -> None:
        packed = old.get_create_plist().get_nfilters() > 0
        for start, count in _blocks(old):
            values = np.zeros(count, dtype=old.dtype)
            near, far = h5s.create_simple(count) if count else h5s.create(h5s.SCALAR), old.get_space()
            if count:
                far.select_hyperslab(start, count)
            old.read(near, far, values)
            values = plain(values)
            # What is not packed the parent finds in the file itself; lists are never packed.
            if packed and not values.dtype.hasobject and self._search.hits(values.tobytes().lower()):
                raise Leak(number)
            new.write(near, far, values)

    def _attributes(self, node: Node, old: h5g.GroupID | h5d.DatasetID, new: h5g.GroupID | h5d.DatasetID) -> None:
        for name in attribute_names(old):
            if (node.path, name) not in self._drop:
                attribute = h5a.open(old, name)
                texts = self._edited.get((node.path, name))
                kind = _type_for(attribute.get_type(), texts)
                made = h5a.create(new, name, kind, attribute.get_space())
                if texts is not None:
                    made.write(_array(texts, made.dtype, made.shape))
                elif look(attribute.get_type())[0] is Form.REFERENCES:
                    self._late_attributes.append((attribute, made))
                elif attribute.get_space().get_simple_extent_npoints():
                    made.write(plain(read_attribute(attribute)))

    def _references(self, old: h5d.DatasetID, new: h5d.DatasetID) -> None:
        if old.get_space().get_simple_extent_npoints() > limits.REFERENCES:
            raise Refused("too many references")
        _write_all(new, self._aimed(read_all(old)))

    def _aimed(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The same values, with references to the same objects in the new file; to one that is gone, to nothing."""
        if values.dtype.names is not None:
            new = plain(values)
            for name in values.dtype.names:
                new[name] = self._aimed(values[name])
            return new
        if values.dtype.kind != "O":
            return values
        new = np.empty(values.shape, dtype=values.dtype)
        flat = new.reshape(-1)
        for index, each in enumerate(values.reshape(-1)):
            if isinstance(each, np.ndarray):
                flat[index] = self._aimed(each)
            else:
                flat[index] = self._aim(each) if isinstance(each, h5py.Reference) and each else each
        return flat.reshape(values.shape)

    def _aim(self, reference: h5r.Reference) -> h5r.Reference:
        aim = self._tree.places.get(address_of(h5r.dereference(reference, self._source)))
        if aim is None:
            raise Damaged("a reference to nothing")
        return h5r.Reference() if aim in self._gone else h5r.create(self._target, aim.encode(), h5r.OBJECT)


def _type_for(old: h5t.TypeID, texts: Sequence[str] | None) -> h5t.TypeID:
    """The type of what is written: as it was, but as wide as new texts need."""
    kind = old.copy()
    if texts is not None and not kind.is_variable_str():
        kind.set_size(max(1, *(len(text.encode()) for text in texts)) + 1)
    return kind


def _array(texts: Sequence[str], kind: np.dtype[Any], shape: tuple[int, ...] | None) -> np.ndarray[Any, Any]:
    return np.array([text.encode() for text in texts], dtype=kind).reshape(shape or ())


def _write_all(dataset: h5d.DatasetID, values: np.ndarray[Any, Any]) -> None:
    if dataset.get_space().get_simple_extent_npoints():
        dataset.write(h5s.ALL, h5s.ALL, values)


def _properties(old: h5d.DatasetID, form: Form) -> h5p.PropDCID:
    """How a dataset is laid out and packed: as it was. A dataset with no date."""
    was, plist = old.get_create_plist(), h5p.create(h5p.DATASET_CREATE)
    plist.set_obj_track_times(False)
    plist.set_layout(was.get_layout())
    if was.get_layout() == h5d.CHUNKED:
        plist.set_chunk(was.get_chunk())
    for index in range(was.get_nfilters()):
        code, flags, values, _ = was.get_filter(index)
        plist.set_filter(code, flags, values if code == h5py.h5z.FILTER_DEFLATE else ())
    if was.fill_value_defined() == h5d.FILL_VALUE_USER_DEFINED and form is Form.NUMBERS:
        fill = np.zeros((), dtype=old.dtype)
        was.get_fill_value(fill)
        plist.set_fill_value(plain(fill))
    return plist


def _blocks(dataset: h5d.DatasetID) -> Iterator[Slices]:
    """Start and extent of pieces that fit in memory and cover every value that is stored."""
    shape, plist = dataset.shape, dataset.get_create_plist()
    if shape is None or not prod(shape) or not dataset.get_storage_size():
        return  # nothing is stored, so nothing is written: every value is the fill value
    if not shape:
        yield (), ()
        return
    size = max(1, dataset.get_type().get_size(), _LIST_BYTES * dataset.dtype.hasobject)
    unit = plist.get_chunk() if plist.get_layout() == h5d.CHUNKED else (1,) * len(shape)
    if plist.get_layout() == h5d.CHUNKED:
        stored: list[tuple[int, ...]] = []
        dataset.chunk_iter(lambda chunk: stored.append(tuple(chunk.chunk_offset)))
        if len(stored) < prod(-(-length // edge) for length, edge in zip(shape, unit, strict=True)):
            for start in sorted(stored):
                yield start, tuple(min(u, s - a) for u, s, a in zip(unit, shape, start, strict=True))
            return
    step = _step(shape, unit, size)
    for start in itertools.product(*(range(0, length, edge) for length, edge in zip(shape, step, strict=True))):
        yield start, tuple(min(edge, length - at) for edge, length, at in zip(step, shape, start, strict=True))


def _step(shape: tuple[int, ...], unit: tuple[int, ...], size: int) -> tuple[int, ...]:
    """The largest piece made of whole chunks that keeps within a block's bytes."""
    step = [min(edge, length) for edge, length in zip(unit, shape, strict=True)]
    for axis in reversed(range(len(shape))):
        step[axis] = min(shape[axis], step[axis] * max(1, limits.BLOCK_BYTES // (prod(step) * size)))
        if step[axis] < shape[axis]:
            break
    return tuple(step)


def plain(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same values; what lies between a record's members is zero."""
    if values.dtype.names is None:
        return values
    new = np.zeros(values.shape, dtype=values.dtype)
    _fill(new, values)
    return new


def _fill(new: np.ndarray[Any, Any], old: np.ndarray[Any, Any]) -> None:
    for name in old.dtype.names or ():
        if old.dtype[name].base.names is None:
            new[name] = old[name]
        else:
            _fill(new[name], old[name])
