"""What a file type sees of a file that it is to recognise: a bounded part of its bytes, and its companions. No name."""

from collections.abc import Mapping
from pathlib import Path, PurePath

HEAD_BYTES = 4096
_PACKED = frozenset({".gz", ".bz2", ".xz", ".zst"})
_LARGEST_READ = 1 << 20
_LARGEST_SUM = 8 << 20


class Sample:
    """A file to be recognised.

    Args:
        path: where its bytes are.
        companions: files that are called like it but for the ending, by that ending in small letters (`.hdr`). A name says
            which files may belong together, never what they are.

    Attributes:
        head: its first 4096 bytes, fewer if it is shorter.
        size: bytes.
    """

    def __init__(self, path: Path, companions: Mapping[str, Path] | None = None) -> None:
        self._path = path
        self._companions = companions or {}
        self._left = _LARGEST_SUM
        self.size = path.stat().st_size
        self.head = self.read(0, HEAD_BYTES)

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from `offset`; nothing once 8 MiB have been read in all."""
        count = min(count, _LARGEST_READ, self._left)
        if count <= 0 or not 0 <= offset < self.size:
            return b""
        with self._path.open("rb") as file:
            file.seek(offset)
            found = file.read(count)
        self._left -= len(found)
        return found

    def beside(self, ending: str) -> "Sample | None":
        """Return the file that is called like this one but for the ending, if there is one."""
        path = self._companions.get(ending)
        return Sample(path) if path is not None and path != self._path else None


def companions(names: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    """Return for each file of a tree that has some, by its name in it, those that are called like it but for the ending."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(stem_of(name), []).append(name)
    found: dict[str, dict[str, Path]] = {}
    for members in groups.values():
        if len(members) > 1:
            family = {PurePath(name).suffix.lower(): names[name] for name in members}
            found.update((name, family) for name in members)
    return found


def stem_of(name: str) -> str:
    """Return a file's name in its tree without its ending, `.nii.gz` as well: what companions have in common."""
    path = PurePath(name)
    path = path.with_suffix("") if path.suffix.lower() in _PACKED else path
    return str(path.with_suffix(""))
