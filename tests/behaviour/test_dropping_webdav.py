"""The suite over WebDAV, on the real server with two workers."""

import errno
import os
from collections.abc import Iterator
from urllib.parse import quote, unquote
from xml.etree.ElementTree import Element, fromstring

import pytest

from catalog.administration import Scope
from tests.behaviour.dropping import DropFace, DroppingSuite
from tests.builders import BuiltArchive
from tests.gateway.http.serving import Reply, Serving

_DAV = "{DAV:}"
_ROOT = "/staging/"
_ERRNOS = {400: errno.EINVAL, 403: errno.EACCES, 404: errno.ENOENT, 405: errno.EEXIST, 409: errno.ENOENT}


def _quoted(path: str) -> str:
    return quote(path, errors="surrogateescape")


def _unquoted(href: str) -> str:
    return unquote(href, errors="surrogateescape")


class WebDavDropFace:
    """What a WebDAV client does in `staging/`."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def names(self, path: str) -> list[str]:
        first, *members = self._propfind(path, "1")
        if first.find(f".//{_DAV}collection") is None:
            raise NotADirectoryError
        return [_unquoted(member.findtext(f"{_DAV}href") or "").rstrip("/").rpartition("/")[2] for member in members]

    def read(self, path: str) -> bytes:
        return self._done("GET", path).body

    def put(self, path: str, content: bytes) -> None:
        self._done("PUT", path, content)

    def mkdir(self, path: str) -> None:
        self._done("MKCOL", path)

    def remove(self, path: str) -> None:
        if self.is_folder(path):
            raise IsADirectoryError
        self._done("DELETE", path)

    def rmdir(self, path: str) -> None:
        if self.names(path):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
        self._done("DELETE", path)

    def rename(self, old: str, new: str) -> None:
        self._done("MOVE", old, Destination=self._serving.url + _ROOT + _quoted(new))

    def is_folder(self, path: str) -> bool:
        (response,) = self._propfind(path, "0")
        return response.find(f".//{_DAV}collection") is not None

    def _propfind(self, path: str, depth: str) -> list[Element]:
        return fromstring(self._request("PROPFIND", path, None, {"Depth": depth}).body).findall(f"{_DAV}response")

    def _done(self, method: str, path: str, content: bytes | None = None, **headers: str) -> Reply:
        reply = self._request(method, path, content, headers)
        if reply.status == 207:
            raise PermissionError(reply.text)
        return reply

    def _request(self, method: str, path: str, content: bytes | None, headers: dict[str, str]) -> Reply:
        reply = self._serving.request(method, _ROOT + _quoted(path), headers, content)
        if reply.status >= 400:
            raise OSError(_ERRNOS[reply.status], reply.text)
        return reply


class TestWebDav(DroppingSuite):
    @pytest.fixture
    def face(self, filled: BuiltArchive) -> Iterator[DropFace]:
        with Serving(filled, scopes=[Scope.STAGING], workers=2, threads=8) as serving:
            yield WebDavDropFace(serving)
