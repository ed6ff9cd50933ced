"""Downloads: several files at a time, each whole or not there, checked by its digest, going on where it was cut off."""

from __future__ import annotations

import hashlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Callable, Union

from archimed.errors import ArchimedError, Damaged, raise_for
from archimed.http import API, Connection, address, again

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Progress = Callable[[int, int], None]
_PIECE = 1 << 20
_Wanted = Union[Progress, bool]


def fetch(connection: Connection, files: Iterable[dict[str, Any]], to: Path, progress: _Wanted, workers: int) -> Sequence[Path]:
    """Download files, told as the API tells them, below a folder; see `Archive.download`."""
    wanted = list(files)
    shown = Shown(progress, sum(each["size"] for each in wanted))
    targets = [_target(to, each["path"]) for each in wanted]
    with ThreadPoolExecutor(max(1, workers)) as pool:
        running = [pool.submit(_one, connection, each, target, shown) for each, target in zip(wanted, targets)]
        try:
            for each in running:
                each.result()
        except BaseException:
            for each in running:
                each.cancel()
            raise
    shown.end()
    return targets


class Shown:
    """How far it is: a line on stderr, a function of the caller's, or nothing."""

    def __init__(self, progress: _Wanted, whole: int) -> None:
        self._show = _line if progress is True else progress or None
        self._is_line = progress is True
        self._whole = whole
        self._done = 0
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        """Count bytes; less than 0 takes some back."""
        with self._lock:
            self._done += size
            if self._show is not None:
                self._show(self._done, self._whole)

    def end(self) -> None:
        """End the line."""
        if self._is_line:
            sys.stderr.write("\n")


def _line(done: int, whole: int) -> None:
    sys.stderr.write(f"\r{done / 1e6:,.1f} of {whole / 1e6:,.1f} MB ({100 * done // max(whole, 1)} %)")
    sys.stderr.flush()


def _target(to: Path, path: str) -> Path:
    """Return where a file of the archive goes.

    Raises:
        ArchimedError: a name would lead out of the folder.
    """
    parts = PurePosixPath(path).parts
    if not parts or any(part in {"..", "/"} or PureWindowsPath(part).anchor or "\\" in part for part in parts):
        raise ArchimedError("the archive names a file that would lie outside the folder")
    return to.joinpath(*parts)


def _one(connection: Connection, file: dict[str, Any], target: Path, shown: Shown) -> None:
    if target.is_file() and target.stat().st_size == file["size"] and _digest(target).hexdigest() == file["sha256"]:
        shown.add(file["size"])
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    begun = part.stat().st_size if part.is_file() else 0
    shown.add(begun)
    again(lambda: _more(connection, file, part, shown))
    if part.stat().st_size != file["size"] or _digest(part).hexdigest() != file["sha256"]:
        shown.add(-part.stat().st_size)
        part.unlink()
        raise Damaged(f"{file['path']} did not come as the archive has it; try again")
    part.replace(target)


def _more(connection: Connection, file: dict[str, Any], part: Path, shown: Shown) -> None:
    """Fetch what of a file is missing."""
    have = part.stat().st_size if part.is_file() else 0
    if have > file["size"]:
        shown.add(-have)
        part.unlink()
        have = 0
    if have == file["size"] and part.is_file():
        return
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": f'"{file["sha256"]}"'}
    with connection.stream(f"{API}/files/{address(file['path'])}", headers) as response:
        raise_for(response)
        if have and response.status_code != 206:
            shown.add(-have)
            have = 0
        with part.open("ab" if have else "wb") as out:
            for piece in response.iter_bytes(_PIECE):
                out.write(piece)
                shown.add(len(piece))


def _digest(path: Path) -> Any:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest
