"""The API keeps to its own description: asked by schemathesis, which makes up fitting and unfitting requests from it."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import BaseSchema, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from catalog.administration import Scope
from gateway.api.operations import Operation, Operations
from gateway.api.part import GROUPS, description
from tests.behaviour.suite import SERIES, STUDY
from tests.builders import BuiltArchive, built_in
from tests.gateway.api.door import Door

ALWAYS = [
    not_a_server_error, checks.status_code_conformance, checks.content_type_conformance, checks.response_headers_conformance,
    checks.response_schema_conformance,
]  # fmt: skip
FEW = settings(
    max_examples=6, deadline=None, derandomize=True, phases=[Phase.generate], database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
REAL = {
    "study": STUDY, "exam": "E001", "series": SERIES.rpartition("/")[2], "path": f"{SERIES}/00001.dcm", "login": "sam",
    "q": 'file_type = "DCM_MR"', "name": "MR1",
}  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with built_in(tmp_path_factory.mktemp("described")) as built:
        opened = Door(_fill(built))
        yield opened
        opened.close()


def _fill(built: BuiltArchive) -> BuiltArchive:
    built.user("root", "administrator")
    built.user("lea")
    built.user("sam")
    built.study(STUDY)
    built.grant("root", STUDY)
    built.add_series(SERIES, {"00001.dcm": b"one"})
    return built


@pytest.fixture(scope="module")
def schema(served: Door) -> BaseSchema:
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", served.front, headers={"Host": "archive.example"})


@pytest.mark.parametrize("operation", [each for group in GROUPS for each in group.all], ids=lambda each: each.name)
def test_every_operation_answers_as_it_is_described(schema: BaseSchema, served: Door, operation: Operation) -> None:
    described = schema[operation.path][operation.method]
    headers = {
        "Authorization": served.authorization("root", *Scope), "Host": "archive.example", "Accept-Encoding": "identity",
    }  # fmt: skip

    def ask(case: Case) -> None:
        case.call_and_validate(headers=headers, checks=[*ALWAYS, checks.negative_data_rejection])
        if case.path_parameters:
            # What is made up is hardly ever there: once more of what is.
            case.path_parameters = {name: REAL.get(name, value) for name, value in case.path_parameters.items()}
            case.call_and_validate(headers=headers, checks=ALWAYS)

    for mode in GenerationMode:
        try:
            FEW(given(case=described.as_strategy(generation_mode=mode))(ask))()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, "nothing can be sent that does not fit"


def test_the_description_says_all_that_is_there(served: Door) -> None:
    told = served.client.get("/api/v1/openapi.json", headers={"Host": "archive.example"}).json
    assert told == description()
    assert told["openapi"] == "3.1.0"
    named = {operation["operationId"] for path in told["paths"].values() for operation in path.values()}
    assert named == {operation.name for group in GROUPS for operation in group.all}
    for path in told["paths"].values():
        for operation in path.values():
            assert operation["summary"], operation["operationId"]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.group)
def test_nobody_gets_in_without_a_login_or_with_a_token_that_is_not_good_for_it(served: Door, group: Operations) -> None:
    for operation in group.all:
        path = operation.path
        for name, kind in operation.parameters.items():
            path = path.replace(f"{{{name}}}", "1" if kind is int else REAL[name])
        anonymous = served.client.open(f"/api/v1{path}", method=operation.method, headers={"Host": "x"})
        assert (anonymous.status_code, anonymous.content_type) == (401, "application/problem+json"), operation.name
        assert anonymous.headers["WWW-Authenticate"].startswith("Basic ")
        others = [scope for scope in Scope if scope is not operation.scope]
        assert served.send(operation.method, path, "root", *others).status_code == 403, operation.name
        if operation.scope is Scope.ADMIN:
            refused = served.send(operation.method, path, "lea", Scope.ADMIN, json={} if operation.body else None)
            assert refused.status_code in {400, 403, 404} or refused.json == [], operation.name
