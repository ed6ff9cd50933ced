"""An archive elsewhere, asked over its HTTP API, for `archimed remote`. May live here: asking. Not: what is printed."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from catalog.pure.errors import ArchimedError, Conflict, Invalid, NotFound, Refused, Unavailable

_API = "/api/v1"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_SECONDS = 60.0
_PAGE = 1000
_PIECE = 1 << 20
_KINDS: dict[int, type[ArchimedError]] = {400: Invalid, 401: Refused, 403: Refused, 404: NotFound, 409: Conflict}
_NO_ARCHIVE = "what answers there is no ArchiMed archive, or one without the HTTP API: look at the address"


class Distant:
    """An archive elsewhere.

    Args:
        url: its address.
        token: whose owner's role and grants count.
        authority: the file of a certificate authority to trust instead of the system's; None for those.

    Raises:
        Invalid: the address cannot be used.
    """

    def __init__(self, url: str, token: str, authority: Path | None = None) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise Invalid("the address is one like https://archive.example.org") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
            raise Invalid("the address is one like https://archive.example.org")
        if parts.scheme == "http" and parts.hostname not in _LOCAL:
            raise Invalid("over http:// everybody on the way could read the token: use https://")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise Invalid("the token file holds no token: put there what `archimed token create` printed")
        self._name = parts.hostname
        self._client = httpx.Client(
            base_url=f"{parts.scheme}://{parts.netloc}", verify=_trusted(authority), timeout=_SECONDS,
            headers={"Authorization": f"Bearer {token}", "User-Agent": "archimed"},
        )  # fmt: skip

    def __enter__(self) -> "Distant":  # noqa: PYI034 - nobody makes another class of it
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Return what a GET of a path below `/api/v1` answers.

        Raises:
            ArchimedError: what the archive says, or that it cannot be reached.
        """
        return self._json(self._send("GET", path, params=parameters))

    def change(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return what a POST to a path answers.

        Raises:
            ArchimedError: as `ask`.
        """
        return self._json(self._send("POST", path, **({} if body is None else {"json": body})))

    def each(
        self,
        path: str,
        parameters: Mapping[str, Any] | None = None,
        most: int | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the elements of a list, page after page, `most` of them at most; `tell` is told what the answer leaves out.

        Raises:
            ArchimedError: as `ask`.
        """
        asked: Mapping[str, Any] | None = {**(parameters or {}), "limit": min(most or _PAGE, _PAGE)}
        address, given = path, 0
        while True:
            response = self._send("GET", address, params=asked)
            if not given and (note := response.headers.get("Archimed-Note")):
                tell(note)
            for found in self._json(response):
                if given == most:
                    return
                given += 1
                yield found
            link = response.links.get("next")
            if link is None:
                return
            address, asked = path + link["url"], None

    def bytes(self, path: str) -> Iterator[bytes]:
        """Yield a file's bytes; an answer that was cut short is an error.

        Raises:
            ArchimedError: as `ask`.
        """
        try:
            with self._client.stream("GET", f"{_API}/files/{place(path)}") as response:
                if response.is_error:
                    response.read()
                    raise self._error(response)
                yield from response.iter_bytes(_PIECE)
        except httpx.HTTPError as error:
            raise self._away(error) from None

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            response = self._client.request(method, _API + path, **more)
        except httpx.HTTPError as error:
            raise self._away(error) from None
        if not response.is_success:
            raise self._error(response)
        return response

    def _json(self, response: httpx.Response) -> Any:
        if response.headers.get("Content-Type", "").partition(";")[0] != "application/json":
            raise Unavailable(_NO_ARCHIVE)
        return response.json()

    def _error(self, response: httpx.Response) -> ArchimedError:
        if response.headers.get("Content-Type", "").partition(";")[0] != "application/problem+json":
            away = response.status_code in {502, 503, 504}
            return Unavailable(f"{self._name} does not answer now; try again later" if away else _NO_ARCHIVE)
        told = response.json()
        faults = "".join(f"; {each['where']}: {each['what']}" for each in told.get("errors", ()))
        return _KINDS.get(response.status_code, Unavailable)(told["detail"] + faults)

    def _away(self, error: httpx.HTTPError) -> Unavailable:
        if isinstance(error, httpx.TimeoutException):
            return Unavailable(f"{self._name} does not answer; try again later")
        if isinstance(error, httpx.ConnectError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Unavailable(f"the certificate of {self._name} is not trusted: name its authority with --ca FILE")
        return Unavailable(f"{self._name} cannot be reached, or broke off: look at the address and the network")


def place(path: str) -> str:
    """Return a path of the tree as it stands in an address."""
    return "/".join(quote(name, safe="") for name in path.split("/") if name)


def _trusted(authority: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError):
        raise Invalid(f"{authority} holds no certificates that can be read") from None
