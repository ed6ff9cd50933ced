"""The files of this machine that a command is told to bring, and what of them is left out.

The command runs with the service's rights, while the tree may be anybody's, who can change it meanwhile. So a tree is opened
once, and every step from there goes down from an open folder and follows no symbolic link: nothing outside of it is ever
opened, and what is no regular file is never read. Only this may live here; what is done with the files is `importing`'s.
"""

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from catalog.pure.checks import counted
from catalog.pure.drops import Place, check_depth, decoded, encoded
from catalog.pure.errors import Refused

LINK = "symbolic link"
_KINDS = {stat.S_IFLNK: LINK, stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: a FIFO may have taken the place of a file since it was listed.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file of a tree: `root` is the open folder of that tree, `names` lead from there, `place` is where it goes."""

    root: int
    names: Place
    place: Place


class LocalFiles:
    """The files that were named, and all below the folders that were named; a context manager, for it holds folders open.

    `files` in the order in which they are brought; `left_out` has, by its place, the kind of each thing that is not brought
    (`symbolic link`, `FIFO`, `socket`, `device`).

    Args:
        paths: what was named.
        own_names: whether a folder comes with its own name, or only what is in it.

    Raises:
        Refused: what was named is a symbolic link or no file, or a folder cannot be read.
        TooLong: folders are nested too deep.
    """

    def __init__(self, paths: Sequence[Path], *, own_names: bool = False) -> None:
        self.files: list[LocalFile] = []
        self.left_out: dict[Place, str] = {}
        self._open = ExitStack()
        try:
            for path in paths:
                self._add(path, own_names=own_names)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the folders."""
        self._open.close()

    def _add(self, path: Path, *, own_names: bool) -> None:
        with _named():
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                root = self._keep(os.open(path, _FOLDER))
                above = (path.resolve().name,) if own_names else ()
                self._scan(root, root, (), above)
            elif stat.S_ISREG(mode):
                root = self._keep(os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
                self.files.append(LocalFile(root, (path.name,), (path.name,)))
            elif stat.S_ISLNK(mode):
                raise Refused("what was named is a symbolic link; name the file or folder that it leads to")
            else:
                raise Refused(f"what was named is a {_KINDS[stat.S_IFMT(mode)]}, and only files and folders can be brought")

    def _keep(self, fd: int) -> int:
        self._open.callback(os.close, fd)
        return fd

    def _scan(self, root: int, folder: int, names: Place, above: Place) -> None:
        check_depth(len(names))
        with os.scandir(folder) as entries:
            # As bytes, for how an open folder's names are decoded depends on the locale.
            found = sorted((os.fsencode(entry.name), entry.stat(follow_symlinks=False).st_mode) for entry in entries)
        for raw, mode in found:
            below = (*names, decoded(raw))
            if stat.S_ISREG(mode):
                self.files.append(LocalFile(root, below, (*above, *below)))
            elif stat.S_ISDIR(mode):
                with _opened(raw, _FOLDER, folder) as inner:
                    self._scan(root, inner, below, above)
            else:
                self.left_out[(*above, *below)] = _KINDS[stat.S_IFMT(mode)]


def open_file(file: LocalFile) -> BinaryIO:
    """Open a file for reading.

    Raises:
        Refused: it, or a folder above it, is something else by now.
        OSError: it cannot be opened.
    """
    try:
        with ExitStack() as folders:
            folder = file.root
            for name in file.names[:-1]:
                folder = folders.enter_context(_opened(encoded(name), _FOLDER, folder))
            fd = os.open(encoded(file.names[-1]), _FILE, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.ENXIO}:
            raise Refused(_REPLACED) from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Refused(_REPLACED)
    return os.fdopen(fd, "rb")


def counted_kinds(kinds: Iterable[str]) -> str:
    """Return how many there are of each kind that is left out, `1 FIFO, 2 symbolic links`; '' for none."""
    return ", ".join(counted(count, kind) for kind, count in sorted(Counter(kinds).items()))


_REPLACED = "a file was replaced by something else while files were brought; run this again"


@contextmanager
def _opened(name: bytes, flags: int, folder: int) -> Iterator[int]:
    fd = os.open(name, flags, dir_fd=folder)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # Not its name: that may tell who it is about.
        raise Refused(
            f"what was named cannot be read whole: {os.strerror(error.errno or 0)}; mend that and try again"
        ) from None
