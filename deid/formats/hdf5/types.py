"""Which types of HDF5 are kept: numbers, numbers in lists and records, texts, references to objects. Runs in the child."""

from __future__ import annotations

from enum import Enum

from h5py import h5t

from deid.formats.hdf5 import limits
from deid.formats.hdf5.refusal import Refused


class Form(Enum):
    """What a type holds."""

    NUMBERS = "numbers"
    LISTS = "lists"
    TEXT = "text"
    LETTERS = "letters"
    REFERENCES = "references"


def look(tid: h5t.TypeID) -> tuple[Form, list[str]]:
    """What a type holds and the names within it."""
    kind = tid.get_class()
    if kind == h5t.STRING:
        return Form.TEXT, []
    if kind == h5t.VLEN and tid.get_super().get_class() == h5t.STRING:
        if tid.get_super().is_variable_str() or tid.get_super().get_size() != 1:
            raise Refused("lists of texts")
        return Form.LETTERS, []
    names: list[str] = []
    lists = _numbers(tid, names, 0)
    if _refers(tid):
        return Form.REFERENCES, names
    return (Form.LISTS if lists else Form.NUMBERS), names


def _refers(tid: h5t.TypeID) -> bool:
    """Whether a type that was checked holds references, within records and lists, too."""
    kind = tid.get_class()
    if kind == h5t.COMPOUND:
        return any(_refers(tid.get_member_type(index)) for index in range(_members(tid)))
    return kind == h5t.REFERENCE or (kind in (h5t.VLEN, h5t.ARRAY) and _refers(tid.get_super()))


def _numbers(tid: h5t.TypeID, names: list[str], depth: int) -> bool:
    """Check a type of numbers and references; whether it holds lists of any length."""
    kind = tid.get_class()
    if depth > limits.DEPTH:
        raise Refused("types nested too deep")
    if kind in (h5t.INTEGER, h5t.FLOAT):
        if tid.get_precision() != 8 * tid.get_size() or tid.get_offset():
            raise Refused("numbers with unused bits")
        return False
    if kind == h5t.REFERENCE:
        if not tid.equal(h5t.STD_REF_OBJ):
            raise Refused("references to parts of datasets")
        return False
    if kind == h5t.ENUM:
        names += [_name(tid.get_member_name(index)) for index in range(_members(tid))]
        return _numbers(tid.get_super(), names, depth + 1)
    if kind == h5t.COMPOUND:
        names += [_name(tid.get_member_name(index)) for index in range(_members(tid))]
        lists = [_numbers(tid.get_member_type(index), names, depth + 1) for index in range(_members(tid))]  # looks at all
        return any(lists)
    if kind == h5t.ARRAY:
        return _numbers(tid.get_super(), names, depth + 1)
    if kind == h5t.VLEN:
        if _numbers(tid.get_super(), names, depth + 1):
            raise Refused("lists of lists")
        return True
    raise Refused("a type that is neither numbers nor text")


def _members(tid: h5t.TypeID) -> int:
    count = int(tid.get_nmembers())
    if count > limits.MEMBERS:
        raise Refused("a record with too many members")
    return count


def _name(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise Refused("a name that is not UTF-8") from None
