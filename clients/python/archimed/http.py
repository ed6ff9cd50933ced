"""One archive over HTTP: addresses, pages of lists, and trying again when a connection breaks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from archimed.errors import ArchimedError, Unavailable, raise_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

API = "/api/v1"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_TRIES = 5
_PAGE = 1000
_Result = TypeVar("_Result")


class Connection:
    """How an archive is reached; safe to share between threads."""

    def __init__(self, url: str, token: str, login: str, *, verify: bool | str, timeout: float, insecure: bool) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("the archive's address begins with https://")
        if parts.scheme == "http" and parts.hostname not in _LOCAL and not insecure:
            raise ValueError("over http:// everybody on the way could read your token; use https://, or insecure=True")
        self._client = httpx.Client(
            base_url=f"{parts.scheme}://{parts.netloc}", verify=verify, timeout=timeout,
            auth=(login, token) if login else None,
            headers={"User-Agent": "archimed-client/0.1.0", **({} if login else {"Authorization": f"Bearer {token}"})},
        )  # fmt: skip

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def json(self, method: str, path: str, params: Mapping[str, Any] | None = None, body: object = None) -> Any:
        """Return what the API answers, None for nothing.

        Raises:
            ArchimedError: an error.
        """
        response = self.request(method, API + path, params=params, json=body)
        return response.json() if response.content else None

    def each(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the elements of a list, page after page.

        Raises:
            ArchimedError: an error.
        """
        asked: str | None = API + path
        given: Mapping[str, Any] | None = {"limit": _PAGE, **(params or {})}
        while asked is not None:
            response = self.request("GET", asked, params=given)
            yield from response.json()
            link = response.links.get("next")
            asked, given = (API + path + link["url"], None) if link else (None, None)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send one request; a GET or HEAD is tried again where no answer came.

        Raises:
            ArchimedError: an error.
        """

        def ask() -> httpx.Response:
            return self._client.request(method, path, **{key: value for key, value in more.items() if value is not None})

        response = again(ask) if method in {"GET", "HEAD"} else _told(ask)
        raise_for(response)
        return response

    def stream(self, path: str, headers: Mapping[str, str]) -> Any:
        """Return a context that gives the answer to a GET, its body to be read piece by piece."""
        return self._client.stream("GET", path, headers=dict(headers))


def again(ask: Callable[[], _Result]) -> _Result:
    """Return what a function returns, called again with growing pauses while connections break.

    Raises:
        Unavailable: they broke every time.
    """
    for attempt in range(_TRIES):
        try:
            return ask()
        except httpx.TransportError as error:  # noqa: PERF203 - trying again is what it is for
            if isinstance(error, (httpx.UnsupportedProtocol, httpx.ProxyError)) or attempt == _TRIES - 1:
                raise Unavailable(f"the archive cannot be reached: {error}") from error
            time.sleep(min(8.0, 0.25 * 2**attempt))
    raise AssertionError


def _told(ask: Callable[[], _Result]) -> _Result:
    try:
        return ask()
    except httpx.TransportError as error:
        raise Unavailable(f"the archive cannot be reached: {error}") from error


def address(*names: str) -> str:
    """Return names or paths as part of an address.

    Raises:
        ArchimedError: one of them is empty.
    """
    if not all(names):
        raise ArchimedError("a name is missing")
    return "/".join(quote(name.strip("/")) for name in names)
