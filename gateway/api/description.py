"""All operations as an OpenAPI 3.1 document, made from their types and their docstrings."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter

from catalog.administration import Scope
from gateway.api.answering import JSON, Listing
from gateway.api.operations import LARGEST_NUMBER, Operation, Operations
from gateway.api.problems import MEDIA, Problem

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaMode

_REF = "#/components/schemas/{model}"
_BYTES = {"type": "string", "format": "binary"}
_ABOUT = """What the command line can, for programs: as far as role, grants and the token's scopes allow.

Log in with HTTP Basic: a login, and a token (`archimed token create`) or what the site's PAM or LDAP knows as the password;
or with a token alone (Bearer).
What is not granted is not found. Errors are `application/problem+json` (RFC 9457). Lists come a page at a time: the header
`Link` of a page names the next one; the last has none. JSON answers and files carry an `ETag`. Times are UTC, sizes are bytes.
Uploads come in pieces (tus 1.0.0): `prepare_upload` says where they begin."""


def describe(groups: Sequence[Operations], prefix: str) -> dict[str, Any]:
    """Return the document.

    Args:
        groups: all operations.
        prefix: where they stand, `/api/v1`.
    """
    schemas = _Schemas(operation for group in groups for operation in group.all)
    paths: dict[str, dict[str, Any]] = {}
    for group in groups:
        for operation in group.all:
            paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ArchiMed", "version": version("archimed"), "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": prefix}],
        "security": [{"basic": []}, {"bearer": []}],
        "tags": [{"name": group.group, "description": group.about} for group in groups],
        "paths": paths,
        "components": {
            "schemas": schemas.shared,
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic", "description": "Login and token or password."},
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token alone."},
            },
            "responses": {"problem": {
                "description": "Why it was not done.",
                "content": {MEDIA: {"schema": {"$ref": _REF.format(model="Problem")}}},
            }},
        },
    }  # fmt: skip


class _Schemas:
    """JSON schemas of all that operations take and return; `shared` are those that are named."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        wanted: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = [("problem", "serialization", TypeAdapter(Problem))]
        self._queries: set[str] = set()
        for operation in operations:
            if not operation.media and operation.result is not type(None):
                wanted.append((operation.name, "serialization", TypeAdapter(_shape(operation.result))))
            models = [model for model in (operation.query, operation.body) if model is not None]
            wanted += [(model, "validation", TypeAdapter(model)) for model in models]
            if operation.query is not None:
                self._queries.add(operation.query.__name__)
        found, schema = TypeAdapter.json_schemas(wanted, ref_template=_REF)
        self._found: dict[Any, Any] = {key: schema for (key, _), schema in found.items()}
        self._all: dict[str, Any] = schema["$defs"]
        self.shared = {name: schema for name, schema in self._all.items() if name not in self._queries}

    def of_result(self, operation: Operation) -> Mapping[str, Any]:
        schema: Mapping[str, Any] = self._found[operation.name]
        return schema

    def of(self, model: type[BaseModel]) -> Mapping[str, Any]:
        """Return a model's own schema, where one that is named is only pointed at."""
        found: Mapping[str, Any] = self._found[model]
        return self._all[model.__name__] if "$ref" in found else found

    def pointer(self, model: type[BaseModel]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._found[model]
        return found


def _operation(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    summary, _, more = (inspect.getdoc(operation.call) or "").partition("\n\n")
    about: dict[str, Any] = {
        "operationId": operation.name, "tags": [operation.group], "summary": summary.rstrip("."),
        "description": f"{more}\n\nNeeds a token with the scope `{operation.scope}`.".strip(),
        "parameters": [*_in_path(operation), *_in_query(operation, schemas)],
        "responses": {**_done(operation, schemas), "default": {"$ref": "#/components/responses/problem"}},
    }  # fmt: skip
    if operation.body is not None:
        about["requestBody"] = {"required": True, "content": {JSON: {"schema": schemas.pointer(operation.body)}}}
    return about


def _in_path(operation: Operation) -> Iterable[dict[str, Any]]:
    for name, kind in operation.parameters.items():
        number = {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER}
        schema = number if kind is int else {"type": "string", "minLength": 1}
        described = "A path in the tree, with slashes: `2008-0003/E001`." if name == "path" else ""
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": schema,
            **({"description": described} if described else {}),
        }


def _in_query(operation: Operation, schemas: _Schemas) -> Iterable[dict[str, Any]]:
    if operation.query is None:
        return
    schema = schemas.of(operation.query)
    for name, each in schema.get("properties", {}).items():
        kept = {key: value for key, value in each.items() if key not in {"title", "description"}}
        about = {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": kept}
        yield about | ({"description": each["description"]} if "description" in each else {})


def _done(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    if operation.result is type(None):
        return {"204": {"description": "Done."}}
    if operation.media:
        content: dict[str, Any] = {operation.media: {"schema": _BYTES}}
        partial = (
            {"206": {"description": "The bytes that Range asks for.", "content": content}} if operation.media == "*/*" else {}
        )
        return {
            "200": {"description": "The bytes.", "content": content},
            "304": {"description": "The client has it."},
            **partial,
        }
    about: dict[str, Any] = {"description": "Done.", "content": {JSON: {"schema": schemas.of_result(operation)}}}
    if get_origin(operation.result) is Listing:
        about["headers"] = {"Link": {"description": "The next page, rel=next.", "schema": {"type": "string"}}}
    kept = {"304": {"description": "The client has it."}} if operation.method == "GET" else {}
    return {str(operation.status): about, **kept}


def _shape(result: Any) -> Any:
    return list[get_args(result)[0]] if get_origin(result) is Listing else result  # type: ignore[misc] # made at run time


def scopes(groups: Sequence[Operations]) -> dict[str, Scope]:
    """Return by operation what a token must be good for."""
    return {operation.name: operation.scope for group in groups for operation in group.all}
