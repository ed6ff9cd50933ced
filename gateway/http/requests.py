"""A request as parts of the door get it, and what clients send: paths and small bodies.

`Request` is frozen: what a part needs of a request stands in it. What happens to a request on its way (its body was read, a log
line may show its path) is noted in its `Exchange`, which the server makes and reads.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from catalog.administration import Scope
from catalog.pure.access import Principal
from catalog.pure.errors import Invalid, NotFound, Refused
from catalog.pure.names import MAX_NAME_BYTES
from gateway.credentials import Session, Unauthenticated

if TYPE_CHECKING:
    from io import FileIO

Environ = dict[str, Any]

_REQUEST, _EXCHANGE = "archimed.request", "archimed.exchange"

LARGEST_XML = 65_536
METHODS = frozenset({
    "OPTIONS", "GET", "HEAD", "PROPFIND", "PROPPATCH", "PUT", "DELETE", "COPY", "MOVE", "MKCOL", "LOCK", "UNLOCK", "POST",
    "PATCH",
})  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_PRODUCT = re.compile(r"[A-Za-z][A-Za-z0-9._+-]{0,31}")
# Browsers call themselves each other; the first of these that they name is what they are.
_BROWSERS = ("Edg", "OPR", "Firefox", "Chrome", "Safari")
_MOZILLA = "Mozilla"


def _no_connection() -> None:
    """Close nothing: a server that shows no connection closes it by itself."""


def _no_share(_login: str, _address: str) -> Callable[[], None]:
    """Count nothing."""
    return _no_connection


def _nobody(_header: str | None) -> Session:
    """Know nobody."""
    raise Unauthenticated


@dataclass(slots=True)
class Exchange:
    """What happens to one request on its connection: made by the server, noted in by front and parts.

    Args:
        connection: where it came from; None if the server does not show it.
        close: have the connection closed behind the answer.
        hand_over: have so many bytes of a file, or of pieces, sent behind the headers, whoever reads them how slowly; the last
            argument is called when that has ended. None if the server cannot.
        take_share: take one of the long answers that a login and an address may be sent at a time; returns what gives it back.
        part: the part that answers, for figures and log lines.
        shown_path: its path, once it is known to hold codes and published names only: it may stand in a log line.
        body_is_read: nothing of the body is left on the connection.
    """

    connection: socket.socket | None = None
    close: Callable[[], None] = _no_connection
    hand_over: "Callable[[FileIO | Iterator[bytes], int, Callable[[], None]], None] | None" = None
    take_share: Callable[[str, str], Callable[[], None]] = _no_share
    part: str = ""
    shown_path: str = ""
    body_is_read: bool = False

    @classmethod
    def of(cls, environ: Environ) -> "Exchange":
        """Return the exchange of a request, made here if the server made none."""
        found: Exchange = environ.setdefault(_EXCHANGE, cls())
        return found

    def join(self, environ: Environ) -> None:
        """Put it where `of` finds it."""
        environ[_EXCHANGE] = self


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a part of the door.

    Args:
        environ: its headers and body (PEP 3333). No part writes into it.
        method: GET, PROPFIND ...
        path: the names below the part's prefix, decoded.
        exchange: what happens to it on its connection.
        session: who asks, and what the credentials are good for; None where the part asks for no login.
        still_authenticated: whether login and token are still what they were when it began; for answers that take long.
        authenticate: returns the session of an Authorization header, for a part that asks for logins by itself; raises as
            `Authenticator.authenticate` does.
        address: where it comes from, as far as the proxy is to be believed.
    """

    environ: Environ
    method: str
    path: tuple[str, ...]
    exchange: Exchange
    session: Session | None = None
    still_authenticated: Callable[[], bool] = lambda: True
    authenticate: Callable[[str | None], Session] = _nobody
    address: str = ""

    @property
    def principal(self) -> Principal:
        """Who asks.

        Raises:
            Unauthenticated: the part lets strangers in, and this is one.
        """
        if self.session is None:
            raise Unauthenticated
        return self.session.principal

    def take_share(self) -> Callable[[], None]:
        """Take one of the long answers that who asks may be sent at a time; what is returned gives it back.

        Raises:
            Unavailable: they are all taken.
        """
        login = self.session.principal.login if self.session is not None else ""
        return self.exchange.take_share(login, self.address)

    def require(self, scope: Scope) -> None:
        """Check that the credentials are good for something.

        Raises:
            Refused: this token is not.
            Unauthenticated: there are none.
        """
        if self.session is None:
            raise Unauthenticated
        if scope not in self.session.scopes:
            raise Refused(f"this token is not good for that; make one with `archimed token create --scope {scope}`")

    def for_application(self) -> Environ:
        """Return the environment for a WSGI application that stands behind a part; it finds this request by `request_of`."""
        return {**self.environ, _REQUEST: self}


