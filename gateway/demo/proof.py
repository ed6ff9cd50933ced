"""Reading back: every file through each door, compared with what `archimed cat` gives."""

import base64
import hashlib
import http.client
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from defusedxml.ElementTree import fromstring

from catalog.pure.errors import Damaged, Unavailable
from gateway.demo.operator import Operator

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Proof:
    """What was compared."""

    files: int
    bytes: int


def files_below(operator: Operator, login: str, path: str = "") -> Iterator[str]:
    """Yield the paths of all files that a user may see, by `archimed ls`."""
    for entry in operator.json("ls", path, "--as", login):
        below = f"{path}/{entry['name']}".lstrip("/")
        if entry["kind"] == "file":
            yield below
        else:
            yield from files_below(operator, login, below)


def expected(operator: Operator, login: str) -> dict[str, tuple[int, str]]:
    """Return size and SHA-256 of every file that a user may see, by `archimed cat`."""
    found = {}
    for path in files_below(operator, login):
        content = operator.raw("cat", path, "--as", login)
        found[path] = (len(content), hashlib.sha256(content).hexdigest())
    return found


def through_mount(mountpoint: Path) -> dict[str, tuple[int, str]]:
    """Return size and SHA-256 of every file below a mount."""
    found = {}
    for folder, _, names in os.walk(mountpoint, onerror=_raise):
        for name in names:
            file = Path(folder, name)
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            found[str(file.relative_to(mountpoint))] = (file.stat().st_size, digest)
    return found


class WebDav:
    """A WebDAV client of a few lines: folders and files of one user."""

    def __init__(self, address: str, login: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=60)
        self._authorization = "Basic " + base64.b64encode(f"{login}:{token}".encode()).decode()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def all(self, path: str = "") -> dict[str, tuple[int, str]]:
        """Return size and SHA-256 of every file below a folder of the archive."""
        found: dict[str, tuple[int, str]] = {}
        for below, is_folder in self._children(path):
            if is_folder:
                found |= self.all(below)
            else:
                found[below] = self._measured(below)
        return found

    def _children(self, path: str) -> list[tuple[str, bool]]:
        with self._request("PROPFIND", f"{path}/" if path else "", {"Depth": "1"}, 207) as answer:
            root = fromstring(answer.read())
        paths = []
        for response in root.iter("{DAV:}response"):
            href = unquote(response.findtext("{DAV:}href") or "").partition("/archive/")[2]
            if href.strip("/") != path:
                paths.append((href.strip("/"), response.find(".//{DAV:}collection") is not None))
        return paths

    def _measured(self, path: str) -> tuple[int, str]:
        digest, size = hashlib.sha256(), 0
        with self._request("GET", path, {}, 200) as answer:
            while piece := answer.read(_PIECE):
                digest.update(piece)
                size += len(piece)
        return size, digest.hexdigest()

    def _request(self, method: str, path: str, headers: dict[str, str], wanted: int) -> http.client.HTTPResponse:
        self._connection.request(method, f"/archive/{quote(path)}", headers={"Authorization": self._authorization} | headers)
        answer = self._connection.getresponse()
        if answer.status != wanted:
            raise Unavailable(f"{method} over WebDAV answered {answer.status} instead of {wanted}")
        return answer


def compare(door: str, found: dict[str, tuple[int, str]], wanted: dict[str, tuple[int, str]]) -> Proof:
    """Compare what a door gives with what it should.

    Raises:
        Damaged: they differ.
    """
    wrong = sorted(path for path in found.keys() | wanted.keys() if found.get(path) != wanted.get(path))
    if wrong:
        raise Damaged(f"{door} differs from `archimed cat` in {len(wrong)} files, first {wrong[0]}")
    return Proof(len(found), sum(size for size, _ in found.values()))


def _raise(error: OSError) -> None:
    raise error
