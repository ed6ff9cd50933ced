"""Uploads to the gate: files in pieces by tus 1.0.0, each piece with its digest."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Callable
from urllib.parse import urlsplit

from archimed.errors import ArchimedError, Unavailable, raise_for
from archimed.fetching import Progress, Shown
from archimed.http import Connection, again

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import httpx

_PIECE = 8 << 20
_TUS = {"Tus-Resumable": "1.0.0"}
_ATTEMPTS = 5
_LINEAGE = "_LINEAGE.json"


@dataclass(frozen=True)
class Local:
    """What is sent: its path below the folder that it goes to, its size, and how it is opened."""

    names: tuple[str, ...]
    size: int
    open: Callable[[], BinaryIO]


def found(paths: Iterable[Path]) -> list[Local]:
    """Return the files at and below some paths; folders keep their names. Links and devices are left out.

    Raises:
        FileNotFoundError: one of the paths is not there.
    """
    files = []
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there")
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        whole = path.resolve()
        for each in below:
            if each.is_file() and not each.is_symlink():
                names = (whole.name, *each.relative_to(path).parts) if path.is_dir() else (each.name,)
                files.append(Local(names, each.stat().st_size, lambda each=each: each.open("rb")))  # type: ignore[misc] # bound now
    return files


def lineage(program: str, sources: Sequence[str]) -> Local:
    """Return the file that tells the archive how a result was made."""
    content = json.dumps({"program": program, "sources": list(sources)}).encode()
    return Local((_LINEAGE,), len(content), lambda: io.BytesIO(content))


def send(connection: Connection, files: Sequence[Local], folder: Sequence[str], progress: Progress | bool) -> None:
    """Bring files into a folder of the staging tree, which is made.

    Raises:
        ArchimedError: as the archive says.
    """
    if not files:
        raise ArchimedError("there is no file to bring")
    shown = Shown(progress, sum(each.size for each in files))
    places: dict[tuple[str, ...], str] = {}
    for file in files:
        above = (*folder, *file.names[:-1])
        if above not in places:
            places[above] = connection.json("POST", "/uploads", body={"path": "/".join(above)})["address"]
        _send(connection, file, places[above], shown)
    shown.end()


def _send(connection: Connection, file: Local, place: str, shown: Shown) -> None:
    name = base64.b64encode(file.names[-1].encode()).decode()
    headers = {**_TUS, "Upload-Length": str(file.size), "Upload-Metadata": f"filename {name}"}
    begun = connection.request("POST", place, headers=headers)
    where = urlsplit(begun.headers["Location"]).path
    offset, failed = 0, 0
    with file.open() as opened:
        while offset < file.size:
            opened.seek(offset)
            piece = opened.read(_PIECE)
            if not piece:
                raise ArchimedError(f"{file.names[-1]} became shorter while it was sent")
            try:
                arrived = _piece(connection, where, offset, piece)
            except Unavailable:
                failed += 1
                if failed == _ATTEMPTS:
                    raise
                arrived = int(again(lambda: connection.request("HEAD", where, headers=_TUS)).headers["Upload-Offset"])
            shown.add(arrived - offset)
            offset = arrived


def _piece(connection: Connection, where: str, offset: int, piece: bytes) -> int:
    digest = base64.b64encode(hashlib.sha256(piece).digest()).decode()
    headers: dict[str, Any] = {
        **_TUS, "Upload-Offset": str(offset), "Upload-Checksum": f"sha256 {digest}",
        "Content-Type": "application/offset+octet-stream",
    }  # fmt: skip
    response: httpx.Response = connection.request("PATCH", where, headers=headers, content=piece)
    raise_for(response)
    return int(response.headers["Upload-Offset"])
