"""The front of the HTTP door: who asks, for which part, and what status an error becomes. It reads nothing itself.

    /              OPTIONS and PROPFIND, for Windows, which looks here first
    /archive/...   the read-only archive
    /staging/...   the gated way in
    /desk/...      the web desk, where reviewers decide
    /healthz       alive?
    /readyz        could it serve, or what is away?
    /metrics       figures, for a monitoring system

The last three ask for no login, as such systems expect; nor does OPTIONS of `/`, which says what any server of this kind would.
They count methods, statuses and parts, never a person, a path or a code. All but the first are for this machine alone, and not
found by who comes from elsewhere or through a proxy. New parts are entries of `_Front._parts`.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from werkzeug.wrappers import Response

from catalog.administration import Scope
from catalog.audit import Face
from catalog.faults import place_of
from catalog.pure.errors import ArchimedError, NotFound, Refused, Unavailable
from catalog.view import Archive
from gateway.credentials import Authenticator
from gateway.http import answers, service
from gateway.http.answers import Answer
from gateway.http.desk import DESK, DeskPart, DeskRooms
from gateway.http.metrics import Metrics
from gateway.http.readonly import ARCHIVE, ROOT_CAPABILITIES, Tree
from gateway.http.requests import Environ, first_name, has_body, is_from_this_machine, is_probe, method_of, segments
from gateway.http.staging import STAGING, Rooms, StagingPart, names_in

WSGIApplication: TypeAlias = Callable[[Environ, Any], Iterable[bytes]]

_log = logging.getLogger(__name__)
_OPEN = frozenset({f"/{service.HEALTH}", f"/{service.READY}", f"/{service.METRICS}"})
_READING = frozenset({"GET", "HEAD", "PROPFIND"})


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the door: the scope it asks for (None: any), and what answers there."""

    scope: Scope | None
    answer: Callable[[list[str], Environ], Answer]
    names: Callable[[Environ], list[str]] = segments


def make_app(
    archive: Archive,
    authenticator: Authenticator,
    staging: Rooms,
    desk: DeskRooms,
    look: service.Look = dict,
    at_end: Callable[[], None] = lambda: None,
) -> WSGIApplication:
    """Return the WSGI application. Call it in the process that serves, not before a fork.

    Args:
        archive: what is read.
        authenticator: who asks.
        staging: what is dropped into.
        desk: where batches are decided.
        look: looks whether all that requests need is there.
        at_end: called when the process has answered its last request.
    """
    return _Front(archive, authenticator, staging, desk, look, at_end)


class _Front:
    def __init__(
        self,
        archive: Archive,
        authenticator: Authenticator,
        staging: Rooms,
        desk: DeskRooms,
        look: service.Look,
        at_end: Callable[[], None],
    ) -> None:
        self._staging = staging
        self._desk = desk
        self._at_end = at_end
        self._archive = archive
        self._authenticator = authenticator
        self._metrics = Metrics()
        self._service = service.make_service(self._metrics, look)
        tree = Tree([ARCHIVE, STAGING])
        self._parts = {
            "": _Part(None, tree.answer),
            ARCHIVE: _Part(Scope.READ, tree.answer),
            STAGING: _Part(Scope.STAGING, StagingPart(staging).answer, names_in),
            DESK: _Part(Scope.STAGING, DeskPart(desk).answer),
        }

    def at_end(self) -> None:
        """End what runs in this process beside requests; it has answered the last one."""
        self._staging.inboxes.close()
        self._desk.drawing.close()
        self._at_end()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        began = time.perf_counter()
        answer = self._answer(environ)
        if answer.status_code >= 400 and has_body(environ) and "archimed.body_read" not in environ:
            # What comes next on this connection is a body that nobody reads.
            environ.get("archimed.close", lambda: None)()
        part = environ.get("archimed.part", "none")
        self._metrics.observe(part, method_of(environ), answer.status_code, time.perf_counter() - began)
        return answer(environ, start_response)

    def _answer(self, environ: Environ) -> Answer:
        try:
            return self._dispatch(environ)
        except Unavailable as error:
            _log.warning("%s", error)
            return answers.failure(error)
        except ArchimedError as error:
            return answers.failure(error)
        except TimeoutError:
            return answers.text(408, "the request's body did not arrive")
        except Exception as error:  # noqa: BLE001 - one request fails, with a line that repeats nothing of it
            _log.error("a request failed unexpectedly: %s", place_of(error))
            return answers.text(500, "something went wrong here; the log says where")

    def _dispatch(self, environ: Environ) -> Answer:
        method = environ["REQUEST_METHOD"]
        if environ.get("PATH_INFO") in _OPEN:
            return self._service_answer(environ)
        header = environ.get("HTTP_AUTHORIZATION")
        if header is None and method == "OPTIONS" and environ.get("PATH_INFO") in {"/", "*"}:
            return Response(status=200, headers=ROOT_CAPABILITIES)
        first = first_name(environ)
        # In staging such a name may be a file's that somebody brought.
        if method in _READING and first != STAGING and is_probe(environ):
            raise NotFound("there is no such file or folder")
        session = self._authenticator.authenticate(
            header, environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", "")
        )
        part = self._parts.get(first)
        if first == "*" and method == "OPTIONS":
            return Response(status=200, headers=ROOT_CAPABILITIES)
        if part is None:
            raise NotFound("there is no such file or folder")
        environ["archimed.part"] = first or "root"
        if part.scope is not None and part.scope not in session.scopes:
            raise Refused(f"this token is not good for that; make one with `archimed token create --scope {part.scope}`")
        environ["archimed.principal"] = session.principal
        environ["archimed.view"] = self._archive.view(session.principal, Face.WEBDAV)
        environ["archimed.session_holds"] = lambda: self._authenticator.holds(session)
        return part.answer(part.names(environ), environ)

    def _service_answer(self, environ: Environ) -> Answer:
        if environ.get("PATH_INFO") != f"/{service.HEALTH}" and not is_from_this_machine(environ):
            raise NotFound("there is no such file or folder")
        environ["archimed.part"] = "service"
        return Response.from_app(self._service.wsgi_app, environ)
