"""What an operation is: its path, what it takes, what it returns, what a token must be good for. Knows none of them.

The types of a function say all: parameters that its path names are `str` or `int`, `query` is a `Query`, `body` is a `Body`.
What a client sends is checked against them before the function is called; unknown and repeated parameters are refused.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar, get_origin, get_type_hints
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from werkzeug.routing import Rule

from catalog.administration import Scope
from catalog.pure.errors import Invalid
from gateway.api.problems import Fault
from gateway.http.requests import Environ, Request, has_body, read_input

LARGEST_NUMBER = 2**31 - 1
_LARGEST_BODY = 1 << 20
_MOST_PARAMETERS = 100
_LONGEST_TEXT = 8000

Line = Annotated[str, StringConstraints(max_length=_LONGEST_TEXT, pattern=r"^[^\x00-\x1f\x7f]*$")]
Named = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
F = TypeVar("F", bound=Callable[..., Any])


class Query(BaseModel):
    """The parameters behind the question mark of an operation."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    lists: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Note which parameters may be repeated: those that are tuples."""
        cls.lists = frozenset(name for name, field in cls.model_fields.items() if get_origin(field.annotation) is tuple)


class Body(BaseModel):
    """The JSON object that a client sends to an operation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Unfit(Invalid):
    """What a client sent does not fit the operation; `faults` names each part that does not."""

    def __init__(self, sentence: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(sentence)
        self.faults = faults


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation of the API.

    Args:
        method: GET, POST ...
        path: below /api/v1, `/studies/{study}`.
        call: what is called.
        scope: what a token must be good for.
        group: under which heading it is described.
        parameters: types of the parameters in its path.
        query: its parameters behind the question mark, None: there are none.
        body: what a client sends, None: nothing.
        result: what it returns.
        media: the media type of its answer, if that is not JSON.
        status: of an answer that says it is done.
        tells: an error names what was not found: nothing that a grant hides.
    """

    method: str
    path: str
    call: Callable[..., Any]
    scope: Scope
    group: str
    parameters: Mapping[str, type]
    query: type[Query] | None
    body: type[Body] | None
    result: Any
    media: str
    status: int
    tells: bool

    @property
    def name(self) -> str:
        """Its name: what a generated client calls it."""
        return self.call.__name__

    def rule(self, prefix: str) -> Rule:
        """Return where it is found."""
        path = self.path
        for name, kind in self.parameters.items():
            converter = f"int(max={LARGEST_NUMBER})" if kind is int else "path" if name == "path" else "string"
            path = path.replace(f"{{{name}}}", f"<{converter}:{name}>")
        return Rule((prefix + path).rstrip("/"), methods=[self.method], endpoint=self)


class Operations:
    """A group of operations, described under one heading.

    Args:
        group: the heading.
        about: what the group is about.
    """

    def __init__(self, group: str, about: str) -> None:
        self.group = group
        self.about = about
        self.all: list[Operation] = []

    def add(
        self, method: str, path: str, scope: Scope, *, media: str = "", status: int = 200, tells: bool = False
    ) -> Callable[[F], F]:
        """Return a decorator that makes a function an operation."""

        def register(call: F) -> F:
            types = get_type_hints(call, include_extras=True)
            names = [name for name in inspect.signature(call).parameters if name not in {"call", "query", "body"}]
            self.all.append(
                Operation(
                    method, path, call, scope, self.group, {name: types[name] for name in names}, types.get("query"),
                    types.get("body"), types["return"], media, status, tells,
                )
            )  # fmt: skip
            return call

        return register


def pairs_of(environ: Environ) -> list[tuple[str, str]]:
    """Return the parameters behind the question mark, in their order.

    Raises:
        Unfit: they are not UTF-8, or too many.
    """
    try:
        return parse_qsl(
            environ.get("QUERY_STRING", ""), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
        )
    except UnicodeDecodeError:
        raise Unfit("the parameters are not UTF-8") from None
    except ValueError:
        raise Unfit(f"there are more than {_MOST_PARAMETERS} parameters") from None


def read_query(operation: Operation, environ: Environ) -> dict[str, Query]:
    """Return the checked parameters of a request as arguments of the operation.

    Raises:
        Unfit: they do not fit.
    """
    given: dict[str, Any] = {}
    model = operation.query or Query
    for name, value in pairs_of(environ):
        if name in model.lists:
            given.setdefault(name, []).append(value)
        elif name in given:
            raise Unfit("a parameter is given twice", [Fault(where=_shown(name, model), what="is given twice")])
        else:
            given[name] = value
    try:
        checked = model.model_validate(given)
    except ValidationError as error:
        raise Unfit("the parameters do not fit", _faults(error, model)) from None
    return {"query": checked} if operation.query else {}


def read_body(operation: Operation, request: Request) -> dict[str, Body]:
    """Return the checked body of a request as an argument of the operation.

    Raises:
        Unfit: it does not fit.
    """
    if operation.body is None:
        if has_body(request.environ) and _content(request):
            raise Unfit("this takes no body")
        return {}
    if request.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != "application/json":
        raise Unfit("the body is a JSON object, sent as Content-Type: application/json")
    try:
        return {"body": operation.body.model_validate_json(_content(request), strict=False)}
    except ValidationError as error:
        raise Unfit("the body does not fit", _faults(error, operation.body)) from None


def _content(request: Request) -> bytes:
    try:
        content = read_input(request, _LARGEST_BODY + 1)
    except Invalid:
        raise Unfit("the body cannot be read") from None
    if len(content) > _LARGEST_BODY:
        raise Unfit("the body is too long")
    request.exchange.body_is_read = True
    return content


def _faults(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Return what is wrong, without what was sent."""
    return [
        Fault(where=".".join(_shown(part, model) for part in each["loc"]) or "body", what=each["msg"])
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _shown(part: object, model: type[BaseModel]) -> str:
    """Return a name that we know; what a client thought up is not repeated."""
    return str(part) if isinstance(part, int) or part in model.model_fields else "(unknown)"
