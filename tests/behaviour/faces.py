"""What the suite asks of a face, and the two faces that need no protocol of their own: the view itself and a folder."""

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from catalog.pure.errors import NotADirectory, NotFound
from catalog.view import View


@dataclass(frozen=True)
class Facts:
    """What a face tells of a node; `size` of a folder is not compared."""

    is_folder: bool
    size: int
    mtime: int


class Face(Protocol):
    """The archive of one user, however it is reached. Paths are relative, with slashes; `""` is the root.

    All but `exists` raise FileNotFoundError where there is nothing (or nothing granted).
    """

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, in the order in which the face lists them; raise NotADirectoryError for a file."""

    def stat(self, path: str) -> Facts:
        """Return the facts of a file or folder."""

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """Return bytes of a file: all from `offset`, or `length` of them."""

    def exists(self, path: str) -> bool:
        """Whether something is there."""


class CoreFace:
    """The bare view: what every other face must agree with."""

    def __init__(self, view: View) -> None:
        self._view = view

    def names(self, path: str) -> list[str]:
        try:
            return [node.name for node in self._view.walk(self._view.resolve(path).id)]
        except NotFound:
            raise FileNotFoundError from None
        except NotADirectory:
            raise NotADirectoryError from None

    def stat(self, path: str) -> Facts:
        try:
            node = self._view.resolve(path)
        except (NotFound, NotADirectory):
            raise FileNotFoundError from None
        return Facts(node.is_folder, node.size, node.mtime)

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        try:
            opened = self._view.open(self._view.resolve(path).id)
        except (NotFound, NotADirectory):
            raise FileNotFoundError from None
        try:
            return opened.read_at(offset, opened.node.size if length is None else length)
        finally:
            opened.close()

    def exists(self, path: str) -> bool:
        try:
            self._view.resolve(path)
        except (NotFound, NotADirectory):
            return False
        return True


class FolderFace:
    """A folder of this machine: what a mount must look like."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, path: str) -> list[str]:
        return [entry.name for entry in (self._root / path).iterdir()]

    def stat(self, path: str) -> Facts:
        try:
            found = (self._root / path).stat()
        except NotADirectoryError:
            raise FileNotFoundError from None
        return Facts(stat.S_ISDIR(found.st_mode), found.st_size, int(found.st_mtime))

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        with (self._root / path).open("rb") as file:
            file.seek(offset)
            return file.read(-1 if length is None else length)

    def exists(self, path: str) -> bool:
        return (self._root / path).exists()
