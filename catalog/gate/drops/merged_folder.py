"""What one exam's folder shows: the trees of its batches laid over each other. Reads only; knows no catalogue."""

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from catalog.gate.staged.disk_tree import UNFINISHED, DiskTree
from catalog.gate.staged.drop_folder import DropFolder
from catalog.pure.drops import Entry, Place, merged
from catalog.pure.errors import NotADirectory, NotFound


@dataclass(frozen=True, slots=True)
class Layer:
    """One batch's part of a folder.

    `only`, unless it is None, are the places that are shown, of files and of the folders above them: in the same folder on disk
    lie files of another batch, which who asks may not see.
    """

    drop: DropFolder
    is_sealed: bool
    only: frozenset[Place] | None = None

    @classmethod
    def restricted(cls, drop: DropFolder, numbers: Iterable[int]) -> "Layer":
        """Return a sealed layer that shows these files of the stock."""
        names = drop.names()
        files = [tuple(names[number - 1][0].split("/")) for number in numbers if number <= len(names)]
        return cls(drop, is_sealed=True, only=frozenset(file[:depth] for file in files for depth in range(len(file) + 1)))

    def shows(self, names: Place) -> bool:
        """Whether a place is one that who asks may see."""
        return self.only is None or names in self.only

    def scan(self, names: Place) -> list[Entry]:
        """Return what this layer has in a folder.

        Raises:
            NotFound, NotADirectory: it has none there, or a file.
        """
        if not self.shows(names):
            raise NotFound("there is no such file or folder")
        found = self.drop.tree.scan(names)
        return [self.entry(name, status) for name, status in found if self.shows((*names, name))]

    def entry(self, name: str, found: os.stat_result) -> Entry:
        """Return a file or folder of this layer as its user sees it."""
        is_folder = stat.S_ISDIR(found.st_mode)
        return Entry(
            name=name,
            is_folder=is_folder,
            size=0 if is_folder else found.st_size,
            mtime_ns=found.st_mtime_ns,
            is_sealed=self.is_sealed,
            is_unfinished=not is_folder and bool(found.st_mode & UNFINISHED),
            inode=0 if is_folder else found.st_ino,
        )

    def find(self, names: Place) -> Entry | None:
        """Return what this layer has at a place, None if nothing."""
        if not self.shows(names):
            return None
        try:
            found = self.drop.tree.stat(names)
        except (NotFound, NotADirectory):
            return None
        return self.entry(names[-1] if names else "", found)


class MergedFolder:
    """The layers together, sealed ones first."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers

    def find(self, names: Place) -> Entry:
        """Return what is at a place.

        Raises:
            NotFound: nothing.
        """
        shown = merged([[found] for layer in self._layers if (found := layer.find(names)) is not None])
        if not shown:
            raise NotFound("there is no such file or folder")
        return shown[0]

    def sealed(self, names: Place) -> Entry | None:
        """Return what a sealed batch has at a place, None if none has anything."""
        found = (layer.find(names) for layer in self._layers if layer.is_sealed)
        return next((entry for entry in found if entry is not None), None)

    def children(self, names: Place) -> list[Entry]:
        """Return what a folder shows.

        Raises:
            NotFound, NotADirectory: it is not there, or is a file.
        """
        if not self.find(names).is_folder:
            raise NotADirectory("a file has nothing below it")
        scans = []
        for layer in self._layers:
            try:
                scans.append(layer.scan(names))
            except (NotFound, NotADirectory):
                continue
        return merged(scans)

    def attribute(self, names: Place) -> bytes:
        """Return what is kept beside a file or folder, empty if nothing.

        Raises:
            NotFound: it is not there.
        """
        return self._tree_of(names).attribute(names)

    def digests(self, names: Place) -> str:
        """Return the digests that a file was uploaded with, empty if none.

        Raises:
            NotFound: it is not there.
        """
        return self._tree_of(names).digests(names)

    def open(self, names: Place) -> int:
        """Open a file for reading; return its descriptor.

        Raises:
            NotFound, IsADirectory: it is not there, or is a folder.
        """
        return self._tree_of(names).open(names, os.O_RDONLY)

    def _tree_of(self, names: Place) -> DiskTree:
        for layer in self._layers:
            if layer.find(names) is not None:
                return layer.drop.tree
        raise NotFound("there is no such file or folder")
