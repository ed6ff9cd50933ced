"""The suite over WebDAV, on the real server."""

import http.client
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote
from xml.etree.ElementTree import Element, fromstring

import pytest

from tests.behaviour.faces import Face, Facts
from tests.behaviour.suite import ReadingSuite
from tests.builders import BuiltArchive
from tests.gateway.http.serving import Reply, Serving

_DAV = "{DAV:}"
_ROOT = "/archive/"


class WebDavFace:
    """What a WebDAV client sees of `archive/`."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def names(self, path: str) -> list[str]:
        first, *members = self._propfind(path, "1")
        if first.find(f".//{_DAV}collection") is None:
            raise NotADirectoryError
        return [unquote(self._href(member).rstrip("/").rpartition("/")[2]) for member in members]

    def stat(self, path: str) -> Facts:
        (response,) = self._propfind(path, "0")
        is_folder = response.find(f".//{_DAV}collection") is not None
        modified = parsedate_to_datetime(self._text(response, "getlastmodified"))
        size = 0 if is_folder else int(self._text(response, "getcontentlength"))
        return Facts(is_folder, size, int(modified.timestamp()))

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        headers = {}
        if offset or length is not None:
            headers["Range"] = f"bytes={offset}-" + ("" if length is None else str(offset + length - 1))
        reply = self._request("GET", path, headers)
        assert reply.status == (206 if headers else 200)
        return reply.body

    def exists(self, path: str) -> bool:
        try:
            return self._request("HEAD", path, {}).status == 200
        except FileNotFoundError:
            return False

    def _propfind(self, path: str, depth: str) -> list[Element]:
        reply = self._request("PROPFIND", path, {"Depth": depth})
        assert reply.status == 207
        responses = fromstring(reply.body).findall(f"{_DAV}response")
        assert unquote(self._href(responses[0])).strip("/") == unquote(_ROOT + path).strip("/")
        return responses

    def _request(self, method: str, path: str, headers: dict[str, str]) -> Reply:
        try:
            reply = self._serving.request(method, _ROOT + quote(path), headers)
        except http.client.HTTPException as error:
            raise AssertionError from error
        if reply.status == 404:
            raise FileNotFoundError(path)
        return reply

    @staticmethod
    def _href(response: Element) -> str:
        return WebDavFace._text(response, "href")

    @staticmethod
    def _text(response: Element, name: str) -> str:
        text = response.findtext(f".//{_DAV}{name}")
        assert text
        return text


class TestWebDav(ReadingSuite):
    ignores_case = True

    @pytest.fixture
    def face(self, filled: BuiltArchive) -> Iterator[Face]:
        with Serving(filled, threads=8) as serving:
            yield WebDavFace(serving)
