"""The part at `/api/v1/`: finds the operation that is asked for, has its parameters checked, and sends what it returns."""

from functools import cache
from typing import Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import Map
from werkzeug.wrappers import Response

from catalog.pure.errors import IsADirectory, NotADirectory, NotFound
from gateway.api import archive, gate, history, people, work
from gateway.api.answering import json_answer
from gateway.api.description import describe
from gateway.api.operations import Operation, Operations, Unfit, read_body, read_query
from gateway.api.problems import NOT_THERE, problem
from gateway.api.services import ApiServices, Call
from gateway.http.answers import Answer
from gateway.http.app import Login, Part
from gateway.http.requests import Request

API = "api/v1"
DESCRIPTION = f"{API}/openapi.json"
GROUPS: tuple[Operations, ...] = (
    archive.OPERATIONS, gate.OPERATIONS, people.OPERATIONS, work.OPERATIONS, history.OPERATIONS,
)  # fmt: skip
_SAFE = frozenset({"GET", "HEAD"})
_OWN = frozenset({"same-origin", "none"})


@cache
def description() -> dict[str, Any]:
    """Return the OpenAPI document of all operations."""
    return describe(GROUPS, f"/{API}")


class ApiPart:
    """The API. One a process, shared by its threads."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services
        rules = [operation.rule(f"/{API}") for group in GROUPS for operation in group.all]
        self._map = Map(rules, strict_slashes=False, merge_slashes=False, redirect_defaults=False)

    def registrations(self) -> list[Part]:
        """Return it as parts of the door. The description holds nothing of the archive and needs no login."""
        return [
            Part(API, self.answer, tell=problem),
            Part(DESCRIPTION, _describe, login=Login.NEVER, label=API, tell=problem),
        ]

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request for something below `api/v1/`.

        Raises:
            ArchimedError: what is to be answered instead.
        """
        try:
            operation, parameters = self._find(request)
        except MethodNotAllowed as error:
            return problem(405, "there is nothing to do here in that way", Allow=", ".join(sorted(error.valid_methods or ())))
        except HTTPException:
            return problem(404, NOT_THERE)
        request.require(operation.scope)
        _refuse_other_sites(request)
        try:
            given = read_query(operation, request.environ) | read_body(operation, request)
            result = operation.call(Call(self._services, request), **parameters, **given)
        except Unfit as error:
            return problem(400, str(error), error.faults)
        except (NotFound, NotADirectory) as error:
            return problem(404, str(error) if operation.tells else NOT_THERE)
        except IsADirectory as error:
            return problem(409, str(error))
        if operation.media or operation.result is type(None):
            answer: Answer = result if operation.media else Response(status=204)
            return answer
        return json_answer(request.environ, result, operation.status)

    def _find(self, request: Request) -> tuple[Operation, dict[str, Any]]:
        path = "/" + "/".join((*API.split("/"), *request.path))
        operation, parameters = self._map.bind("localhost").match(path, request.method)
        return operation, dict(parameters)


def _describe(request: Request) -> Answer:
    if request.path:
        return problem(404, NOT_THERE)
    if request.method not in _SAFE:
        return problem(405, "the description is only read", Allow="GET, HEAD")
    return json_answer(request.environ, description())


def _refuse_other_sites(request: Request) -> None:
    """Refuse a change that a browser says it was made to ask for by a page of another site.

    Raises:
        Unfit: it was.
    """
    site = request.environ.get("HTTP_SEC_FETCH_SITE")
    if request.method not in _SAFE and site is not None and site not in _OWN:
        raise Unfit("this comes from a page of another site, so nothing was changed")