def request_of(environ: Environ) -> Request:
    """Return the request that a WSGI application behind a part was called for."""
    found: Request = environ[_REQUEST]
    return found


def method_of(environ: Environ) -> str:
    """Return the method if it is one that clients send, else `other`: for figures and log lines."""
    method: str = environ["REQUEST_METHOD"]
    return method if method in METHODS else "other"


def is_from_this_machine(environ: Environ) -> bool:
    """Whether who asks is a program of this machine that has not been sent on by a proxy."""
    if "HTTP_X_FORWARDED_FOR" in environ:
        return False
    try:
        address = ipaddress.ip_address(environ.get("REMOTE_ADDR", "").removeprefix("::ffff:"))
    except ValueError:  # over a socket comes the proxy
        return False
    return address.is_loopback


def segments(environ: Environ) -> tuple[str, ...]:
    """Return the names in a request's path; empty and doubled slashes do not count.

    Raises:
        Invalid: the path is not UTF-8.
        NotFound: a name in it cannot be any file's.
    """
    try:
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise Invalid("the path is not UTF-8") from None
    names = tuple(name for name in path.split("/") if name)
    if _CONTROL.search(path) or any(len(name.encode()) > MAX_NAME_BYTES or name in {".", ".."} for name in names):
        raise NotFound("there is no such file or folder")
    return names


def href(names: Sequence[str], *, folder: bool) -> str:
    """Return the path of a node as it stands in an answer; a folder's ends in a slash."""
    path = "/" + "/".join(quote(name) for name in names)
    return path + "/" if folder and names else path


def has_body(environ: Environ) -> bool:
    """Whether the request announces a body."""
    return environ.get("CONTENT_LENGTH", "") not in {"", "0"} or "HTTP_TRANSFER_ENCODING" in environ


def read_input(request: Request, most: int) -> bytes:
    """Return so many bytes of a request's body at most.

    Raises:
        Invalid: it is cut off or framed wrongly.
        TimeoutError: the client stalls.
    """
    try:
        body: bytes = request.environ["wsgi.input"].read(most)
    except TimeoutError:
        raise
    except Exception:  # noqa: BLE001 - each server has errors of its own for a body that is cut off or framed wrongly
        raise Invalid("the request's body cannot be read") from None
    return body


def read_xml(request: Request) -> bytes:
    """Return the body of a request that carries a little XML, empty if there is none.

    Raises:
        Invalid: it is too long to be one.
    """
    if not has_body(request.environ):
        return b""
    body = read_input(request, LARGEST_XML + 1)
    if len(body) > LARGEST_XML:
        raise Invalid("the request's XML is too long")
    request.exchange.body_is_read = True
    return body


def is_person(environ: Environ) -> bool:
    """Whether who asks is a browser that wants to show a page to somebody, not a program."""
    is_browser = environ.get("HTTP_USER_AGENT", "").startswith(f"{_MOZILLA}/")
    return environ["REQUEST_METHOD"] in {"GET", "HEAD"} and is_browser and "text/html" in environ.get("HTTP_ACCEPT", "")


def client_of(user_agent: str) -> str:
    """Return the client's name for the audit: the product in its User-Agent header, without what else stands there.

    It is `rclone` for `rclone/v1.60.1 linux/amd64`, `Firefox` for what Firefox says, "" where no name stands first.
    """
    found = _PRODUCT.match(user_agent)
    if found is None:
        return ""
    name = found[0].rstrip(".-+_")
    if name == _MOZILLA:
        return next((browser for browser in _BROWSERS if f" {browser}/" in user_agent), _MOZILLA)
    return name
