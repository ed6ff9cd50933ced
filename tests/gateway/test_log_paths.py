"""No error path writes what an exception's text may quote: all of them by reading the source, some by walking them.

What the mounts, the DICOM door, the worker and the supervisor do is walked in their own tests.
"""

import ast
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.audit import Keeper
from catalog.pure import errors
from gateway.credentials import Unauthenticated
from gateway.http.app import Front
from gateway.http.metrics import Metrics
from gateway.http.readonly import archive_part
from tests.builders import BuiltArchive

TOP = Path(__file__).parents[2]
PACKAGES = ("archimedfs", "catalog", "deid", "gateway")
SOURCES = sorted(path for package in PACKAGES for path in (TOP / package).rglob("*.py"))
# Their text is written for anybody to read (docs/laws.md, law 6).
OURS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.ArchimedError)}
OURS |= {"PeerError", "Unauthenticated"}
LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
# What may be taken of a foreign error: its kind, its number, where it came from.
SAFE_CALLS = {"place_of", "type"}
SAFE_ATTRIBUTES = {"errno", "strerror", "code", "number", "returncode"}
# Hands a whole exception to the log: the last line of a process, which `gateway.logs` reduces to kind and place.
REDUCED = {TOP / "gateway" / "supervisor" / "child.py"}
SECRET = "Mustermann^Erika"


def log_calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in {"_log", "_requests", "logging", "log"}:
                yield node


def shown(call: ast.Call, name: str) -> bool:
    """Whether a call writes an error itself, and not only what is safe of it."""
    hidden: set[ast.AST] = set()
    for node in ast.walk(call):
        safe_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAFE_CALLS
        if safe_call or (isinstance(node, ast.Attribute) and node.attr in SAFE_ATTRIBUTES):
            hidden.update(ast.walk(node))
    return any(isinstance(node, ast.Name) and node.id == name and node not in hidden for node in ast.walk(call))


def kinds(handler: ast.ExceptHandler) -> set[str]:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in caught if node}


def careless(source: str) -> list[int]:
    """Return the lines that may write the text of an exception that is not the archive's own."""
    tree = ast.parse(source)
    found = [
        call.lineno
        for handler in ast.walk(tree)
        if isinstance(handler, ast.ExceptHandler) and handler.name and not kinds(handler) <= OURS
        for call in log_calls(handler)
        if shown(call, handler.name)
    ]
    found += [
        call.lineno
        for call in log_calls(tree)
        if call.func.attr == "exception" or any(word.arg in {"exc_info", "stack_info"} for word in call.keywords)  # type: ignore[attr-defined]  # as log_calls found them
    ]
    return sorted(found)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(TOP)))
def test_no_error_path_writes_a_foreign_text(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    if path in REDUCED:
        assert set(careless(source)) == {number for number, line in enumerate(source.splitlines(), 1) if ".exception(" in line}
    else:
        assert careless(source) == []


@pytest.mark.parametrize(
    "body",
    [
        "try: f()\nexcept Exception as e: _log.error('x %s', e)",
        "try: f()\nexcept (Refused, OSError) as e: _log.error('x %s', str(e))",
        "try: f()\nexcept OSError as e: _log.warning(f'x {e}')", "try: f()\nexcept OSError as e: _log.warning('x', e.filename)",
        "_log.exception('x')", "_log.error('x', exc_info=True)",
    ],
)  # fmt: skip
def test_the_reading_finds_what_is_careless(body: str) -> None:
    assert careless(body)


@pytest.mark.parametrize(
    "body",
    [
        "try: f()\nexcept Refused as e: _log.error('x %s', e)",
        "try: f()\nexcept OSError as e: _log.error('%s %s %d', place_of(e), type(e).__name__, e.errno)",
    ],
)
def test_the_reading_lets_pass_what_is_safe(body: str) -> None:
    assert careless(body) == []


class _Failing:
    """Fails wherever it is asked."""

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object, **__: object) -> None:
            raise ValueError(SECRET)

        return fail


class _Session:
    principal: Any = None
    scopes: Any = frozenset({"read"})


class _Anybody:
    def authenticate(self, *_: object) -> _Session:
        return _Session()

    def address(self, *_: object) -> str:
        return ""


def test_a_request_that_fails_writes_where_and_not_what(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    app = Front([archive_part(_Failing())], _Anybody(), Metrics())  # type: ignore[arg-type]  # what it asks of them
    answered: list[str] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/archive/{SECRET}", "HTTP_AUTHORIZATION": "Basic x"}
    body = b"".join(app(environ, lambda status, *_: answered.append(status)))
    assert answered == ["500 INTERNAL SERVER ERROR"]
    (record,) = caplog.records
    assert "ValueError" in record.getMessage()
    assert SECRET not in caplog.text + body.decode()


def test_logins_and_passwords_are_not_written(caplog: pytest.LogCaptureFixture, built: BuiltArchive) -> None:
    from gateway.credentials import Credentials, TokenBackend
    from tests.gateway.http.serving import basic

    caplog.set_level(logging.DEBUG)
    credentials = Credentials(built.database, TokenBackend(built.database))
    for header in (basic(SECRET, SECRET), basic("anna", SECRET), f"Basic {SECRET}", SECRET, basic("anna\0", SECRET)):
        with pytest.raises(Unauthenticated) as caught:
            credentials.authenticate(header)
        assert SECRET not in str(caught.value)
    assert SECRET not in caplog.text


def test_the_audits_own_failure_is_told_without_its_text(
    caplog: pytest.LogCaptureFixture, built: BuiltArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Keeper(built.database)
    keeper.refusals.note("anna", "192.0.2.1")
    monkeypatch.setattr("catalog.audit.refusals.record", _Failing().anything)
    keeper.flush()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "ValueError at" in caplog.text
    assert SECRET not in caplog.text
