"""Results: what a program made of a series, brought back to stand beside it as a tree of its own.

Which staged files are a result, of which series, and what the files and folders in it are called. Results carry names that
researchers and their programs gave; those names stay, as far as every face can show them.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.pure.errors import Invalid
from catalog.pure.names import folded, safe_label, safe_name, series_name, unique_file_name

FILE_TYPE = "RESULT"
LINEAGE = "_LINEAGE.json"
_FOLDER = re.compile(r"([0-9]{3,8})_RESULT(?:_(.*))?", re.DOTALL)
_LONGEST_TEXT = 200
_MOST_SOURCES = 100


@dataclass(frozen=True, slots=True)
class ResultPath:
    """A staged file of a result: `number` of the series it was made of, the result's `label`, and the way to it below that."""

    number: int
    label: str
    parts: tuple[str, ...]

    @property
    def is_lineage(self) -> bool:
        """Whether it says how the result was made, instead of being part of it."""
        return self.parts == (LINEAGE,)


@dataclass(frozen=True, slots=True)
class Lineage:
    """How a result was made: the program with its version, and the series it was made of by their folder names."""

    program: str = ""
    sources: tuple[str, ...] = ()


def result_path(relative: str) -> ResultPath | None:
    """Return what a staged file's path within its exam says of a result: `003_RESULT_seg/stats/areas.csv`; None if nothing."""
    first, *parts = relative.split("/")
    found = _FOLDER.fullmatch(first)
    if found is None or not parts or "" in parts:
        return None
    return ResultPath(int(found[1]), found[2] or "", tuple(parts))


def folder_name(number: int, label: str) -> str:
    """Return the folder in which a result is brought: what `result_path` takes apart.

    Raises:
        Invalid: the label cannot be part of a name.
    """
    if not label or safe_label(label) != label:
        raise Invalid(f"a label is short and holds what a folder's name may hold: for instance {safe_label(label) or 'seg'}")
    return series_name(number, FILE_TYPE, label)


def read_lineage(text: bytes) -> Lineage:
    """Return what a lineage file says: a JSON object with `program` and `sources`, both optional.

    Raises:
        Invalid: it is not that.
    """
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise Invalid(f"{LINEAGE} cannot be used: it is not JSON") from None
    if not isinstance(found, dict):
        raise Invalid(f"{LINEAGE} cannot be used: it is not a JSON object")
    unknown = set(found) - {"program", "sources"}
    if unknown:
        raise Invalid(f"{LINEAGE} cannot be used: it has other keys than program and sources")
    program, sources = found.get("program", ""), found.get("sources", [])
    if not _is_line(program):
        raise Invalid(f"{LINEAGE} cannot be used: program is not one line of at most {_LONGEST_TEXT} characters")
    if not isinstance(sources, list) or len(sources) > _MOST_SOURCES or not all(map(_is_line, sources)):
        raise Invalid(f"{LINEAGE} cannot be used: sources is not a list of at most {_MOST_SOURCES} series names")
    return Lineage(program, tuple(sources))


def _is_line(text: object) -> bool:
    return isinstance(text, str) and text.isprintable() and len(text) <= _LONGEST_TEXT


def placed(paths: Mapping[int, Sequence[str]], standing: Iterable[Sequence[str]] = ()) -> dict[int, tuple[str, ...]]:
    """Return where each file of a result stands: its way through folders, in names that every face can show.

    What stood in one folder stands in one folder still. Names that differ in case only, or only in what cannot be shown, get a
    count; the same files give the same names, in whatever order they come.

    Args:
        paths: the way to each file below the result's folder, by the file's number.
        standing: the ways to files that the result has already, which keep their names. A file that comes by the very way of
            one of them gets that place again.
    """
    tree = _Folder()
    again = {tuple(parts) for parts in paths.values()}
    for way in sorted(map(tuple, standing)):
        if way not in again:
            tree.put(way, None)
        else:
            tree.reach(way[:-1])
    for file, parts in sorted(paths.items(), key=lambda item: (tuple(item[1]), item[0])):
        tree.put(parts, file)
    found: dict[int, tuple[str, ...]] = {}
    tree.name_below((), found)
    return found


class _Folder:
    """A folder that is being named: folders first, for they hold more."""

    def __init__(self) -> None:
        self.folders: dict[str, _Folder] = {}
        self.files: list[tuple[str, int | None]] = []

    def reach(self, way: Sequence[str]) -> "_Folder":
        folder = self
        for name in way:
            folder = folder.folders.setdefault(name, _Folder())
        return folder

    def put(self, way: Sequence[str], file: int | None) -> None:
        self.reach(way[:-1]).files.append((way[-1], file))

    def name_below(self, above: tuple[str, ...], found: dict[int, tuple[str, ...]]) -> None:
        names = _distinct([*self.folders, *(name for name, _ in self.files)])
        for name, folder in zip(names, self.folders.values(), strict=False):
            folder.name_below((*above, name), found)
        for name, (_, file) in zip(names[len(self.folders) :], self.files, strict=True):
            if file is not None:
                found[file] = (*above, name)


def _distinct(wanted: Iterable[str]) -> list[str]:
    """Return a safe name for each, no two the same when folded; names that are safe already are served first, in order."""
    names = list(wanted)
    given: dict[int, str] = {}
    taken: set[str] = set()
    for is_changed in (False, True):
        for place, name in enumerate(names):
            safe = safe_name(name)
            if place not in given and (safe != name) is is_changed:
                given[place] = unique_file_name(safe, taken)
                taken.add(folded(given[place]))
    return [given[place] for place in range(len(names))]


def sources_as_column(sources: Iterable[str]) -> str:
    """Return the sources of a lineage as the catalogue keeps them: a JSON array."""
    return json.dumps(list(sources))


def sources_of_column(column: str) -> tuple[str, ...]:
    """Return what `sources_as_column` was given."""
    return tuple(json.loads(column))
