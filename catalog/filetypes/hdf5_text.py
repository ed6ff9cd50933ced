"""What an HDF5 file holds, as text: groups, datasets with shape and type, attributes, and values that are short."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import h5py
import numpy as np

from catalog.filetypes.model import Preview
from catalog.filetypes.plain_text import text_preview

_MOST_MEMBERS, _DEEPEST = 2000, 12
_LONGEST_VALUE, _MOST_VALUES = 2000, 16


def preview(file: BinaryIO) -> Preview:
    """Show the tree; links that lead out of the file are named and not followed."""
    with h5py.File(file, "r") as opened:
        return text_preview(_lines(opened))


def _lines(opened: h5py.File) -> Iterator[str]:
    yield from _attributes(opened, 0)
    left = [_MOST_MEMBERS]
    yield from _members(opened, 0, left)


def _members(group: h5py.Group, depth: int, left: list[int]) -> Iterator[str]:
    for name in group:
        left[0] -= 1
        if left[0] < 0:
            yield "… and more"
            return
        indent = "  " * depth
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            yield f"{indent}{name}: a link, not followed"
            continue
        member = group[name]
        if isinstance(member, h5py.Group):
            yield f"{indent}{name}/"
            yield from _attributes(member, depth + 1)
            if depth < _DEEPEST:
                yield from _members(member, depth + 1, left)
        elif isinstance(member, h5py.Dataset):
            yield f"{indent}{name}: {member.dtype} {list(member.shape or ())}{_short(member)}"
            yield from _attributes(member, depth + 1)


def _attributes(of: Any, depth: int) -> Iterator[str]:
    for name in of.attrs:
        try:
            value = _shown(of.attrs[name])
        except (OSError, TypeError, ValueError):
            value = "?"
        yield f"{'  ' * depth}@{name} = {value}"


def _short(dataset: h5py.Dataset) -> str:
    """Return a dataset's value where it is short; what is stored compressed is looked into as well."""
    if dataset.shape is None or dataset.size > _MOST_VALUES or dataset.external:
        return ""
    try:
        return f" = {_shown(dataset[()])}"
    except (OSError, TypeError, ValueError):
        return ""


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    elif isinstance(value, np.ndarray):
        value = value.ravel()[:_MOST_VALUES].tolist()
        value = [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in value]
        value = value[0] if len(value) == 1 else value
    return str(value)[:_LONGEST_VALUE]
