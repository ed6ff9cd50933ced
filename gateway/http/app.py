"""The front of the HTTP door: who asks, for which part, and what status an error becomes. It reads nothing itself.

It knows no part. Each is registered by whoever wires the door (`gateway.wiring.open_http_parts`): a path prefix, what it needs
of a request, and what answers. Figures count methods, statuses and parts, never a person, a path or a code.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from werkzeug.wrappers import Response

from catalog.administration import Scope
from catalog.faults import place_of
from catalog.pure.errors import ArchimedError, NotFound, Unavailable
from gateway.credentials import Authenticator, Session
from gateway.http import answers
from gateway.http.answers import Answer
from gateway.http.metrics import Metrics
from gateway.http.requests import Environ, Exchange, Request, has_body, is_person, method_of, segments

WSGIApplication: TypeAlias = Callable[[Environ, Any], Iterable[bytes]]

_log = logging.getLogger(__name__)
_NOT_THERE = "there is no such file or folder"


class Login(Enum):
    """When a part asks who asks.

    `NOT_FOR_OPTIONS`: an OPTIONS without credentials is answered too, as clients ask what a server is before they log in.
    `NEVER`: the part lets anybody in; a proxy that lets strangers in should keep it to itself, unless it checks them itself.
    """

    ALWAYS = "always"
    NOT_FOR_OPTIONS = "not for OPTIONS"
    NEVER = "never"


def _nothing() -> None:
    """Close nothing."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the door: where it stands, what it needs, what answers there.

    Args:
        prefix: the names that its paths begin with, `archive` or `api/v1`; "" for the root alone. The longest prefix wins.
        answer: answers a request; what it raises becomes a status (`answers.failure`).
        scope: what a token must be good for; None: any token will do, or the part asks by itself (`Request.require`).
        login: when it asks for a login.
        names: reads the path's names, the prefix's included.
        label: what figures and log lines call it; the prefix, if it is "".
        tell: makes the answer that says why something failed, of a status, a sentence and headers.
        pages: where a person's browser that asks for the prefix itself is sent instead; "" to answer it as everybody.
        close: called when the process has answered its last request.
    """

    prefix: str
    answer: Callable[[Request], Answer]
    scope: Scope | None = None
    login: Login = Login.ALWAYS
    names: Callable[[Environ], Sequence[str]] = segments
    label: str = ""
    tell: Callable[..., Response] = answers.text
    pages: str = ""
    close: Callable[[], None] = _nothing


class Front:
    """The WSGI application. Make it in the process that serves, not before a fork.

    Args:
        parts: what answers, each at a prefix of its own.
        authenticator: who asks.
        metrics: where requests are counted.
        at_end: called behind the parts' `close`.

    Raises:
        ValueError: two parts have the same prefix.
    """

    def __init__(
        self, parts: Iterable[Part], authenticator: Authenticator, metrics: Metrics, at_end: Callable[[], None] = _nothing
    ) -> None:
        self._parts = _by_prefix(parts)
        self._deepest = max(map(len, self._parts), default=0)
        self._authenticator = authenticator
        self._metrics = metrics
        self._at_end = at_end

    def at_end(self) -> None:
        """End what runs in this process beside requests; it has answered the last one."""
        for part in self._parts.values():
            part.close()
        self._at_end()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request (PEP 3333)."""
        began = time.perf_counter()
        exchange = Exchange.of(environ)
        answer = self._answer(environ, exchange)
        if answer.status_code >= 400 and has_body(environ) and not exchange.body_is_read:
            # What comes next on this connection is a body that nobody reads.
            exchange.close()
        seconds = time.perf_counter() - began
        self._metrics.observe(exchange.part or "none", method_of(environ), answer.status_code, seconds)
        return answer(environ, start_response)

    def _answer(self, environ: Environ, exchange: Exchange) -> Answer:
        part, prefix = self._part(environ)
        tell = part.tell if part is not None else answers.text
        coding = environ.get("HTTP_TRANSFER_ENCODING", "chunked").strip().lower()
        if coding != "chunked":
            # The server takes off the chunks alone: what is left would be taken for the body (RFC 9112, 6.1).
            return tell(501, "a body may be sent in chunks, and not coded in another way")
        if environ.get("SERVER_PROTOCOL") == "HTTP/1.1" and "HTTP_HOST" not in environ:
            return tell(400, "a request names the host that it is for (RFC 9112, 3.2)")
        try:
            return self._dispatch(environ, exchange, part, prefix)
        except Unavailable as error:
            _log.warning("%s", error)
            return answers.failure(error, tell)
        except ArchimedError as error:
            return answers.failure(error, tell)
        except TimeoutError:
            return tell(408, "the request's body did not arrive")
        except Exception as error:  # noqa: BLE001 - one request fails, with a line that repeats nothing of it
            _log.error("a request failed unexpectedly: %s", place_of(error))
            return tell(500, "something went wrong here; the log says where")

    def _dispatch(self, environ: Environ, exchange: Exchange, part: Part | None, prefix: int) -> Answer:
        method = environ["REQUEST_METHOD"]
        header = environ.get("HTTP_AUTHORIZATION")
        open_door = part is not None and (
            part.login is Login.NEVER or (part.login is Login.NOT_FOR_OPTIONS and method == "OPTIONS" and header is None)
        )
        if part is not None and part.pages and not _path(part, prefix, environ) and is_person(environ):
            exchange.part = _label(part)
            return answers.elsewhere(part.pages)
        peer, forwarded = environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", "")
        address = self._authenticator.address(peer, forwarded)

        def authenticate(header: str | None) -> Session:
            return self._authenticator.authenticate(header, peer, forwarded)

        if part is not None and open_door:
            exchange.part = _label(part)
            return part.answer(
                Request(
                    environ, method, _path(part, prefix, environ), exchange, authenticate=authenticate,
                    address=address,
                )
            )  # fmt: skip
        session = authenticate(header)
        if part is None:
            raise NotFound(_NOT_THERE)
        exchange.part = _label(part)
        request = Request(
            environ, method, _path(part, prefix, environ), exchange, session,
            lambda: self._authenticator.holds(session), authenticate, address,
        )  # fmt: skip
        if part.scope is not None:
            request.require(part.scope)
        return part.answer(request)

    def _part(self, environ: Environ) -> tuple[Part | None, int]:
        """Return the part of the longest prefix that fits, and how many names the prefix has."""
        path: str = environ.get("PATH_INFO", "")
        if path == "*" and environ["REQUEST_METHOD"] == "OPTIONS":
            path = ""  # what the server as a whole can do
        names = tuple(name for name in path.split("/") if name)
        for length in range(min(len(names), self._deepest), 0, -1):
            part = self._parts.get(names[:length])
            if part is not None:
                return part, length
        return (None if names else self._parts.get(())), 0


def _by_prefix(parts: Iterable[Part]) -> Mapping[tuple[str, ...], Part]:
    found: dict[tuple[str, ...], Part] = {}
    for part in parts:
        prefix = tuple(name for name in part.prefix.split("/") if name)
        if prefix in found:
            raise ValueError(f"two parts of the HTTP door stand at /{part.prefix}")
        found[prefix] = part
    return found


def _label(part: Part) -> str:
    return part.label or part.prefix


def _path(part: Part, prefix: int, environ: Environ) -> tuple[str, ...]:
    return tuple(part.names(environ)[prefix:])
